// Queues: what waits on each, pausing and resuming.

import { send } from "../api.js";
import { byId, h } from "../dom.js";
import { tell, told } from "../notices.js";
import { fill } from "./tables.js";

const figure = (count) => (count === null ? "broker away" : String(count));

export function queues(all, look) {
  const box = byId("queues");
  const button = (it) => h("button", { class: "small", "data-queue": it.name, "aria-label": `${it.paused ? "Resume" : "Pause"} ${it.name}` }, it.paused ? "Resume" : "Pause");
  const rows = all.map((it) => ({
    key: it.name,
    cells: [
      h("code", {}, it.name),
      it.paused ? h("span", { class: "badge warn" }, "paused") : h("span", { class: "badge good" }, "runs"),
      figure(it.messages),
      figure(it.consumers),
      it.pausable === false ? "" : button(it),
    ],
  }));
  fill(box, {
    caption: "Queues",
    columns: [["Queue", "name"], ["State"], ["Messages", "number"], ["Consumers", "number"], [""]],
    rows,
    none: "No queue is known yet.",
  });
  box.onclick = (event) => {
    const it = all.find((queue) => queue.name === event.target.dataset?.queue);
    if (!it) return;
    told(async () => {
      await send("POST", `/v1/queues/${encodeURIComponent(it.name)}/${it.paused ? "resume" : "pause"}`);
      tell(it.paused ? `${it.name} runs again.` : `${it.name} is paused: what is in hand is finished, nothing more is taken.`);
      await look();
    });
  };
}
