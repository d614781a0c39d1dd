// Notices: what was done or went wrong, told at the edge of the page and to screen readers.

import { h } from "./dom.js";

const list = h("div", { class: "notices", role: "status", "aria-live": "polite" });
document.body.append(list);

export function tell(words) {
  const line = h("p", {}, words);
  list.append(line);
  setTimeout(() => line.remove(), 7000);
}

/** Does `work`; tells what went wrong, if anything, and gives undefined then. */
export async function told(work) {
  try {
    return await work();
  } catch (error) {
    tell(error.message);
    return undefined;
  }
}
