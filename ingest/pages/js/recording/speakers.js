// Speakers: each one's share of the speech; renaming and merging.

import { ask } from "../dialog.js";
import { byId, h, refill } from "../dom.js";
import { tell, told } from "../notices.js";
import { clock, isFinished, percent } from "../text.js";
import { colourOf, numberOf, renamed, settle, swatch } from "./colours.js";
import { correct, labels, on, state } from "./state.js";

/** Asks for a new name of `label`, and sends it. */
export async function rename(label) {
  const fields = [{ name: "name", label: "Name", value: label, required: true, longest: 80 }];
  const answer = await ask({ title: `Rename ${label}`, fields, confirm: "Rename" });
  if (!answer || answer.name === label) return;
  await told(async () => {
    const before = label;
    if (!labels().includes(answer.name)) renamed(before, answer.name);
    await correct({ kind: "rename", speaker: before, name: answer.name });
    tell(`Renamed ${before} to ${answer.name}.`);
  });
}

/** Asks whom `label` is the same as, and merges the two. */
export async function merge(label) {
  const others = labels().filter((other) => other !== label);
  const answer = await ask({
    title: `Merge ${label} into another speaker`,
    words: `All turns of ${label} go to the other speaker. You can undo this.`,
    fields: [{ name: "into", label: "Same person as", options: others.map((other) => [other, other]) }],
    confirm: "Merge",
  });
  if (!answer) return;
  await told(async () => {
    await correct({ kind: "merge", speaker: label, into: answer.into });
    tell(`Merged ${label} into ${answer.into}.`);
  });
}

function item(speaker, whole, finished) {
  const share = whole ? speaker.speech_seconds / whole : 0;
  // By the number, which stays under a new name.
  const key = (words) => `${words} ${numberOf(speaker.label)}`;
  const change = (words, act, hint) => h("button", { class: "quiet small", "data-key": key(words), "aria-label": hint, on: { click: act } }, words);
  const several = state.recording.speakers.length > 1;
  return h(
    "li",
    { style: { "--colour": colourOf(speaker.label) } },
    h(
      "div",
      { class: "row" },
      swatch(speaker.label),
      h("span", { class: "name" }, speaker.label),
      finished && change("Rename", () => rename(speaker.label), `Rename ${speaker.label}`),
      finished && several && change("Merge", () => merge(speaker.label), `Merge ${speaker.label} into another speaker`),
      h("span", { class: "share" }, `${clock(speaker.speech_seconds)} · ${percent(share)}`),
    ),
    h("div", { class: "bar" }, h("i", { style: { width: `${(share * 100).toFixed(1)}%` } })),
  );
}

export function start() {
  on("recording", () => {
    const { speakers, state: is } = state.recording;
    settle(labels());
    const whole = speakers.reduce((sum, speaker) => sum + speaker.speech_seconds, 0);
    refill(byId("speakers"), ...speakers.map((speaker) => item(speaker, whole, isFinished(is))));
    byId("speakers-sum").textContent = speakers.length ? `${clock(whole)} of speech` : isFinished(is) ? "none" : "none yet";
  });
}
