// Joining: turns of one speaker with a short pause and nobody else between them are shown as one.

/** Shorter pauses do not end a turn, seconds; as in what the command line prints. */
const PAUSE = 0.5;

/** `turn` alone, as it is shown. */
const alone = (turn) => ({ ...turn, parts: [turn] });

/** `shown` lengthened by `turn`: as sure as both are by their speech. */
function lengthened(shown, turn) {
  const parts = [...shown.parts, turn];
  const seconds = (it) => it.end - it.start;
  const spoken = parts.reduce((sum, part) => sum + seconds(part), 0);
  const known = parts.every((part) => part.confidence !== null);
  const likelier = (one, other) => ((other?.confidence ?? 0) > (one?.confidence ?? 0) ? other : one);
  return {
    ...shown,
    end: Math.max(shown.end, turn.end),
    end_frame: Math.max(shown.end_frame, turn.end_frame),
    parts,
    confidence: known ? parts.reduce((sum, part) => sum + part.confidence * seconds(part), 0) / spoken : null,
    runner_up: likelier(shown.runner_up, turn.runner_up),
    corrected: shown.corrected && turn.corrected,
    checked: shown.checked && turn.checked,
    provisional: shown.provisional || turn.provisional,
  };
}

/** The turns as they are shown. Those that touch stay two: a person has split them. So do those that begin at a frame in `apart`. */
export function joined(turns, apart = new Set()) {
  const shown = [];
  for (const turn of turns) {
    const last = shown.at(-1);
    const pause = last ? turn.start - last.end : 0;
    const joins = last?.speaker === turn.speaker && pause > 0 && pause < PAUSE && !apart.has(turn.first_frame);
    if (joins) shown[shown.length - 1] = lengthened(last, turn);
    else shown.push(alone(turn));
  }
  return shown;
}

/** The turns one by one. */
export const separate = (turns) => turns.map(alone);
