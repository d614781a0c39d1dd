// Edges: the two ends of the selected turn in its lane, to be dragged, or moved by the arrow keys.

import { byId, h } from "../dom.js";
import { clock, isFinished } from "../text.js";
import { LANE, laneOf, pressed, secondsAt, xOf } from "./lanes.js";
import { duration, sight } from "./player.js";
import { moveBorder } from "./shaping.js";
import { announce, on, state } from "./state.js";

/** Shortest turn, seconds. */
const SHORTEST = 0.1;
const WIDE = 24;
/** A turn that is narrower in its lane shows no edges, pixels. */
const NARROWEST = 6;
/** Pixels within which a press is a click. */
const CLICK = 3;
/** How far an arrow key moves an end, seconds; with Shift. */
const [STEP, FAR] = [0.05, 0.5];
/** How long after the last key it is sent. */
const SETTLED_MS = 900;

const names = { start: "Start of the turn", end: "End of the turn" };
const handles = Object.fromEntries(Object.keys(names).map((edge) => [edge, handle(edge)]));
let timer = null;

function handle(edge) {
  return h("div", {
    class: `edge ${edge}`, role: "slider", tabIndex: 0, hidden: true, "aria-label": names[edge], "aria-orientation": "horizontal", "data-key": `edge ${edge}`,
    on: { pointerdown: (event) => grab(event, edge), keydown: (event) => keys(event, edge), blur: () => send(edge) },
  });
}

const selected = () => state.turns[state.selected];
const shown = () => ({ ...selected(), ...state.preview });

/** An end cannot go past the other one, or out of the recording. */
function bounded(edge, at) {
  const { start, end } = selected();
  return edge === "start" ? Math.min(Math.max(0, at), end - SHORTEST) : Math.max(Math.min(duration(), at), start + SHORTEST);
}

function preview(edge, at) {
  state.preview = { [edge]: bounded(edge, at) };
  announce("preview");
}

/** Sends where an end was moved to. */
async function send(edge) {
  clearTimeout(timer);
  const turn = selected();
  const at = state.preview?.[edge];
  if (at !== undefined && turn && Math.abs(at - turn[edge]) > 0.01) await moveBorder(turn, edge, at);
  if (state.preview?.[edge] === at) leave();
}

function leave() {
  clearTimeout(timer);
  state.preview = null;
  announce("preview");
}

function grab(event, edge) {
  if (event.button !== 0) return;
  event.preventDefault();
  const element = handles[edge];
  element.setPointerCapture(event.pointerId);
  element.focus({ preventScroll: true });
  const from = event.clientX;
  const held = selected()[edge] - secondsAt(from);
  let moved = false;
  const move = (now) => {
    moved ||= Math.abs(now.clientX - from) > CLICK;
    if (moved) preview(edge, secondsAt(now.clientX) + held);
  };
  const end = (now) => {
    element.removeEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) element.removeEventListener(name, end);
    if (now.type === "pointercancel") leave();
    else if (moved) send(edge);
    else pressed(now);
  };
  element.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, end);
}

function keys(event, edge) {
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
  if (event.key === "Enter") send(edge);
  else if (event.key === "Escape") leave();
  else if (event.key in steps) {
    preview(edge, shown()[edge] + steps[event.key] * (event.shiftKey ? FAR : STEP));
    clearTimeout(timer);
    timer = setTimeout(() => send(edge), SETTLED_MS);
  } else return;
  event.preventDefault();
}

function place() {
  const turn = selected() && shown();
  const lane = turn ? laneOf(turn.speaker) : -1;
  const { from, to } = sight();
  const [first, last] = turn ? [xOf(turn.start), xOf(turn.end)] : [0, 0];
  const hidden = lane < 0 || !isFinished(state.recording.state) || last - first < NARROWEST;
  const width = byId("lanes").clientWidth;
  for (const [edge, element] of Object.entries(handles)) {
    const at = turn?.[edge] ?? 0;
    element.hidden = hidden || at < from || at > to;
    if (element.hidden) continue;
    const left = edge === "start" ? Math.max(0, first - WIDE) : Math.min(width - WIDE, last);
    element.style.setProperty("transform", `translate(${left.toFixed(1)}px, ${lane * LANE}px)`);
    element.setAttribute("aria-valuemin", "0");
    element.setAttribute("aria-valuemax", duration().toFixed(2));
    element.setAttribute("aria-valuenow", at.toFixed(2));
    element.setAttribute("aria-valuetext", clock(at, true));
  }
}

export function start() {
  byId("lanes").append(handles.start, handles.end);
  on("selected", () => (state.preview = null));
  for (const what of ["recording", "turns", "selected", "sight", "preview"]) on(what, place);
  new ResizeObserver(place).observe(byId("lanes"));
}
