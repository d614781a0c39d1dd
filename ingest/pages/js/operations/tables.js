// Tables of the board. Rows are kept from one look to the next, so that a button that has the focus keeps it.

import { h } from "../dom.js";

/**
 * Fills `box` with a table. `columns` are [words, kind], kind being "number", "words", "name" or nothing; `rows` are {key, cells}, a
 * cell being text, elements or a list of them. What has not changed is left as it is.
 */
export function fill(box, { caption, columns, rows, none }) {
  if (rows.length === 0) {
    if (box.dataset.shows !== "none") box.replaceChildren(h("p", { class: "muted" }, none));
    box.dataset.shows = "none";
    return;
  }
  let body = box.querySelector("tbody");
  if (!body) {
    // The roles, because narrow windows show rows as blocks, and then a table is none to screen readers.
    body = h("tbody", { role: "rowgroup" });
    const heads = columns.map(([words, kind]) => h("th", { scope: "col", role: "columnheader", class: kind === "number" ? "number" : "" }, words));
    const table = h("table", { role: "table" }, h("caption", { class: "visually-hidden" }, caption), h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), body);
    box.replaceChildren(h("div", { class: "table", role: "region", tabIndex: 0, "aria-label": caption }, table));
    box.dataset.shows = "table";
  }
  const before = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const after = rows.map(({ key, cells }) => {
    const row = before.get(String(key)) ?? h("tr", { "data-key": String(key), role: "row" }, columns.map(([head, kind]) => h("td", { class: kind ?? "", role: "cell", "data-head": head })));
    cells.forEach((cell, at) => put(row.children[at], cell));
    return row;
  });
  const same = after.length === body.children.length && after.every((row, at) => row === body.children[at]);
  if (!same) body.replaceChildren(...after);
}

/** What was written into each place: what stands there may be other by now, where a reader has unfolded something. */
const written = new WeakMap();

function put(place, content) {
  const now = h("td", {}, content ?? "");
  const html = now.innerHTML;
  if (written.get(place) === html) return;
  written.set(place, html);
  const focused = place.contains(document.activeElement);
  place.replaceChildren(...now.childNodes);
  if (focused) place.querySelector("a, button, summary, input")?.focus();
}
