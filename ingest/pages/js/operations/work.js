// Recordings in work: progress, when they will be done, and cancelling.

import { send } from "../api.js";
import { ask } from "../dialog.js";
import { byId, h } from "../dom.js";
import { tell, told } from "../notices.js";
import { span, stateWords } from "../text.js";
import { fill } from "./tables.js";

async function cancel(it, look) {
  const words = "What is not analysed yet will not be. It can be reprocessed later.";
  if (!(await ask({ title: `Cancel “${it.title}”?`, words, confirm: "Cancel it", danger: true }))) return;
  await told(async () => {
    await send("POST", `/v1/recordings/${it.id}/cancel`);
    tell(`“${it.title}” is cancelled.`);
    await look();
  });
}

export function work(recordings, look) {
  const box = byId("work");
  const rows = recordings.map((it) => ({
    key: it.id,
    cells: [
      h("a", { href: `/recordings/${it.id}` }, it.title),
      stateWords(it.state)[0],
      it.chunks.total
        ? [h("progress", { max: it.chunks.total, value: it.chunks.done, "aria-label": `Chunks of ${it.title}` }), h("div", { class: "small muted" }, `${it.chunks.done} of ${it.chunks.total} chunks`)]
        : "being read",
      String(it.waiting_for_order),
      it.eta_seconds === null ? "not known" : span(it.eta_seconds),
      h("button", { class: "small", "data-cancel": it.id, "aria-label": `Cancel ${it.title}` }, "Cancel"),
    ],
  }));
  fill(box, {
    caption: "Recordings in work",
    columns: [["Title", "name"], ["State"], ["Progress"], ["Chunks waiting for order", "number"], ["Done in", "number"], [""]],
    rows,
    none: "Nothing is in work.",
  });
  box.onclick = (event) => {
    const it = recordings.find((recording) => recording.id === event.target.dataset?.cancel);
    if (it) cancel(it, look);
  };
}
