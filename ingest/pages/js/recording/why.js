// Why: the turn that is selected, why it is shown under its speaker, and what can be done about it.

import { ask } from "../dialog.js";
import { byId, h, refill } from "../dom.js";
import { tell, told } from "../notices.js";
import { clock, isFinished, percent, score } from "../text.js";
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
    title: "Who is it?",
    words: `The turn from ${clock(turn.start, true)} to ${clock(turn.end, true)}, shown under ${turn.speaker}.`,
    fields: [
      { name: "to", label: "Speaker", options: [...others.map((label) => [label, label]), [NEW.trim(), "somebody new, called:"]] },
      { name: "name", label: "Name of a new speaker", longest: 80 },
      { name: "rest", label: `What else ${turn.speaker} says, if the speaker is new`, options: [["similar", "goes along where it sounds like this turn"], ["stays", "stays"]] },
    ],
    confirm: "Move",
  });
  if (!answer) return;
  const isNew = !others.includes(answer.to);
  if (isNew && !answer.name) return tell("A new speaker needs a name.");
  await told(async () => {
    const to = isNew ? { new: answer.name, similar: answer.rest === "similar" } : answer.to;
    await correct({ kind: "move", ...named(turn), to });
    const along = isNew ? state.turns.filter((it) => it.speaker === answer.name).length - 1 : 0;
    const more = along > 0 ? `, and so are ${along} more that sound like it` : "";
    tell(`The turn is ${isNew ? answer.name : answer.to}'s now${more}.`);
  });
}

function candidate(label, { confidence, score: alike }) {
  return h(
    "div",
    { class: "row", style: { "--colour": colourOf(label) } },
    who(label),
    h("span", { class: "figure" }, percent(confidence)),
    h("div", { class: "bar" }, h("i", { style: { width: `${Math.round(confidence * 100)}%` } })),
    h("span", { class: "muted small" }, alike === null ? "voice: too short to tell" : `voice alike: ${score(alike)}`),
  );
}

function reasons(turn) {
  if (turn.corrected) return [h("h3", {}, "Why this label?"), h("p", { class: "muted small" }, "A person said so.")];
  if (turn.confidence === null || turn.confidence === undefined) {
    return [h("p", { class: "muted small" }, "Not known why. It was found before reasons were kept; reprocess the recording to have them.")];
  }
  const next = turn.runner_up;
  return [
    h("h3", {}, "Why this label?"),
    h("div", { class: "candidates" }, candidate(turn.speaker, turn), next && candidate(next.speaker, next)),
    h(
      "p",
      { class: "muted small" },
      "The percentage is the probability that the speaker is right, the figure below it how alike the voices are: 1 is the same, 0 what any two people have in common here.",
      !next && " There was nobody else to choose from.",
    ),
  ];
}

function draw() {
  const turn = state.turns[state.selected];
  const box = byId("turn");
  byId("turn-place").textContent = turn ? `${clock(turn.start, true)} – ${clock(turn.end, true)}` : "";
  if (!turn) {
    refill(box, h("p", { class: "muted" }, "Choose a turn in the list or a lane."));
    return;
  }
  const finished = isFinished(state.recording.state);
  refill(
    box,
    h("div", { class: "buttons" }, who(turn.speaker), turn.provisional && h("span", { class: "badge work" }, "provisional")),
    h(
      "div",
      { class: "buttons" },
      h("button", { class: "small", "data-key": "play", on: { click: () => choose(state.selected) } }, "Play it"),
      h("button", { class: "small", "data-key": "loop", id: "loop", "aria-pressed": String(loop.isLooping()), on: { click: () => loop.toggle() } }, "Loop"),
      finished && h("button", { class: "small", id: "move", "data-key": "move", on: { click: () => move(turn) } }, "It is somebody else…"),
      finished && h("button", { class: "small", "data-key": "rename", on: { click: () => rename(turn.speaker) } }, "Rename the speaker…"),
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
