// Uploads: files dropped or chosen, and how far each has come.

import { get } from "../api.js";
import { byId, h } from "../dom.js";
import { fail, tell } from "../notices.js";
import { bytes, count, isFinished, percent, stateWords } from "../text.js";
import { transfer } from "./transfer.js";

/** Time between two looks at what became of an uploaded file. */
const LOOK_MS = 1500;

const list = byId("uploads");

/** The options under the names that the API takes. */
function optionsFor(files) {
  const options = {};
  const title = byId("option-title").value.trim();
  const speakers = byId("option-speakers").value;
  const labels = byId("option-labels").value;
  if (title && files.length === 1) options.title = title;
  const channels = byId("option-channels").value;
  if (speakers) options.num_speakers = speakers;
  if (channels) options.channels = channels;
  const tracks = byId("option-tracks").value;
  if (tracks) options.tracks = tracks;
  if (labels === "own") {
    const names = byId("option-names").value.trim();
    if (names) options.labels = names;
  } else if (labels) options.labels = labels;
  return options;
}

function add(file, options, refresh) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `Progress of ${file.name}` });
  const said = h("span", { class: "said", role: "status" }, "queued");
  const pause = h("button", { class: "quiet small", on: { click: () => (paused ? goOn() : stop()) } }, "Pause");
  const leave = h("button", { class: "quiet small", "aria-label": `Remove ${file.name}`, on: { click: abandon } }, "Remove");
  const name = h("span", { class: "name" }, file.name);
  const item = h("li", { "data-file": file.name }, h("div", { class: "row" }, name, pause, leave, said), bar);
  let paused = false;
  let latest = "";
  list.append(item);
  list.hidden = false;

  const say = (words, wrong = false) => {
    said.textContent = words;
    said.classList.toggle("wrong", wrong);
  };
  const sending = transfer(file, options, {
    moved(sent, all) {
      bar.max = all || 1;
      bar.value = sent;
      latest = `${bytes(sent)} of ${bytes(all)}, ${percent(all ? sent / all : 0)}`;
      if (!paused) say(latest);
    },
    done(id) {
      pause.remove();
      leave.remove();
      bar.value = bar.max;
      name.replaceChildren(h("a", { href: `/recordings/${id}` }, file.name));
      say("uploaded");
      refresh();
      watch(id);
    },
    stopped(words) {
      paused = true;
      pause.textContent = "Try again";
      say(words, true);
    },
  });

  function stop() {
    paused = true;
    sending.pause();
    pause.textContent = "Resume";
    say(`paused at ${latest || "the start"}`);
  }
  function goOn() {
    paused = false;
    sending.resume();
    pause.textContent = "Pause";
    say(latest || "queued");
  }
  async function abandon() {
    await sending.abandon();
    item.remove();
    list.hidden = list.children.length === 0;
  }
  /** Tells what becomes of it: whether a file can be decoded is known only once it is looked into. */
  async function watch(id) {
    let recording;
    try {
      recording = await get(`/v1/recordings/${id}`);
    } catch (error) {
      if (error.status === 404) {
        bar.remove();
        return say("deleted");
      }
      setTimeout(() => watch(id), LOOK_MS);
      return;
    }
    const { done, total } = recording.chunks;
    if (recording.state === "failed") {
      bar.remove();
      return say(`failed: ${recording.failure}`, true);
    }
    if (isFinished(recording.state) || recording.state === "cancelled") {
      bar.remove();
      return say(stateWords(recording.state)[0]);
    }
    bar.max = total ?? 1;
    bar.value = total ? done : 0;
    say(total ? `${done} of ${count(total, "chunk")}` : stateWords(recording.state)[0]);
    setTimeout(() => watch(id), LOOK_MS);
  }
}

export function start(refresh) {
  const drop = byId("drop");
  const input = byId("files");
  const take = (files) => {
    const given = [...files];
    if (given.length === 0) return;
    if (byId("option-title").value.trim() && given.length > 1) tell("The title is only used for a single file; these keep their file names.");
    const options = optionsFor(given);
    for (const file of given) {
      if (file.size === 0) fail(`${file.name} is empty, or a folder.`);
      else add(file, { title: file.name.replace(/\.[^.]+$/, ""), ...options }, refresh);
    }
  };
  byId("pick").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  // A file dropped beside the box must not take the page's place.
  for (const event of ["dragover", "drop"]) window.addEventListener(event, (it) => it.preventDefault());
  window.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });
  window.addEventListener("dragover", () => drop.classList.add("over"));
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  byId("option-labels").addEventListener("change", (event) => {
    byId("own").hidden = event.target.value !== "own";
  });
}
