// Behind the labels: matches of each chunk, how alike the speakers are, corrections, and what the recording is. Asked for when unfolded.

import { get } from "../api.js";
import { byId, h, refill } from "../dom.js";
import { bytes, clock, moment, percent, score } from "../text.js";
import { who } from "./colours.js";
import { on, state } from "./state.js";

function table(caption, heads, rows) {
  const cell = (content, numeric) => h("td", { class: numeric ? "number" : "" }, content);
  return h(
    "div",
    { class: "table", role: "region", tabIndex: 0, "data-key": caption, "aria-label": caption },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, heads.map(([words, numeric]) => h("th", { scope: "col", class: numeric ? "number" : "" }, words)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((content, at) => cell(content, heads[at][1]))))),
    ),
  );
}

async function matches() {
  const found = await get(`${state.path}/matches`);
  if (found.matches.length === 0) return h("p", { class: "muted" }, "No matches are stored. Reprocess the recording to get them.");
  const heads = [["Chunk"], ["Speaker"], ["Speech", true], ["Confidence", true], ["Similarity", true], ["Runner-up"]];
  const rows = found.matches.map((match) => [
    `${clock(match.start)} – ${clock(match.end)}`, who(match.speaker), clock(match.seconds), percent(match.confidence), score(match.score),
    match.runner_up ? `${match.runner_up.speaker}, ${percent(match.runner_up.confidence)}` : "—",
  ]);
  return table("The speakers found in each chunk, with the probability that each is right", heads, rows);
}

async function similarity() {
  const found = await get(`${state.path}/speakers`);
  const labels = found.speakers.map((speaker) => speaker.label);
  if (!found.similarity?.length) return h("p", { class: "muted" }, "Shown once the recording is finished.");
  const cell = (alike) => h("td", { class: "cell", style: { "--alike": String(Math.max(0, alike ?? 0)) } }, score(alike));
  return h(
    "div",
    { class: "table", role: "region", tabIndex: 0, "data-key": "similarity", "aria-label": "Similarity of the speakers" },
    h(
      "table",
      {},
      h("caption", {}, "Similarity of the voices (cosine): 1 = the same voice; two people are usually at 0 to 0.3"),
      h("thead", {}, h("tr", {}, h("td", {}), labels.map((label) => h("th", { scope: "col" }, label)))),
      h("tbody", {}, found.similarity.map((row, at) => h("tr", {}, h("th", { scope: "row" }, labels[at]), row.map(cell)))),
    ),
  );
}

const whose = (speaker) => (typeof speaker === "string" ? speaker : `${speaker?.new} (new${speaker?.similar ? ", with similar turns" : ""})`);

/** A correction, as in "Undone: rename of Ann to Bob". */
export function inWords(correction) {
  if (correction.kind === "rename") return `rename of ${correction.speaker} to ${correction.name}`;
  if (correction.kind === "merge") return `merge of ${correction.speaker} into ${correction.into}`;
  if (correction.kind === "add") return `addition of a turn of ${whose(correction.speaker)}, ${clock(correction.start, true)} to ${clock(correction.end, true)}`;
  if (correction.kind === "remove") return `removal of a turn of ${correction.speaker}`;
  if (correction.kind === "split") return `split of a turn of ${correction.speaker} at ${clock(correction.at, true)}`;
  if (correction.kind === "border") return `new ${correction.edge} of a turn of ${correction.speaker}, ${clock(correction.at, true)}`;
  return `move of a turn from ${correction.speaker} to ${whose(correction.to)}`;
}

function words(correction) {
  const text = inWords(correction);
  return text[0].toUpperCase() + text.slice(1);
}

async function corrections() {
  if (state.corrections.length === 0) return h("p", { class: "muted" }, "No corrections. They are kept when the recording is reprocessed.");
  return h(
    "ol",
    { class: "small" },
    state.corrections.map((it) => h("li", {}, words(it), it.applied === false && h("span", { class: "badge warn" }, "no longer applies"), h("span", { class: "muted" }, ` · ${moment(it.created_at)}`))),
  );
}

async function about() {
  const it = state.recording;
  const hints = [["min_speakers", "at least"], ["max_speakers", "at most"]].filter(([key]) => it.settings[key] !== null);
  const pairs = [
    ["File", `${it.file_name}, ${bytes(it.bytes)}`],
    ["SHA-256", it.sha256],
    ["Models", it.model_version],
    ["Configuration", it.configuration],
    ["Labels", typeof it.settings.labels === "string" ? it.settings.labels : JSON.stringify(it.settings.labels)],
    ["Speakers", hints.length ? hints.map(([key, word]) => `${word} ${it.settings[key]}`).join(", ") : "automatic"],
    ["Channels", it.settings.channels + (it.channels === "separate" ? ", one speaker side per channel" : "")],
    ["Audio tracks", it.settings.tracks === "default" ? "main track" : it.settings.tracks],
    ["Threshold", it.settings.threshold ?? "default (0.45)"],
    ["Run", String(it.run)],
  ];
  return h("dl", { class: "pairs" }, pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]));
}

const FOLDS = { matches, similarity, corrections, about };

async function fill(name) {
  const fold = byId(name);
  if (!fold.open || !state.recording) return;
  const box = fold.lastElementChild;
  try {
    refill(box, await FOLDS[name]());
  } catch (error) {
    refill(box, h("p", { class: "muted" }, error.message));
  }
}

export function start() {
  for (const name of Object.keys(FOLDS)) {
    byId(name).addEventListener("toggle", () => fill(name));
    on("turns", () => fill(name));
  }
}
