// The recording page.

import { get } from "../api.js";
import { byId, h } from "../dom.js";
import { follow } from "../live.js";
import { clock, count, isInWork, moment, span, stateWords } from "../text.js";
import * as actions from "./actions.js";
import * as behind from "./behind.js";
import { who } from "./colours.js";
import * as edges from "./edges.js";
import * as keys from "./keys.js";
import * as lanes from "./lanes.js";
import * as loop from "./loop.js";
import * as player from "./player.js";
import * as review from "./review.js";
import * as shaping from "./shaping.js";
import * as speakers from "./speakers.js";
import { loadRecording, on, state, take } from "./state.js";
import * as title from "./title.js";
import * as turns from "./turns.js";
import * as why from "./why.js";

/** How long after something could not be had to ask for it again. */
const AGAIN_MS = 3000;

function heading() {
  const it = state.recording;
  const [words, kind] = stateWords(it.state);
  document.title = `${it.title} · Throughline`;
  byId("title").textContent = it.title;
  byId("facts").replaceChildren(
    h("span", { class: `badge ${kind}`, id: "badge" }, words),
    ...[it.duration_seconds && span(it.duration_seconds), it.speakers.length && count(it.speakers.length, "speaker"), `uploaded ${moment(it.created_at)}`]
      .filter(Boolean)
      .map((fact) => h("span", {}, fact)),
  );
  byId("actions").hidden = false;
  byId("length").textContent = clock(player.duration());
}

/** What must be said above the player; told to screen readers when it changes. */
function progress() {
  const it = state.recording;
  const lines = [];
  if (isInWork(it.state)) {
    const { done, total } = it.chunks;
    const known = total ? `${done} of ${count(total, "chunk")}` : done ? `${count(done, "chunk")} so far` : it.state === "queued" ? "queued" : "decoding";
    lines.push(
      h(
        "div",
        { class: "note" },
        h("p", {}, `Processing: ${known}. Names and turns are provisional until it is finished.`),
        // How many there will be is known when the file is cut to its end, which is only a little ahead of the workers.
        h("progress", { ...(total && { max: total, value: done }), "aria-label": "Chunks done" }),
      ),
    );
  }
  if (it.failure) lines.push(h("p", { class: "note bad" }, `Failed: ${it.failure}`));
  if (it.state === "cancelled") lines.push(h("p", { class: "note warn" }, "Cancelled. Reprocess the recording to start it again."));
  for (const warning of it.warnings) lines.push(h("p", { class: "note warn" }, warning));
  for (const gap of it.gaps) lines.push(h("p", { class: "note warn" }, `Not analysed: ${clock(gap.start_seconds)} to ${clock(gap.end_seconds)} (${gap.reason})`));
  byId("state").replaceChildren(...lines);
}

let drawn = "";

const wantedWaveform = () => `${state.recording.run} ${state.recording.duration_seconds}`;

/** The waveform: once the recording is decoded, and again where it is decoded anew. */
async function waveform() {
  const wanted = wantedWaveform();
  if (!state.recording.duration_seconds || drawn === wanted) return;
  const found = await get(`${state.path}/waveform`);
  // Another call may have drawn it meanwhile, or another be wanted.
  if (drawn === wanted || wantedWaveform() !== wanted) return;
  drawn = wanted;
  player.draw(found);
}

function time() {
  byId("now").textContent = clock(player.now());
}

function speaking() {
  const at = player.now();
  const heard = state.turns.filter((turn) => turn.start <= at && turn.end > at).map((turn) => turn.speaker);
  byId("speaking").replaceChildren(...heard.map((label) => who(label)));
}

function controls() {
  byId("play").addEventListener("click", player.playPause);
  byId("zoom").addEventListener("input", (event) => player.zoom(Number(event.target.value)));
  byId("speed").addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));
  byId("follow").addEventListener("change", (event) => player.setFollow(event.target.checked));
  on("playing", () => {
    byId("play").textContent = player.isPlaying() ? "Pause" : "Play";
  });
}

async function shown(recording) {
  await Promise.all([take(recording), waveform()]);
}

let again = null;

/** Shows a recording that has changed. What cannot be had of it now is asked for again after a while: nothing else may change for hours. */
async function changed(recording) {
  clearTimeout(again);
  try {
    await shown(recording);
  } catch (error) {
    // One that is gone is told by the stream.
    if (error.status !== 404) again = setTimeout(() => changed(state.recording), AGAIN_MS);
  }
}

on("recording", heading);
on("recording", progress);
on("time", time);
on("time", speaking);
on("current", speaking);
for (const part of [lanes, edges, speakers, turns, why, behind, actions, keys, loop, shaping, title]) part.start();
review.start(turns.choose);
controls();

/** Of a recording that is not there nothing is shown, and nothing can be done with it. */
function gone() {
  document.title = "Recording not found · Throughline";
  byId("title").textContent = "Recording not found";
  byId("facts").replaceChildren();
  for (const part of document.querySelectorAll("#actions, #retitle, .player, .columns")) part.hidden = true;
  const words = [`There is no recording ${state.id}: it was deleted, or never existed. `, h("a", { href: "/" }, "See all recordings")];
  byId("state").replaceChildren(h("p", { class: "note bad", role: "alert" }, ...words, "."));
}

const live = () => follow(state.id, { changed, look: loadRecording, gone });
try {
  await shown(await loadRecording());
  // Behind the frame in which all of it is drawn.
  requestAnimationFrame(() => setTimeout(() => performance.mark("first-view")));
  live();
} catch (error) {
  if (error.status === 404) gone();
  else {
    byId("state").replaceChildren(h("p", { class: "note bad", role: "alert" }, error.message));
    // The stream tells of it as soon as it can be had.
    live();
  }
}
