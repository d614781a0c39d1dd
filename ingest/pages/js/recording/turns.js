// Turns: the list, all of them or those of the review, of which only what is in sight is made; it follows the playhead.

import { byId, eachFrame, h } from "../dom.js";
import { clock, count, isFinished, isInWork, percent } from "../text.js";
import { swatch } from "./colours.js";
import { isPlaying, now, playPart, seek, show } from "./player.js";
import { isDone, isOfReview, isUnsure } from "./review.js";
import { announce, firstAfter, on, select, setJoins, state, turnAt } from "./state.js";

const ROW = 40;
/** Rows made beyond either edge. */
const BEYOND = 6;

const list = byId("turns");
const space = byId("turns-space");
let current = -1;
let shown = "";
/** Indices of the turns that the list shows. */
let listed = [];

function row(place) {
  const index = listed[place];
  const turn = state.turns[index];
  const unsure = isUnsure(turn);
  const words = turn.corrected || turn.confidence === null ? "" : percent(turn.confidence);
  const mark = turn.provisional ? " · provisional" : turn.corrected ? " · corrected" : turn.checked ? " · checked" : null;
  return h(
    "div",
    {
      class: turn.provisional ? "turn provisional" : "turn",
      id: `turn-${index}`,
      role: "option",
      "aria-selected": String(index === state.selected),
      "aria-current": index === current ? "true" : null,
      "aria-posinset": String(place + 1),
      "aria-setsize": String(listed.length),
      style: { top: `${place * ROW}px` },
      on: { click: () => choose(index) },
    },
    h("span", { class: "start" }, clock(turn.start, true)),
    swatch(turn.speaker),
    h("span", { class: "name" }, turn.speaker, mark && h("span", { class: "muted small" }, mark)),
    h("span", { class: "length" }, `${(turn.end - turn.start).toFixed(1)} s`),
    h("span", { class: unsure ? "sure unsure" : "sure", title: unsure ? "confidence below 80 %" : "" }, isDone(turn) ? h("span", { class: "done", title: "checked" }, "✓") : unsure ? `${words} ?` : words),
  );
}

const draw = eachFrame(() => {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - BEYOND);
  const last = Math.min(listed.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + BEYOND);
  shown = `${first}-${last}`;
  const rows = [];
  for (let place = first; place < last; place++) rows.push(row(place));
  space.replaceChildren(...rows);
  const selected = byIndex(state.selected);
  if (selected) list.setAttribute("aria-activedescendant", selected.id);
  else list.removeAttribute("aria-activedescendant");
});

const byIndex = (index) => document.getElementById(`turn-${index}`);

/** Draws only when other rows came into sight. */
function scrolled() {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - BEYOND);
  const last = Math.min(listed.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + BEYOND);
  if (shown !== `${first}-${last}`) draw();
}

/** Place in the list of a turn, or of the first listed one after it. */
function placeInList(index) {
  const place = listed.findIndex((other) => other >= index);
  return place < 0 ? listed.length : place;
}

function bringIntoSight(index) {
  const top = placeInList(index) * ROW;
  if (top < list.scrollTop) list.scrollTop = top - ROW;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
}

/** Selects a turn and plays it, to its end. */
export function choose(index) {
  const turn = state.turns[index];
  if (!turn) return;
  select(index);
  bringIntoSight(index);
  show(turn.start);
  playPart(turn.start, turn.end);
}

/** Goes to the turn before (-1) or after (1); plays on if it was playing. */
export function step(by) {
  const from = state.selected >= 0 ? state.selected : by > 0 ? firstAfter(now()) - 1 : firstAfter(now());
  const index = beside(from, by);
  if (index === undefined) return;
  select(index);
  bringIntoSight(index);
  seek(state.turns[index].start);
  show(state.turns[index].start);
}

/** The turn that is listed so many places before or after a turn. */
function beside(index, by) {
  const place = placeInList(index);
  // Where the turn itself is not listed, the one after it is the first ahead.
  const ahead = by > 0 && listed[place] !== index ? by - 1 : by;
  return listed[Math.min(Math.max(0, place + ahead), listed.length - 1)];
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
    const index = Number.isFinite(steps[event.key]) ? beside(state.selected, steps[event.key]) : steps[event.key] < 0 ? listed[0] : listed.at(-1);
    if (index === undefined) return;
    select(index);
    bringIntoSight(index);
  } else return;
  event.preventDefault();
}

/** Why no turn is shown. */
function none() {
  const { state: is } = state.recording;
  const words = byId("turns-none");
  if (state.turns.length > 0) words.textContent = "No turn is unsure.";
  else if (isFinished(is)) words.textContent = "No speech was found.";
  else words.textContent = isInWork(is) ? "No turns yet." : `No turns: the recording ${is === "failed" ? "failed" : "was cancelled"}.`;
}

/** Lists all turns, or those of the review. */
function fill() {
  const all = state.turns.map((_, index) => index);
  listed = byId("filter").value === "unsure" ? all.filter((index) => isOfReview(state.turns[index])) : all;
  space.style.height = `${listed.length * ROW}px`;
  list.hidden = listed.length === 0;
  byId("turns-none").hidden = listed.length > 0;
  none();
}

export function start() {
  byId("join").checked = state.joins;
  byId("join").addEventListener("change", (event) => setJoins(event.target.checked));
  byId("filter").addEventListener("change", () => {
    fill();
    list.scrollTop = 0;
    draw();
  });
  on("recording", none);
  on("turns", () => {
    const many = state.turns.length;
    fill();
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
