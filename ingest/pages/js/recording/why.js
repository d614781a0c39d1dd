// Why: the turn that is selected, why it is shown under its speaker, and what can be done about it.

import { ask } from "../dialog.js";
import { byId, h, refill } from "../dom.js";
import { tell, told } from "../notices.js";
import { clock, count, isFinished, percent, score } from "../text.js";
import { colourOf, who } from "./colours.js";
import { choose } from "./turns.js";
import * as loop from "./loop.js";
import { check, isDone } from "./review.js";
import { named, remove, split } from "./shaping.js";
import { rename } from "./speakers.js";
import { correct, labels, on, state } from "./state.js";

const NEW = " new";

/** Gives the selected turn to another speaker, who may be new. */
export async function move(turn = state.turns[state.selected]) {
  if (!turn) return;
  const others = labels().filter((label) => label !== turn.speaker);
  const answer = await ask({
    title: "Change speaker",
    words: `Turn from ${clock(turn.start, true)} to ${clock(turn.end, true)}, now ${turn.speaker}.`,
    fields: [
      { name: "to", label: "Speaker", options: [...others.map((label) => [label, label]), [NEW.trim(), "new speaker"]] },
      { name: "name", label: "Name of the new speaker", longest: 80 },
      { name: "rest", label: `If new: also move other turns of ${turn.speaker} that sound like this one`, options: [["similar", "yes"], ["stays", "no"]] },
    ],
    confirm: "Change",
  });
  if (!answer) return;
  const isNew = !others.includes(answer.to);
  if (isNew && !answer.name) return tell("Enter a name for the new speaker.");
  await told(async () => {
    const to = isNew ? { new: answer.name, similar: answer.rest === "similar" } : answer.to;
    await correct({ kind: "move", ...named(turn), to });
    const along = isNew ? state.turns.filter((it) => it.speaker === answer.name).length - 1 : 0;
    const more = along > 0 ? `, with ${count(along, "other turn")} that sound${along === 1 ? "s" : ""} like it` : "";
    tell(`Turn moved to ${isNew ? answer.name : answer.to}${more}.`);
  });
}

function candidate(label, { confidence, score: alike }) {
  return h(
    "div",
    { class: "row", style: { "--colour": colourOf(label) } },
    who(label),
    h("span", { class: "figure" }, percent(confidence)),
    h("div", { class: "bar" }, h("i", { style: { width: `${Math.round(confidence * 100)}%` } })),
    h("span", { class: "muted small" }, alike === null ? "similarity: too short to tell" : `similarity ${score(alike)}`),
  );
}

/** What is left of the probability, so that all that is shown adds up to 100 %. */
function rest({ confidence, runner_up: next }) {
  const shown = [confidence, next?.confidence ?? 0].map((share) => Math.round(share * 100));
  const left = 100 - shown[0] - shown[1];
  return left > 0 && h("div", { class: "row" }, h("span", { class: "muted" }, "someone else"), h("span", { class: "figure" }, `${left} %`));
}

function reasons(turn) {
  if (turn.corrected) return [h("h3", {}, "Why this label?"), h("p", { class: "muted small" }, "Corrected by hand.")];
  if (turn.confidence === null || turn.confidence === undefined) {
    return [h("p", { class: "muted small" }, "No reason is stored. Reprocess the recording to get one.")];
  }
  const next = turn.runner_up;
  return [
    h("h3", {}, "Why this label?"),
    h("div", { class: "candidates" }, candidate(turn.speaker, turn), next && candidate(next.speaker, next), rest(turn)),
    h(
      "p",
      { class: "muted small" },
      "The percentage is the probability that the speaker is right. Similarity: 1 = the same voice, 0 = no more alike than any two people here.",
    ),
  ];
}

function draw() {
  const turn = state.turns[state.selected];
  const box = byId("turn");
  byId("turn-place").textContent = turn ? `${clock(turn.start, true)} – ${clock(turn.end, true)}` : "";
  if (!turn) {
    refill(box, h("p", { class: "muted" }, "Select a turn in the list or in a lane."));
    return;
  }
  const finished = isFinished(state.recording.state);
  refill(
    box,
    h("div", { class: "buttons" }, who(turn.speaker), turn.provisional && h("span", { class: "badge work" }, "provisional")),
    h(
      "div",
      { class: "buttons" },
      h("button", { class: "small", "data-key": "play", on: { click: () => choose(state.selected) } }, "Play turn"),
      h("button", { class: "small", "data-key": "loop", id: "loop", "aria-pressed": String(loop.isLooping()), on: { click: () => loop.toggle() } }, "Loop"),
      finished && h("button", { class: "small", id: "move", "data-key": "move", on: { click: () => move(turn) } }, "Change speaker…"),
      finished && h("button", { class: "small", "data-key": "rename", on: { click: () => rename(turn.speaker) } }, "Rename speaker…"),
    ),
    finished &&
      h(
        "div",
        { class: "buttons" },
        h("button", { class: "small", "data-key": "check", id: "check", "aria-pressed": String(isDone(turn)), on: { click: () => check(turn, !turn.checked) } }, "Checked"),
        h("button", { class: "small", "data-key": "split", id: "split", on: { click: () => split(turn) } }, "Split at the playhead"),
        h("button", { class: "small", "data-key": "remove", id: "remove", on: { click: () => remove(turn) } }, "Not speech"),
      ),
    ...reasons(turn),
  );
}

export function start() {
  on("selected", draw);
  on("recording", draw);
  draw();
}
