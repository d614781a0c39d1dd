// Player: the waveform and the sound, by wavesurfer.js.

import WaveSurfer from "../../vendor/wavesurfer/wavesurfer.esm.js";
import Regions from "../../vendor/wavesurfer/regions.esm.js";
import Timeline from "../../vendor/wavesurfer/timeline.esm.js";
import { request } from "../api.js";
import { clock } from "../text.js";
import { byId, h } from "../dom.js";
import { announce, on, state } from "./state.js";

const HEIGHT = 96;
/** Pixels for a second at the closest zoom. */
const CLOSEST = 120;

let wave = null;
let regions = null;
let audio = null;
/** Peaks, 0 to 1; none where the service has none. */
let known = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Seconds from the start. */
export function now() {
  return wave?.getCurrentTime() ?? 0;
}

export function duration() {
  return state.recording?.duration_seconds ?? 0;
}

export function isPlaying() {
  return wave?.isPlaying() ?? false;
}

/** What is in sight: {from, to} in seconds. */
export function sight() {
  if (!wave) return { from: 0, to: duration() || 1 };
  const all = wave.getWrapper().clientWidth || 1;
  const each = (duration() || 1) / all;
  return { from: wave.getScroll() * each, to: (wave.getScroll() + wave.getWidth()) * each };
}

export function seek(seconds) {
  wave?.setTime(Math.min(Math.max(0, seconds), duration()));
  announce("time");
}

/** So far a pause goes back: what was heard last is heard again, seconds. */
const BACK = 0.7;

export function playPause() {
  const stops = isPlaying();
  wave?.playPause().catch(() => {});
  if (stops) seek(now() - BACK);
}

/** Plays from `start` and stops at `end`, in seconds; what is played then goes on from there. */
export function playPart(start, end) {
  wave?.play(start, end).catch(() => {});
}

/** Marks a turn in the waveform. */
function mark() {
  regions?.clearRegions();
  const turn = state.turns[state.selected];
  if (turn) regions?.addRegion({ start: turn.start, end: turn.end, drag: false, resize: false, color: "rgb(90 150 230 / .28)" });
  for (const gap of state.recording.gaps) {
    regions?.addRegion({ start: gap.start_seconds, end: gap.end_seconds, drag: false, resize: false, color: "rgb(200 120 0 / .25)" });
  }
}

/** Where no peaks are kept: full where somebody speaks. */
function peaksOfTurns(seconds) {
  const peaks = new Float32Array(Math.max(1, Math.ceil(seconds * 4)));
  for (const turn of state.turns) peaks.fill(0.45, Math.floor(turn.start * 4), Math.ceil(turn.end * 4));
  return peaks;
}

/** Draws the waveform, or another in its place; `waveform` is the API's answer. */
export function draw(waveform) {
  known = waveform.peaks && Float32Array.from(waveform.peaks, (peak) => peak / 255);
  if (wave) redraw();
  else create();
}

function redraw() {
  wave.load(audio.src, [known ?? peaksOfTurns(duration())], duration()).catch(() => {});
  mark();
}

function create() {
  audio = h("audio", { preload: "metadata", src: `${state.path}/audio` });
  regions = Regions.create();
  const timeline = Timeline.create({ height: 20, insertPosition: "beforebegin", formatTimeCallback: (at) => clock(at) });
  wave = WaveSurfer.create({
    container: byId("waveform"), media: audio, peaks: [known ?? peaksOfTurns(duration())], duration: duration(), height: HEIGHT,
    cspNonce: document.querySelector("meta[name=style-nonce]").content,
    waveColor: colour("--wave"), progressColor: colour("--wave-played"), cursorColor: colour("--text"), cursorWidth: 2,
    dragToSeek: true, hideScrollbar: false, normalize: true, plugins: [regions, timeline],
  });
  wave.on("timeupdate", () => announce("time"));
  wave.on("interaction", () => announce("time"));
  for (const event of ["scroll", "redraw", "resize", "zoom"]) wave.on(event, () => announce("sight"));
  for (const event of ["play", "pause", "finish"]) wave.on(event, () => announce("playing"));
  wave.on("error", silent);
  on("selected", mark);
  on("turns", () => {
    if (known) mark();
    else redraw();
  });
  mark();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    wave.setOptions({ waveColor: colour("--wave"), progressColor: colour("--wave-played"), cursorColor: colour("--text") });
    announce("sight");
  });
  announce("sight");
}

const UNKNOWN_FORMAT =
  "This browser cannot play the format of this file. The turns are shown all the same. To listen, download the file, or upload it as Opus, MP3, FLAC or WAV.";

/** Says why there is no sound: browsers call a file that they could not get one of a format that they do not know. */
async function silent() {
  const code = audio.error?.code;
  if (!code) return;
  let words = UNKNOWN_FORMAT;
  if (code !== MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) words = "Playback was interrupted. Reload the page to continue.";
  else await request("HEAD", audio.src).catch((error) => (words = `The audio cannot be loaded: ${error.message}. Reload the page to try again.`));
  const note = byId("unplayable");
  note.textContent = words;
  note.hidden = false;
  byId("play").disabled = true;
}

/** `step` from 0 (all in sight) to 100. */
export function zoom(step) {
  if (!wave) return;
  const all = wave.getWidth() / (duration() || 1);
  const closest = Math.max(CLOSEST, all);
  wave.zoom(step === 0 ? 0 : all * (closest / all) ** (step / 100));
  // What is scrolled can be scrolled by the keyboard.
  const scrolled = wave.getWrapper().parentElement;
  scrolled.tabIndex = step === 0 ? -1 : 0;
  scrolled.setAttribute("role", "region");
  scrolled.setAttribute("aria-label", "Waveform");
  announce("sight");
}

/** Brings a moment into sight. */
export function show(seconds) {
  const { from, to } = sight();
  if (seconds < from || seconds > to) wave?.setScrollTime(Math.max(0, seconds - (to - from) / 4));
}

export function setSpeed(rate) {
  wave?.setPlaybackRate(rate);
}

export function setFollow(follows) {
  wave?.setOptions({ autoScroll: follows });
}
