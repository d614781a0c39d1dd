// Lanes: who spoke when, a lane for each speaker, drawn for what is in sight only.

import { byId, eachFrame, h } from "../dom.js";
import { clock, count, isFinished, percent } from "../text.js";
import { learn, numberOf, paintOf, swatch } from "./colours.js";
import { duration, now, playPart, seek, sight } from "./player.js";
import { add } from "./shaping.js";
import { firstAfter, on, select, state } from "./state.js";

export const LANE = 28;
const BAR = 16;
/** Pixels within which a press is a click. */
const CLICK = 4;

const canvas = byId("lane-canvas");
const playhead = byId("playhead");
let labels = [];
let overlaps = [];
let longest = 0;
/** A turn that is being dragged out: {speaker, start, end}. */
let drawn = null;
/** Whether the press that ended last was no click. */
let dragged = false;

/** Stretches in which two or more speak, as [start, end]. */
export function overlapsOf(turns) {
  const borders = turns.flatMap((turn) => [[turn.start, 1], [turn.end, -1]]);
  borders.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  const found = [];
  let speaking = 0;
  let since = 0;
  for (const [at, step] of borders) {
    if (step > 0 && speaking === 1) since = at;
    if (step < 0 && speaking === 2 && at > since) found.push([since, at]);
    speaking += step;
  }
  return found;
}

function arrange() {
  labels = state.recording.speakers.map((speaker) => speaker.label);
  for (const turn of state.turns) if (!labels.includes(turn.speaker)) labels.push(turn.speaker);
  learn(labels);
  labels.sort((one, other) => numberOf(one) - numberOf(other));
  overlaps = overlapsOf(state.turns);
  longest = state.turns.reduce((most, turn) => Math.max(most, turn.end - turn.start), 0);
  byId("names").replaceChildren(...labels.map((label) => h("span", { title: label }, swatch(label), h("span", {}, label))));
  canvas.style.height = `${Math.max(1, labels.length) * LANE}px`;
  canvas.setAttribute("aria-label", description());
  tellOverlap();
}

function description() {
  const shares = labels.map((label) => `${label}: ${count(state.turns.filter((turn) => turn.speaker === label).length, "turn")}`);
  return `A lane for each speaker. ${shares.join(", ")}`;
}

function tellOverlap() {
  const seconds = overlaps.reduce((sum, [start, end]) => sum + end - start, 0);
  const words = [
    overlaps.length ? `Overlapping speech (shaded): ${clock(seconds)} (${percent(seconds / (duration() || 1))})` : "No overlapping speech",
    state.turns.some((turn) => turn.provisional) && "Provisional (hatched): may still change",
    state.recording.gaps.length > 0 && "Not analysed (orange in the waveform)",
  ];
  byId("legend").replaceChildren(...words.filter(Boolean).map((line) => h("span", {}, line)));
}

/** Diagonal lines in `paint`, for what is provisional. */
function hatch(context, paint) {
  const tile = h("canvas", { width: 6, height: 6 });
  const pen = tile.getContext("2d");
  pen.strokeStyle = paint;
  pen.lineWidth = 2;
  pen.beginPath();
  for (const shift of [-6, 0, 6]) {
    pen.moveTo(shift, 6);
    pen.lineTo(shift + 6, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

const draw = eachFrame(() => {
  if (!state.recording) return;
  const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio || 1];
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const { from, to } = sight();
  const at = (seconds) => ((seconds - from) / (to - from)) * width;
  context.fillStyle = style.getPropertyValue("--line");
  labels.forEach((_, lane) => context.fillRect(0, lane * LANE + LANE / 2, width, 1));
  context.globalAlpha = 0.16;
  context.fillStyle = style.getPropertyValue("--text");
  for (const [start, end] of overlaps) if (end > from && start < to) context.fillRect(at(start), 0, Math.max(1, at(end) - at(start)), height);
  context.globalAlpha = 1;
  const paints = labels.map(paintOf);
  const hatches = labels.map((_, lane) => hatch(context, paints[lane]));
  const lanes = new Map(labels.map((label, lane) => [label, lane]));
  for (let index = firstAfter(to) - 1; index >= 0 && state.turns[index].start > from - longest; index--) {
    const turn = index === state.selected ? { ...state.turns[index], ...state.preview } : state.turns[index];
    if (turn.end < from) continue;
    const lane = lanes.get(turn.speaker);
    const [x, y, wide] = [at(turn.start), lane * LANE + (LANE - BAR) / 2, Math.max(1.5, at(turn.end) - at(turn.start))];
    context.fillStyle = turn.provisional ? hatches[lane] : paints[lane];
    context.fillRect(x, y, wide, BAR);
    if (turn.provisional) {
      context.strokeStyle = paints[lane];
      context.strokeRect(x + 0.5, y + 0.5, Math.max(0.5, wide - 1), BAR - 1);
    }
    if (index === state.selected) {
      context.strokeStyle = style.getPropertyValue("--text");
      context.lineWidth = 2;
      context.strokeRect(x - 1, y - 2, wide + 2, BAR + 4);
      context.lineWidth = 1;
    }
  }
  if (drawn) {
    const [x, lane] = [at(drawn.start), lanes.get(drawn.speaker)];
    context.globalAlpha = 0.6;
    context.fillStyle = paints[lane];
    context.fillRect(x, lane * LANE + (LANE - BAR) / 2, at(drawn.end) - x, BAR);
    context.globalAlpha = 1;
  }
  movePlayhead();
});

/** Number of a speaker's lane from the top; -1 for none. */
export function laneOf(label) {
  return labels.indexOf(label);
}

/** Seconds at a place on the screen. */
export function secondsAt(clientX) {
  const box = canvas.getBoundingClientRect();
  const { from, to } = sight();
  return from + ((clientX - box.left) / box.width) * (to - from);
}

/** Pixels from the left of the lanes to a moment. */
export function xOf(seconds) {
  const { from, to } = sight();
  return ((seconds - from) / (to - from)) * canvas.clientWidth;
}

const labelAt = (event) => labels[Math.floor((event.clientY - canvas.getBoundingClientRect().top) / LANE)];

/** Index of the turn of a lane that is under the pointer; -1 for none. */
function under(event) {
  const box = canvas.getBoundingClientRect();
  const { from, to } = sight();
  const [seconds, label] = [secondsAt(event.clientX), labelAt(event)];
  // A turn may be narrower than a pointer is exact.
  const near = ((to - from) / box.width) * 3;
  for (let index = firstAfter(seconds + near) - 1; index >= 0 && state.turns[index].start > seconds - longest - near; index--) {
    const turn = state.turns[index];
    if (turn.speaker === label && turn.end > seconds - near) return index;
  }
  return -1;
}

/** Drags a turn out where a lane is empty. */
function drag(event) {
  dragged = false;
  const speaker = labelAt(event);
  if (event.button !== 0 || event.pointerType === "touch" || !speaker || !isFinished(state.recording.state) || under(event) >= 0) return;
  const from = event.clientX;
  canvas.setPointerCapture(event.pointerId);
  const move = (now) => {
    if (!drawn && Math.abs(now.clientX - from) <= CLICK) return;
    const ends = [from, now.clientX].map(secondsAt).map((seconds) => Math.min(Math.max(0, seconds), duration()));
    dragged = true;
    drawn = { speaker, start: Math.min(...ends), end: Math.max(...ends) };
    draw();
  };
  const end = (now) => {
    canvas.removeEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) canvas.removeEventListener(name, end);
    if (!drawn) return;
    const { start, end: until } = drawn;
    drawn = null;
    draw();
    if (now.type === "pointercancel") return;
    add(start, until, speaker);
  };
  canvas.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
}

function movePlayhead() {
  const { from, to } = sight();
  const x = ((now() - from) / (to - from)) * canvas.clientWidth;
  playhead.hidden = x < 0 || x > canvas.clientWidth;
  playhead.style.setProperty("transform", `translateX(${x.toFixed(1)}px)`);
}

/** The turn in the lane under the pointer, or the moment. */
export function pressed(event) {
  const index = under(event);
  if (index < 0) return seek(secondsAt(event.clientX));
  select(index);
  return playPart(state.turns[index].start, state.turns[index].end);
}

export function start() {
  on("recording", () => {
    arrange();
    draw();
  });
  on("turns", () => {
    arrange();
    draw();
  });
  on("selected", draw);
  on("preview", draw);
  on("sight", draw);
  on("time", movePlayhead);
  canvas.addEventListener("click", (event) => dragged || pressed(event));
  canvas.addEventListener("pointerdown", drag);
  new ResizeObserver(draw).observe(canvas);
}

