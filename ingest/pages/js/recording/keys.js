// Keys: shortcuts, and the list of them.

import { byId, h } from "../dom.js";
import { tell } from "../notices.js";
import { isFinished } from "../text.js";
import { redo, undo } from "./actions.js";
import { now, playPause, seek, zoom } from "./player.js";
import * as loop from "./loop.js";
import { check, give, next } from "./review.js";
import { askToAdd, remove, split } from "./shaping.js";
import { choose, currentTurn, step } from "./turns.js";
import { move } from "./why.js";
import { rename } from "./speakers.js";
import { select, state } from "./state.js";

const HELP = [
  ["Space", "play or pause"], ["← →", "5 s back or ahead; with Shift 30 s"], ["j, k", "next turn, turn before"], ["Enter", "play the selected turn (in the list)"],
  ["↑ ↓", "choose a turn (in the list)"], ["+ −", "zoom in, zoom out"], ["f", "turn following the sound on or off"], ["m", "change the speaker of the selected turn"],
  ["r", "rename the speaker of the selected turn"], ["1 – 9", "give the selected turn to the speaker with this number"], ["c", "the selected turn is right; go to the next unsure one"],
  ["n", "next unsure turn"], ["l", "play the selected turn in a loop"], ["s", "split the selected turn at the playhead"], ["x", "the selected turn is not speech"],
  ["a", "add a turn that was missed"], ["u, y", "undo the last correction, redo it"], ["?", "this list"],
];

/** What a held key does again and again; all else happens once. */
const REPEATED = ["ArrowLeft", "ArrowRight", "j", "k", "+", "=", "-"];

const selectedOrHeard = () => (state.selected >= 0 ? state.selected : currentTurn());

/** Corrects what can be corrected by now. */
function withTurns(act) {
  if (!state.recording) return;
  if (!isFinished(state.recording.state)) return tell("You can correct names and turns once the recording is finished.");
  act();
}

/** Corrects the turn that is selected or heard. */
function withTurn(act) {
  const index = selectedOrHeard();
  if (index < 0) return;
  withTurns(() => {
    if (index !== state.selected) select(index);
    act(state.turns[index]);
  });
}

function zoomBy(by) {
  const slider = byId("zoom");
  slider.value = String(Number(slider.value) + by);
  zoom(Number(slider.value));
}

const KEYS = {
  " ": () => playPause(),
  ArrowLeft: (event) => seek(now() - (event.shiftKey ? 30 : 5)),
  ArrowRight: (event) => seek(now() + (event.shiftKey ? 30 : 5)),
  j: () => step(1),
  k: () => step(-1),
  Enter: () => choose(selectedOrHeard()),
  "+": () => zoomBy(10),
  "=": () => zoomBy(10),
  "-": () => zoomBy(-10),
  f: () => byId("follow").click(),
  m: () => withTurn((turn) => move(turn)),
  r: () => withTurn((turn) => rename(turn.speaker)),
  u: () => undo(),
  y: () => redo(),
  n: () => next(choose),
  l: () => loop.toggle(),
  s: () => withTurn((turn) => split(turn)),
  x: () => withTurn((turn) => remove(turn)),
  a: () => withTurns(() => askToAdd()),
  c: () => withTurn(async (turn) => {
    await check(turn, true);
    next(choose);
  }),
  "?": () => help(),
};
for (let number = 1; number <= 9; number++) KEYS[number] = () => withTurn((turn) => give(turn, number));

/** Whether a key means something to the element that has the focus. */
function isTaken(event) {
  const element = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return true;
  if (element.matches("input:not([type=checkbox]), select, textarea")) return true;
  if (element.matches("[role=slider]") && (event.key.startsWith("Arrow") || event.key === "Enter")) return true;
  // Wide tables are scrolled by the arrows.
  if (element.closest(".table") && event.key.startsWith("Arrow")) return true;
  return element.matches("a, button, summary, input") && (event.key === " " || event.key === "Enter");
}

export function help() {
  const close = () => dialog.close();
  const dialog = h(
    "dialog",
    { "aria-labelledby": "help-title", on: { close: () => dialog.remove() } },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "help-title" }, "Keyboard shortcuts"),
      h("dl", { class: "shortcuts" }, HELP.flatMap(([key, words]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)])),
      h("div", { class: "buttons" }, h("button", { class: "primary", on: { click: close } }, "Close")),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

export function start() {
  byId("help").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.defaultPrevented || isTaken(event)) return;
    event.preventDefault();
    if (event.repeat && !REPEATED.includes(event.key)) return;
    act(event);
  });
}
