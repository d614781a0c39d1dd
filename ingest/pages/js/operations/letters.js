// Dead letters: what failed for good, to be sent again or dropped.

import { get, send } from "../api.js";
import { ask } from "../dialog.js";
import { byId, h } from "../dom.js";
import { fail, tell, told } from "../notices.js";
import { count, moment } from "../text.js";
import { fill } from "./tables.js";

/** The newest that are shown. */
const MOST = 50;
/** Most in one call. */
const LARGEST = 500;

export async function load() {
  return (await get(`/v1/dead-letters?limit=${MOST}`)).dead_letters;
}

function about(it) {
  if (!it.recording) return "no recording";
  return h("a", { href: `/recordings/${it.recording}` }, it.chunk === null ? "recording" : `chunk ${it.chunk}`);
}

function attempts(it) {
  const lines = it.attempts.map((attempt) => h("li", {}, `${moment(attempt.at)}: ${attempt.reason}${attempt.by ? ` (${attempt.by})` : ""}`));
  return h("details", {}, h("summary", {}, count(it.attempts.length, "attempt")), h("ol", { class: "small" }, lines));
}

async function replay(it, look) {
  await told(async () => {
    await send("POST", `/v1/dead-letters/${it.id}/replay`);
    tell(`Replayed dead letter ${it.id}.`);
    await look();
  });
}

/** The numbers that are ticked. */
const chosen = new Set();

/** Replays those numbers, a call for so many, and tells of those that cannot be replayed. */
async function replayMany(numbers, look) {
  await told(async () => {
    let replayed = 0;
    const refused = [];
    for (let at = 0; at < numbers.length; at += LARGEST) {
      const answer = await send("POST", "/v1/dead-letters/replay", { letters: numbers.slice(at, at + LARGEST) });
      replayed += answer.replayed.length;
      refused.push(...answer.refused);
    }
    chosen.clear();
    tell(`Replayed ${count(replayed, "dead letter")}.`);
    for (const it of refused) fail(it.detail);
    await look();
  });
}

/** The numbers of all there are, also of those that are not shown. */
async function everyNumber() {
  const numbers = [];
  let before = "";
  do {
    const page = await get(`/v1/dead-letters?limit=${LARGEST}${before}`);
    numbers.push(...page.dead_letters.map((it) => it.id));
    before = page.next === null ? "" : `&before=${page.next}`;
  } while (before);
  // As they failed: the oldest first.
  return numbers.reverse();
}

async function replayAll(total, look) {
  const words = `All ${count(total, "job")} are sent to their queues again.`;
  if (!(await ask({ title: "Replay all dead letters?", words, confirm: "Replay all" }))) return;
  await told(async () => replayMany(await everyNumber(), look));
}

/** The buttons above the list, as many as are ticked. */
function actions(all, total, look) {
  for (const number of chosen) if (!all.some((it) => it.id === number)) chosen.delete(number);
  const selected = byId("replay-selected");
  byId("letters-actions").hidden = all.length === 0;
  selected.disabled = chosen.size === 0;
  selected.textContent = chosen.size ? `Replay selected (${chosen.size})` : "Replay selected";
  selected.onclick = () => replayMany([...chosen].sort((one, other) => one - other), look);
  byId("replay-all").onclick = () => replayAll(total, look);
}

async function drop(it, look) {
  const words = "The job is deleted for good. Its recording stays as it is.";
  if (!(await ask({ title: `Drop dead letter ${it.id}?`, words, confirm: "Drop", danger: true }))) return;
  await told(async () => {
    await send("DELETE", `/v1/dead-letters/${it.id}`);
    tell(`Dropped dead letter ${it.id}.`);
    await look();
  });
}

/** `total` counts those that are not shown as well. */
export function show(all, total, look) {
  byId("letters-more").hidden = total <= all.length;
  byId("letters-more").textContent = `The newest ${all.length} of ${total}. Replay or drop these to see the others.`;
  const box = byId("letters");
  const rows = all.map((it) => ({
    key: it.id,
    cells: [
      h("input", { type: "checkbox", "data-choose": String(it.id), "aria-label": `Select dead letter ${it.id}` }),
      String(it.id),
      about(it),
      h("code", {}, it.message),
      [h("div", {}, it.failure), attempts(it)],
      moment(it.died_at),
      h(
        "div",
        { class: "buttons" },
        h("button", { class: "small", "data-replay": it.id, "aria-label": `Replay dead letter ${it.id}` }, "Replay"),
        h("button", { class: "small danger", "data-drop": it.id, "aria-label": `Drop dead letter ${it.id}` }, "Drop"),
      ),
    ],
  }));
  fill(box, {
    caption: "Dead letters",
    columns: [[""], ["Number", "number"], ["About"], ["Message"], ["What failed", "words"], ["Failed"], [""]],
    rows,
    none: "No dead letters.",
  });
  actions(all, total, look);
  box.onchange = (event) => {
    const number = Number(event.target.dataset?.choose);
    if (!number) return;
    if (event.target.checked) chosen.add(number);
    else chosen.delete(number);
    actions(all, total, look);
  };
  box.onclick = (event) => {
    const { replay: again, drop: away } = event.target.dataset ?? {};
    const it = all.find((letter) => String(letter.id) === (again ?? away));
    if (it) (again ? replay : drop)(it, look);
  };
}
