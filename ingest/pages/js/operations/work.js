// Recordings in work: progress, when they will be done, and cancelling.

import { send } from "../api.js";
import { ask } from "../dialog.js";
import { byId, h } from "../dom.js";
import { tell, told } from "../notices.js";
import { count, span, stateWords } from "../text.js";
import { fill } from "./tables.js";

async function cancel(it, look) {
  const words = "Chunks not analysed yet will not be. You can reprocess the recording later.";
  if (!(await ask({ title: `Cancel “${it.title}”?`, words, confirm: "Cancel recording", leave: "Keep processing", danger: true }))) return;
  await told(async () => {
    await send("POST", `/v1/recordings/${it.id}/cancel`);
    tell(`Cancelled “${it.title}”.`);
    await look();
  });
}

/** How many chunks are done, of as many as are known. */
function chunks({ title, chunks: { done, total } }) {
  if (!total && !done) return "decoding";
  const words = total ? `${done} of ${count(total, "chunk")}` : `${count(done, "chunk")} so far`;
  return [h("progress", { ...(total && { max: total, value: done }), "aria-label": `Chunks of ${title}` }), h("div", { class: "small muted" }, words)];
}

export function work(recordings, look) {
  const box = byId("work");
  const rows = recordings.map((it) => ({
    key: it.id,
    cells: [
      h("a", { href: `/recordings/${it.id}` }, it.title),
      stateWords(it.state)[0],
      chunks(it),
      String(it.waiting_for_order),
      it.eta_seconds === null ? ["—", h("div", { class: "small muted" }, it.eta_unknown)] : span(it.eta_seconds),
      h("button", { class: "small", "data-cancel": it.id, "aria-label": `Cancel ${it.title}` }, "Cancel"),
    ],
  }));
  fill(box, {
    caption: "Recordings in progress",
    columns: [["Title", "name"], ["State"], ["Progress"], ["Chunks held for ordering", "number"], ["Done in", "number"], [""]],
    rows,
    none: "No recordings in progress.",
  });
  box.onclick = (event) => {
    const it = recordings.find((recording) => recording.id === event.target.dataset?.cancel);
    if (it) cancel(it, look);
  };
}
