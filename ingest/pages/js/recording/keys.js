// Keys: shortcuts, and the list of them.

import { byId, h } from "../dom.js";
import { tell } from "../notices.js";
import { isFinished } from "../text.js";
import { undo } from "./actions.js";
import { now, playPause, seek, zoom } from "./player.js";
import { choose, currentTurn, step } from "./turns.js";
import { move } from "./why.js";
import { rename } from "./speakers.js";
import { select, state } from "./state.js";

const HELP = [
  ["Space", "play or pause"], ["← →", "5 s back or ahead; with Shift 30 s"], ["j, k", "next turn, turn before"], ["Enter", "play the selected turn (in the list)"],
  ["↑ ↓", "choose a turn (in the list)"], ["+ −", "zoom in, zoom out"], ["f", "turn following the sound on or off"], ["m", "change the speaker of the selected turn"],
  ["r", "rename the speaker of the selected turn"], ["u", "undo the last correction"], ["?", "this list"],
];

/** What a held key does again and again; all else happens once. */
const REPEATED = ["ArrowLeft", "ArrowRight", "j", "k", "+", "=", "-"];

const selectedOrHeard = () => (state.selected >= 0 ? state.selected : currentTurn());

/** Corrects the turn that is selected or heard. */
function withTurn(act) {
  const index = selectedOrHeard();
  if (index < 0) return;
  if (!isFinished(state.recording.state)) return tell("You can correct names and turns once the recording is finished.");
  select(index);
  act(state.turns[index]);
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
  "?": () => help(),
};

/** Whether a key means something to the element that has the focus. */
function isTaken(event) {
  const element = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return true;
  if (element.matches("input:not([type=checkbox]), select, textarea")) return true;
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
