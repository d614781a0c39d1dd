// Actions: export, undo, cancel, reprocess, delete.

import { send } from "../api.js";
import { ask } from "../dialog.js";
import { byId, h } from "../dom.js";
import { tell, told } from "../notices.js";
import { isInWork } from "../text.js";
import { inWords } from "./behind.js";
import { inTurn, loadRecording, makeAgain, on, state, take, takeBack } from "./state.js";

const FORMATS = [
  ["json", "JSON, with everything", "json"], ["rttm", "RTTM", "rttm"], ["csv", "CSV, for spreadsheets", "csv"], ["srt", "SRT subtitles", "srt"],
  ["vtt", "WebVTT captions", "vtt"], ["audacity", "Audacity labels", "txt"], ["textgrid", "Praat TextGrid", "TextGrid"], ["eaf", "ELAN (EAF)", "eaf"],
  ["label-studio", "Label Studio", "label-studio.json"],
];

function fillMenu() {
  const name = state.recording.file_name;
  const entry = ([format, words, ending]) =>
    h("li", {}, h("a", { href: `${state.path}/turns?format=${format}`, download: `${name}.${ending}`, "data-format": format }, words));
  const sound = h("li", {}, h("a", { href: `${state.path}/audio`, download: name }, "The uploaded file"));
  byId("formats").replaceChildren(...FORMATS.map(entry), sound);
}

let stepping = false;

/** Takes one step back or forth, and tells it; one at a time, so that a key held or a button pressed twice takes no second one. */
async function step(act, word) {
  if (stepping) return;
  const busy = (is) => {
    stepping = is;
    for (const id of ["undo", "redo"]) byId(id).ariaBusy = String(is);
  };
  busy(true);
  await told(async () => {
    const said = await act();
    if (said) tell(`${word}: ${inWords(said)}.`);
  });
  busy(false);
}

/** Takes the last correction back. */
export const undo = () => step(takeBack, "Undone");

/** Makes again what was taken back last. */
export const redo = () => step(makeAgain, "Redone");

async function cancel() {
  const title = "Cancel this recording?";
  const words = "Chunks not analysed yet will not be. You can reprocess the recording later.";
  if (!(await ask({ title, words, confirm: "Cancel recording", leave: "Keep processing", danger: true }))) return;
  await act(() => send("POST", `${state.path}/cancel`), "Cancelled.");
}

/** Settings that are words; all others are numbers. */
const WORDS = new Set(["channels", "tracks"]);

/** What is other than before, under the names that the API takes: null takes back what was said; a number of speakers is both bounds. */
function changed(answer, before) {
  const options = {};
  for (const [name, text] of Object.entries(answer)) {
    if (answer.num_speakers && (name === "min_speakers" || name === "max_speakers")) continue;
    const value = text === "" ? null : WORDS.has(name) ? text : Number(text);
    if (value !== (before[name] ?? null)) options[name] = value;
  }
  return options;
}

/** Tracks to choose from; a single one, chosen by its number, stays among them. */
function tracksOf(chosen) {
  const choices = [["default", "main track"], ["all", "all tracks"]];
  return choices.some(([value]) => value === chosen) ? choices : [...choices, [chosen, `track ${chosen}`]];
}

async function reprocess() {
  const { settings } = state.recording;
  const number = { type: "number", min: 1, step: 1 };
  const answer = await ask({
    title: "Reprocess the recording",
    words: "The recording is labelled again with the current models. Earlier analysis is reused where it can be. Corrections are kept.",
    fields: [
      { name: "threshold", label: "Threshold: lower merges more speakers, higher splits more", type: "number", min: 0.01, max: 0.99, step: "any", value: settings.threshold ?? "" },
      { name: "num_speakers", label: "Number of speakers (if known)", ...number },
      { name: "min_speakers", label: "At least", ...number, value: settings.min_speakers ?? "" },
      { name: "max_speakers", label: "At most", ...number, value: settings.max_speakers ?? "" },
      {
        name: "channels",
        label: "Channels of the file (a change means analysing again)",
        options: [["auto", "automatic (detect phone calls)"], ["mix", "mix to mono"], ["separate", "one speaker side per channel"]],
        value: settings.channels,
      },
      { name: "tracks", label: "Audio tracks of the file (a change means analysing again)", options: tracksOf(settings.tracks), value: settings.tracks },
    ],
    confirm: "Reprocess",
  });
  if (!answer) return;
  const options = changed(answer, settings);
  await act(() => send("POST", `${state.path}/reprocess`, options), "Reprocessing…");
}

async function remove() {
  const title = `Delete “${state.recording.title}”?`;
  const words = "Its audio, turns, voice vectors and corrections are deleted for good.";
  if (!(await ask({ title, words, confirm: "Delete for good", danger: true }))) return;
  const done = await told(async () => (await send("DELETE", state.path), true));
  if (done) location.assign("/");
}

async function act(work, words) {
  await told(async () => {
    await inTurn(work);
    tell(words);
    await take(await loadRecording());
  });
}

export function start() {
  on("recording", () => {
    const working = isInWork(state.recording.state);
    byId("cancel").hidden = !working;
    byId("reprocess").hidden = working;
    if (byId("formats").children.length === 0) fillMenu();
  });
  on("corrections", () => {
    byId("undo").disabled = state.corrections.length === 0;
    byId("redo").disabled = state.undone.length === 0;
  });
  for (const [id, act] of Object.entries({ undo, redo, cancel, reprocess, delete: remove })) byId(id).addEventListener("click", act);
  const menu = byId("export");
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.firstElementChild.focus();
  });
}
