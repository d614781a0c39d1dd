// State: what the page knows of its recording, and who wants to hear of it.

import { get, send } from "../api.js";
import { joined, separate } from "./joining.js";

const id = location.pathname.split("/")[2];
const listeners = new Map();

export const state = {
  id,
  path: `/v1/recordings/${id}`,
  recording: null,
  /** As `/turns` has them, in order of their start. */
  found: [],
  /** As they are shown: joined, where that is wanted. */
  turns: [],
  joins: localStorage.getItem("join-turns") !== "no",
  /** First frames of turns that are not joined to the one before. */
  apart: new Set(),
  corrections: [],
  /** What was taken back and can be made again, the last at the end. */
  undone: [],
  /** Where an end of the selected turn is being moved to: {start} or {end}, seconds. */
  preview: null,
  /** Index into `turns`; -1 for none. */
  selected: -1,
};

/** Calls `heard` whenever `what` is announced: "recording", "turns", "corrections", "selected", "preview". */
export function on(what, heard) {
  listeners.set(what, [...(listeners.get(what) ?? []), heard]);
}

export function announce(what) {
  for (const heard of listeners.get(what) ?? []) heard();
}

export async function loadRecording() {
  return get(state.path);
}

/** The revision whose turns and corrections are shown. */
let shownRevision = null;

/** Takes a recording in; its turns and corrections are asked for where those of its revision are not shown yet. */
export async function take(recording) {
  state.recording = recording;
  announce("recording");
  if (shownRevision !== recording.revision) await refresh();
}

/**
 * Where the turn `kept` is among `now`: under its speaker, else under one who did not have these frames `before`, else what has most of it left
 * under its speaker; -1 where it is gone.
 */
export function placeOf(kept, before, now) {
  const same = (turn) => turn.first_frame === kept.first_frame && turn.end_frame === kept.end_frame;
  const known = before.filter(same).map((turn) => turn.speaker);
  const under = [(turn) => turn.speaker === kept.speaker, (turn) => !known.includes(turn.speaker), () => true];
  for (const fits of under) {
    const index = now.findIndex((turn) => same(turn) && fits(turn));
    if (index >= 0) return index;
  }
  const shared = now.map((turn) => (turn.speaker === kept.speaker ? Math.min(turn.end_frame, kept.end_frame) - Math.max(turn.first_frame, kept.first_frame) : 0));
  const most = shared.reduce((best, frames, index) => (frames > (shared[best] ?? 0) ? index : best), -1);
  return most;
}

/** Shows the turns that were found, joined or not. */
export function arrange() {
  const [kept, before] = [state.turns[state.selected], state.turns];
  state.turns = state.joins ? joined(state.found, state.apart) : separate(state.found);
  state.selected = kept ? placeOf(kept, before, state.turns) : -1;
  announce("turns");
  announce("selected");
}

export function setJoins(joins) {
  state.joins = joins;
  localStorage.setItem("join-turns", joins ? "yes" : "no");
  arrange();
}

export function labels() {
  return state.recording.speakers.map((speaker) => speaker.label);
}

let asked = 0;
let newest;

/** Asks for the turns and the corrections; returns once those that were asked for last are shown. */
function refresh() {
  newest = look(++asked);
  return newest;
}

async function look(mine) {
  const { revision } = state.recording;
  const [turns, said] = await Promise.all([get(`${state.path}/turns`), get(`${state.path}/corrections`)]);
  // An answer to an older question is of no use.
  if (mine !== asked) return newest;
  state.found = turns.turns;
  state.corrections = said.corrections;
  shownRevision = revision;
  arrange();
  announce("corrections");
}

export function select(index) {
  if (index < -1 || index >= state.turns.length) return;
  state.selected = index;
  announce("selected");
}

/** Whether what was asked for last went well, once it is known. */
let sent = Promise.resolve(true);
let waiting = 0;

/**
 * Does `work` once what was asked for before it is done and shown: however slow the network is, what is pressed later comes later. It is told
 * whether what it had to wait for went well.
 */
export function inTurn(work) {
  const behind = waiting > 0;
  waiting++;
  const done = sent.then((well) => work(!behind || well)).finally(() => waiting--);
  sent = done.then(() => true, () => false);
  return done;
}

window.addEventListener("beforeunload", (event) => {
  if (waiting > 0) event.preventDefault();
});

/** Sends a correction, and shows what became of it. */
export function correct(correction) {
  return inTurn(async () => {
    state.corrections = (await send("POST", `${state.path}/corrections`, correction)).corrections;
    state.undone = [];
    await shown();
  });
}

/**
 * Takes the last correction back, and shows what became of it; returns the correction, or nothing where there was none. One that was refused
 * meanwhile is not there to be taken back, and the one before it was not meant.
 */
export function takeBack() {
  return inTurn(async (well) => {
    const last = well && state.corrections.at(-1);
    if (!last) return undefined;
    state.corrections = (await send("DELETE", `${state.path}/corrections/${last.number}`)).corrections;
    state.undone.push(last);
    await shown();
    return last;
  });
}

/** Makes again what was taken back last, and returns it; nothing where there was nothing. */
export function makeAgain() {
  return inTurn(async () => {
    const last = state.undone.at(-1);
    if (!last) return undefined;
    const { number, applied, created_at, ...said } = last;
    state.corrections = (await send("POST", `${state.path}/corrections`, said)).corrections;
    state.undone.pop();
    await shown();
    return last;
  });
}

async function shown() {
  state.recording = await loadRecording();
  announce("recording");
  await refresh();
}

/** Index of the turn that is heard at `seconds`: of those under way the one that began last; -1 in silence. */
export function turnAt(seconds) {
  const next = firstAfter(seconds);
  for (let index = next - 1; index >= Math.max(0, next - 50); index--) if (state.turns[index].end > seconds) return index;
  return -1;
}

/** Index of the first turn that begins after `seconds`. */
export function firstAfter(seconds) {
  let [low, high] = [0, state.turns.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (state.turns[middle].start <= seconds) low = middle + 1;
    else high = middle;
  }
  return low;
}
