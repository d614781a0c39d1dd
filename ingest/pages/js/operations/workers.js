// Workers: what each runs on, what it is at, and how fast; and the other processes.

import { byId, h } from "../dom.js";
import { ago, span } from "../text.js";
import { fill } from "./tables.js";

/** Stages as "segmentation 0.012 · embedding 0.020": seconds for a second of audio. */
function stages(all) {
  const words = Object.entries(all).map(([stage, seconds]) => `${stage} ${seconds.toFixed(3)}`);
  return words.length ? words.join(" · ") : "none yet";
}

function busy(it) {
  if (!it) return "idle";
  return [h("a", { href: `/recordings/${it.recording}` }, `chunk ${it.chunk}`), ` for ${span((Date.now() - new Date(it.since).getTime()) / 1000)}`];
}

export function workers(all) {
  const rows = all.map((it) => ({
    key: it.id,
    cells: [
      it.host,
      h("span", { class: `badge ${it.alive ? "good" : "bad"}` }, it.alive ? "alive" : "silent"),
      ago(it.last_seen),
      `${it.device}, ${it.threads} ${it.threads === 1 ? "thread" : "threads"}`,
      [it.model_version, h("div", { class: "small muted" }, `${it.configuration}, release ${it.version}`)],
      busy(it.busy),
      it.audio_seconds_per_second.toFixed(1),
      stages(it.stages),
    ],
  }));
  fill(byId("workers"), {
    caption: "Workers",
    columns: [["Machine", "name"], ["State"], ["Last heard of"], ["Device"], ["Models", "name"], ["At work on"], ["Audio s per s", "number"], ["Stages, s per audio s", "words"]],
    rows,
    none: "No worker has been heard of. Start one: throughline-worker.",
  });
}

export function services(all) {
  const rows = all.map((it) => ({ key: it.id, cells: [it.service, it.host, it.version, ago(it.started_at), ago(it.last_seen)] }));
  fill(byId("services"), {
    caption: "Other processes",
    columns: [["Service"], ["Machine", "name"], ["Release"], ["Started"], ["Last heard of"]],
    rows,
    none: "No other process has been heard of.",
  });
}
