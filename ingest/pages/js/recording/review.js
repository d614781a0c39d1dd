// Review: the turns that are worth a person's time, one after the other, and how many of them are done.

import { send } from "../api.js";
import { byId } from "../dom.js";
import { tell, told } from "../notices.js";
import { isFinished } from "../text.js";
import { announce, correct, inTurn, labels, on, select, state } from "./state.js";
import { numberOf } from "./colours.js";

/** Below this the runner-up is worth a thought. */
const UNSURE = 0.8;

export function isUnsure(turn) {
  return !turn.corrected && turn.confidence !== null && turn.confidence < UNSURE;
}

/** Whether a person has said whose it is, or that it is right as it is. */
export function isDone(turn) {
  return turn.checked || turn.corrected;
}

/** Whether a turn belongs to the review, done or not. */
export function isOfReview(turn) {
  return isUnsure(turn) || isDone(turn);
}

/** The next turn to check after the selected one, and then from the start on; -1 where all are done. */
export function nextToCheck() {
  const count = state.turns.length;
  for (let step = 1; step <= count; step++) {
    const index = (state.selected + step + count) % count;
    if (isUnsure(state.turns[index]) && !isDone(state.turns[index])) return index;
  }
  return -1;
}

/** Notes that a turn is right as it is shown, or takes that back. */
export async function check(turn, right) {
  await told(async () => {
    const { first_frame, end_frame, speaker } = turn;
    await inTurn(() => send("PUT", `${state.path}/checks`, { first_frame, end_frame, speaker, checked: right }));
    turn.checked = right;
    turn.parts.forEach((part) => (part.checked = right));
    announce("turns");
    announce("selected");
  });
}

/** Gives a turn to the speaker with this number. Where it is theirs already, it is right. */
export async function give(turn, number) {
  const label = labels().find((other) => numberOf(other) === number);
  if (!label) return tell(`There is no speaker ${number}.`);
  if (label === turn.speaker) {
    await check(turn, true);
    return tell(`Checked: ${label}.`);
  }
  const { first_frame, end_frame, speaker } = turn;
  await told(async () => {
    await correct({ kind: "move", first_frame, end_frame, speaker, to: label });
    tell(`The turn is ${label}'s now.`);
  });
}

function draw() {
  const all = state.turns.filter(isOfReview);
  const done = all.filter(isDone).length;
  byId("review").textContent = all.length ? `${done} of ${all.length} checked` : "";
  byId("next-unsure").disabled = done === all.length;
}

export function start(go) {
  on("turns", draw);
  on("recording", () => {
    byId("next-unsure").hidden = !isFinished(state.recording.state);
  });
  byId("next-unsure").addEventListener("click", () => next(go));
}

/** Goes to the next turn to check and plays it. */
export function next(go) {
  const index = nextToCheck();
  if (index < 0) return tell("No unsure turn is left.");
  select(index);
  go(index);
}
