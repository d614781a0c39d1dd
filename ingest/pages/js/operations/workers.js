// Workers: what each runs on, what it is at, and how fast; and the other processes.

import { byId, h } from "../dom.js";
import { ago, count, fixed, span } from "../text.js";
import { fill } from "./tables.js";

/** Stages as "segmentation 0.012 · embedding 0.020": seconds for a second of audio. */
function stages(all) {
  const words = Object.entries(all).map(([stage, seconds]) => `${stage} ${seconds.toFixed(3)}`);
  return words.length ? words.join(" · ") : ["—", h("div", { class: "small muted" }, "no chunk finished yet")];
}

/** Which of those on its machine; that of an earlier release does not tell its number. */
function processOf(it) {
  return it.process === null ? `id ${it.id.slice(-4)}` : `process ${it.process}`;
}

function busy(it) {
  if (!it) return "idle";
  return [h("a", { href: `/recordings/${it.recording}` }, `chunk ${it.chunk}`), ` for ${span((Date.now() - new Date(it.since).getTime()) / 1000)}`];
}

export function workers(all) {
  const rows = all.map((it) => ({
    key: it.id,
    cells: [
      [it.host, h("div", { class: "small muted" }, processOf(it))],
      h("span", { class: `badge ${it.alive ? "good" : "bad"}` }, it.alive ? "alive" : "unresponsive"),
      ago(it.last_seen),
      `${it.device}, ${count(it.threads, "thread")}`,
      [it.model_version, h("div", { class: "small muted" }, `${it.configuration}, release ${it.version}`)],
      busy(it.busy),
      fixed(it.audio_seconds_per_second, 1),
      stages(it.stages),
    ],
  }));
  fill(byId("workers"), {
    caption: "Workers",
    columns: [["Machine", "name"], ["State"], ["Last seen"], ["Device"], ["Models", "name"], ["Current chunk"], ["Speed (× real time)", "number"], ["Time per stage (s per s of audio)", "words"]],
    rows,
    none: "No workers. Start one: throughline-worker.",
  });
}

export function services(all) {
  const rows = all.map((it) => ({ key: it.id, cells: [it.service, [it.host, h("div", { class: "small muted" }, processOf(it))], h("span", { class: `badge ${it.alive ? "good" : "bad"}` }, it.alive ? "alive" : "unresponsive"), it.version, ago(it.started_at), ago(it.last_seen)] }));
  fill(byId("services"), {
    caption: "Other processes",
    columns: [["Service"], ["Machine", "name"], ["State"], ["Release"], ["Started"], ["Last seen"]],
    rows,
    none: "No other processes.",
  });
}
