// Dead letters: what failed for good, to be sent again or dropped.

import { get, send } from "../api.js";
import { ask } from "../dialog.js";
import { byId, h } from "../dom.js";
import { tell, told } from "../notices.js";
import { moment } from "../text.js";
import { fill } from "./tables.js";

/** The newest that are shown. */
const MOST = 50;

export async function load() {
  return (await get(`/v1/dead-letters?limit=${MOST}`)).dead_letters;
}

function about(it) {
  if (!it.recording) return "no recording";
  return h("a", { href: `/recordings/${it.recording}` }, it.chunk === null ? "recording" : `chunk ${it.chunk}`);
}

function attempts(it) {
  const lines = it.attempts.map((attempt) => h("li", {}, `${moment(attempt.at)}: ${attempt.reason}${attempt.by ? ` (${attempt.by})` : ""}`));
  return h("details", {}, h("summary", {}, it.attempts.length === 1 ? "1 attempt" : `${it.attempts.length} attempts`), h("ol", { class: "small" }, lines));
}

async function replay(it, look) {
  await told(async () => {
    await send("POST", `/v1/dead-letters/${it.id}/replay`);
    tell(`Dead letter ${it.id} is sent again.`);
    await look();
  });
}

async function drop(it, look) {
  const words = "It is deleted for good. Its recording stays as it is.";
  if (!(await ask({ title: `Drop dead letter ${it.id}?`, words, confirm: "Drop it", danger: true }))) return;
  await told(async () => {
    await send("DELETE", `/v1/dead-letters/${it.id}`);
    tell(`Dead letter ${it.id} is dropped.`);
    await look();
  });
}

/** `total` counts those that are not shown as well. */
export function show(all, total, look) {
  byId("letters-more").hidden = total <= all.length;
  byId("letters-more").textContent = `The newest ${all.length} of ${total}; the others follow as these are replayed or dropped.`;
  const box = byId("letters");
  const rows = all.map((it) => ({
    key: it.id,
    cells: [
      String(it.id),
      about(it),
      h("code", {}, it.message),
      [h("div", {}, it.reason), attempts(it)],
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
    columns: [["Number", "number"], ["About"], ["Message"], ["Reason", "words"], ["Died"], [""]],
    rows,
    none: "There are none.",
  });
  box.onclick = (event) => {
    const { replay: again, drop: away } = event.target.dataset ?? {};
    const it = all.find((letter) => String(letter.id) === (again ?? away));
    if (it) (again ? replay : drop)(it, look);
  };
}
