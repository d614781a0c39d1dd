// Turns: the list, of which only what is in sight is made; it follows the playhead.

import { byId, eachFrame, h } from "../dom.js";
import { clock, count, isFinished, isInWork, percent } from "../text.js";
import { swatch } from "./colours.js";
import { isPlaying, now, playPart, seek, show } from "./player.js";
import { announce, firstAfter, on, select, state, turnAt } from "./state.js";

const ROW = 40;
/** Rows made beyond either edge. */
const BEYOND = 6;
/** Below this the runner-up is worth a thought. */
const UNSURE = 0.8;

const list = byId("turns");
const space = byId("turns-space");
let current = -1;
let shown = "";

function row(index) {
  const turn = state.turns[index];
  const unsure = !turn.corrected && turn.confidence !== null && turn.confidence < UNSURE;
  const words = turn.corrected || turn.confidence === null ? "" : percent(turn.confidence);
  const mark = turn.provisional ? " · provisional" : turn.corrected ? " · corrected" : null;
  return h(
    "div",
    {
      class: turn.provisional ? "turn provisional" : "turn",
      id: `turn-${index}`,
      role: "option",
      "aria-selected": String(index === state.selected),
      "aria-current": index === current ? "true" : null,
      "aria-posinset": String(index + 1),
      "aria-setsize": String(state.turns.length),
      style: { top: `${index * ROW}px` },
      on: { click: () => choose(index) },
    },
    h("span", { class: "start" }, clock(turn.start, true)),
    swatch(turn.speaker),
    h("span", { class: "name" }, turn.speaker, mark && h("span", { class: "muted small" }, mark)),
    h("span", { class: "length" }, `${(turn.end - turn.start).toFixed(1)} s`),
    h("span", { class: unsure ? "sure unsure" : "sure", title: unsure ? "confidence below 80 %" : "" }, unsure ? `${words} ?` : words),
  );
}

const draw = eachFrame(() => {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - BEYOND);
  const last = Math.min(state.turns.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + BEYOND);
  shown = `${first}-${last}`;
  const rows = [];
  for (let index = first; index < last; index++) rows.push(row(index));
  space.replaceChildren(...rows);
  const selected = byIndex(state.selected);
  if (selected) list.setAttribute("aria-activedescendant", selected.id);
  else list.removeAttribute("aria-activedescendant");
});

const byIndex = (index) => document.getElementById(`turn-${index}`);

/** Draws only when other rows came into sight. */
function scrolled() {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - BEYOND);
  const last = Math.min(state.turns.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + BEYOND);
  if (shown !== `${first}-${last}`) draw();
}

function bringIntoSight(index) {
  const top = index * ROW;
  if (top < list.scrollTop) list.scrollTop = top - ROW;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
}

/** Selects a turn and plays it, to its end. */
export function choose(index) {
  const turn = state.turns[index];
  if (!turn) return;
  select(index);
  show(turn.start);
  playPart(turn.start, turn.end);
}

/** Goes to the turn before (-1) or after (1); plays on if it was playing. */
export function step(by) {
  const from = state.selected >= 0 ? state.selected : by > 0 ? firstAfter(now()) - 1 : firstAfter(now());
  const index = Math.min(Math.max(0, from + by), state.turns.length - 1);
  if (index < 0) return;
  select(index);
  bringIntoSight(index);
  seek(state.turns[index].start);
  show(state.turns[index].start);
}

function follow() {
  const index = turnAt(now());
  if (index === current) return;
  current = index;
  announce("current");
  if (index >= 0 && byId("follow").checked && isPlaying()) bringIntoSight(index);
  draw();
}

export function currentTurn() {
  return current;
}

function keys(event) {
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity };
  if (event.key === "Enter") choose(state.selected);
  else if (event.key in steps) {
    const index = Math.min(Math.max(0, state.selected + steps[event.key]), state.turns.length - 1);
    select(index);
    bringIntoSight(index);
  } else return;
  event.preventDefault();
}

/** Why no turn is shown. */
function none() {
  const { state: is } = state.recording;
  if (isFinished(is)) byId("turns-none").textContent = "No speech was found.";
  else byId("turns-none").textContent = isInWork(is) ? "No turns yet." : `No turns: the recording ${is === "failed" ? "failed" : "was cancelled"}.`;
}

export function start() {
  on("recording", none);
  on("turns", () => {
    const many = state.turns.length;
    space.style.height = `${many * ROW}px`;
    list.hidden = many === 0;
    byId("turns-none").hidden = many > 0;
    byId("turns-count").textContent = count(many, "turn");
    current = -1;
    follow();
    draw();
  });
  on("selected", draw);
  on("time", follow);
  list.addEventListener("scroll", scrolled, { passive: true });
  list.addEventListener("keydown", keys);
  new ResizeObserver(draw).observe(list);
}
