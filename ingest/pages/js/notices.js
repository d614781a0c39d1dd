// Notices: what was done or went wrong, told at the edge of the page and to screen readers.

import { h } from "./dom.js";

/** How long it is told that something was done. */
const SHOWN_MS = 7000;

const list = h("div", { class: "notices" });
/** What was done: the latest only. What went wrong stays until it is closed. */
const done = h("div", { role: "status", "aria-live": "polite" });
const wrong = h("div", { role: "alert" });
list.append(wrong, done);
document.body.append(list);

let fading = 0;

/** Tells what was done, in place of what was told before. */
export function tell(words) {
  clearTimeout(fading);
  done.replaceChildren(h("p", {}, words));
  fading = setTimeout(() => done.replaceChildren(), SHOWN_MS);
}

/** Tells what went wrong, until the reader closes it; the same is told once. */
export function fail(words) {
  if ([...wrong.children].some((line) => line.firstChild.textContent === words)) return;
  const close = h("button", { class: "quiet small", "aria-label": "Close", on: { click: () => line.remove() } }, "×");
  const line = h("p", { class: "wrong" }, h("span", {}, words), close);
  wrong.append(line);
}

/** Does `work`; tells what went wrong, if anything, and gives undefined then. */
export async function told(work) {
  try {
    return await work();
  } catch (error) {
    fail(error.message);
    return undefined;
  }
}
