// Problems: what is wrong, said before all else.

import { byId, h } from "../dom.js";
import { moment } from "../text.js";

/** Where on the board each kind is mended. */
const PLACES = {
  "no-worker": "workers-title",
  "worker-unresponsive": "workers-title",
  "no-progress": "workers-title",
  "no-matcher": "services-title",
  "broker-away": "queues-title",
  "queue-paused": "queues-title",
  "dead-letters": "letters-title",
};

let before = "";

export function problems(all) {
  const now = JSON.stringify(all);
  // Drawn, and heard by a screen reader, only when it changes.
  if (now === before) return;
  before = now;
  const since = (it) => it.since && h("span", { class: "small" }, ` · since ${moment(it.since)}`);
  const item = (it) =>
    h(
      "li",
      { class: it.serious ? "note bad" : "note warn", "data-kind": it.kind },
      h("strong", {}, it.serious ? "Problem: " : "Warning: "),
      it.detail,
      since(it),
      " ",
      PLACES[it.kind] && h("a", { href: `#${PLACES[it.kind]}` }, "Show"),
    );
  byId("problems").replaceChildren(all.length ? h("ul", { class: "problems" }, all.map(item)) : h("p", { class: "note good" }, "No problems."));
}
