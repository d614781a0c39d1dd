// Shaping: a turn is split, removed, or added where one was missed.

import { ask } from "../dialog.js";
import { byId } from "../dom.js";
import { tell, told } from "../notices.js";
import { clock, isFinished } from "../text.js";
import { duration, now } from "./player.js";
import { arrange, correct, labels, on, state } from "./state.js";

const NEW = "new";
/** Length that is proposed for a turn to be added, seconds. */
const PROPOSED = 2;

/** The names by which the API knows a turn. */
export const named = ({ first_frame, end_frame, speaker }) => ({ first_frame, end_frame, speaker });

/** Makes a turn two, where the playhead is. */
export async function split(turn, at = now()) {
  if (at <= turn.start || at >= turn.end) return tell("Move the playhead into the turn, to where the second one begins.");
  const next = turn.parts.find((part) => part.start > at);
  const isPause = !turn.parts.some((part) => part.start <= at && at < part.end);
  if (isPause && next) {
    // They are two turns already, shown as one.
    state.apart.add(next.first_frame);
    arrange();
    return tell("They are shown as two.");
  }
  return told(async () => {
    await correct({ kind: "split", ...named(turn), at });
    tell(`The turn is split at ${clock(at, true)}.`);
  });
}

/** Takes a turn out: it is no speech. */
export async function remove(turn) {
  await told(async () => {
    await correct({ kind: "remove", ...named(turn) });
    tell(`Removed: the turn of ${turn.speaker} at ${clock(turn.start, true)}.`);
  });
}

/** Moves one end of a turn. */
export async function moveBorder(turn, edge, at) {
  await told(async () => {
    await correct({ kind: "border", ...named(turn), edge, at });
    tell(`The turn ${edge === "start" ? "begins" : "ends"} at ${clock(at, true)} now.`);
  });
}

/** Adds a turn of a speaker, who may be new. */
export async function add(start, end, speaker) {
  await told(async () => {
    await correct({ kind: "add", start, end, speaker });
    tell(`Added: ${speaker.new ?? speaker}, ${clock(start, true)} to ${clock(end, true)}.`);
  });
}

/** Asks for a turn that was missed, and adds it. */
export async function askToAdd() {
  const from = Math.min(now(), Math.max(0, duration() - 0.2));
  const seconds = { type: "number", min: 0, max: duration(), step: "any", required: true };
  const answer = await ask({
    title: "Add a turn",
    words: "Speech that was not found. In the lanes you can also drag over it.",
    fields: [
      { name: "start", label: "Starts at, seconds", value: from.toFixed(2), ...seconds },
      { name: "end", label: "Ends at, seconds", value: Math.min(duration(), from + PROPOSED).toFixed(2), ...seconds },
      { name: "speaker", label: "Speaker", options: [...labels().map((label) => [`=${label}`, label]), [NEW, "new speaker"]] },
      { name: "name", label: "Name of the new speaker", longest: 80 },
    ],
    confirm: "Add",
  });
  if (!answer) return;
  if (answer.speaker === NEW && !answer.name) return tell("Enter a name for the new speaker.");
  await add(Number(answer.start), Number(answer.end), answer.speaker === NEW ? { new: answer.name } : answer.speaker.slice(1));
}

export function start() {
  byId("add").addEventListener("click", askToAdd);
  on("recording", () => {
    byId("add").hidden = !isFinished(state.recording.state);
  });
}
