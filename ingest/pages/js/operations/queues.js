// Queues: what waits on each, pausing and resuming.

import { send } from "../api.js";
import { byId, h } from "../dom.js";
import { tell, told } from "../notices.js";
import { moment } from "../text.js";
import { fill } from "./tables.js";

const figure = (count) => (count === null ? ["—", h("div", { class: "small muted" }, "RabbitMQ cannot be reached")] : String(count));

/** Who has paused a queue, and when. */
function pausedWords(it) {
  const by = it.paused_by ? `by ${it.paused_by} ` : "";
  return h("div", { class: "small muted" }, `${by}since ${moment(it.paused_since)}`);
}

export function queues(all, look) {
  const box = byId("queues");
  const button = (it) => h("button", { class: "small", "data-queue": it.name, "aria-label": `${it.paused ? "Resume" : "Pause"} ${it.name}` }, it.paused ? "Resume" : "Pause");
  const rows = all.map((it) => ({
    key: it.name,
    cells: [
      h("code", {}, it.name),
      it.paused ? [h("span", { class: `badge ${it.messages > 0 ? "bad" : "warn"}` }, "paused"), pausedWords(it)] : h("span", { class: "badge good" }, "running"),
      figure(it.messages),
      figure(it.consumers),
      it.pausable === false ? "" : button(it),
    ],
  }));
  fill(box, {
    caption: "Queues",
    columns: [["Queue", "name"], ["State"], ["Messages", "number"], ["Consumers", "number"], [""]],
    rows,
    none: "No queues yet.",
  });
  box.onclick = (event) => {
    const it = all.find((queue) => queue.name === event.target.dataset?.queue);
    if (!it) return;
    told(async () => {
      await send("POST", `/v1/queues/${encodeURIComponent(it.name)}/${it.paused ? "resume" : "pause"}`);
      tell(it.paused ? `Resumed ${it.name}.` : `Paused ${it.name}. Jobs already started are finished.`);
      await look();
    });
  };
}
