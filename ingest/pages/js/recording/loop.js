// Loop: the selected turn is played again and again.

import { isPlaying, now, seek } from "./player.js";
import { announce, on, state } from "./state.js";

/** So long before its end a turn is begun again, seconds: past the end something else may have stopped the sound. */
const BEFORE = 0.06;

let looping = false;

export const isLooping = () => looping;

export function toggle() {
  looping = !looping;
  announce("selected");
}

function again() {
  const turn = state.turns[state.selected];
  if (!looping || !turn || !isPlaying()) return;
  const at = now();
  // Whoever goes somewhere else meanwhile is let go.
  if (at >= turn.end - BEFORE && at < turn.end + 1) seek(turn.start);
}

export function start() {
  on("time", again);
}
