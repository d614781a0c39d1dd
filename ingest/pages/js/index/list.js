// The list of recordings: newest first, filtered, page by page, and looked at again as long as the page is in sight.

import { get } from "../api.js";
import { byId, h } from "../dom.js";
import { moment, span, stateWords } from "../text.js";

const PAGE = 25;
/** Most recordings in one answer. */
const LARGEST = 500;
const AGAIN_MS = 3000;

const list = byId("list");
/** How many are shown: all of them are asked for again, so that every row is true. */
let wanted = PAGE;
let before = "";
let asked = 0;
let answered = 0;

function address(limit, before) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (before) query.set("before", before);
  const [title, state] = [byId("filter-title").value.trim(), byId("filter-state").value];
  if (title) query.set("title", title);
  if (state) query.set("state", state);
  return `/v1/recordings?${query}`;
}

/** As many as are wanted, and whether there are more. */
async function fetchAll() {
  const recordings = [];
  let next = null;
  do {
    const answer = await get(address(Math.min(wanted - recordings.length, LARGEST), next));
    recordings.push(...answer.recordings);
    next = answer.next;
  } while (next && recordings.length < wanted);
  return { recordings, next };
}

function row(it) {
  const [words, kind] = stateWords(it.state);
  return h(
    "li",
    { "data-id": it.id },
    h("a", { class: "title", href: `/recordings/${it.id}` }, it.title),
    h("span", { class: "long" }, it.duration_seconds ? span(it.duration_seconds) : "—"),
    h("span", {}, h("span", { class: `badge ${kind}` }, words)),
    h("span", { class: "when" }, moment(it.created_at)),
    it.failure && h("span", { class: "failure" }, it.failure),
  );
}

/** Asks for the list; it is drawn only where it has changed, so that the focus stays where it is. */
export async function refresh() {
  const mine = ++asked;
  let answer;
  try {
    answer = await fetchAll();
  } catch (error) {
    if (mine !== asked) return;
    answered = mine;
    // The next list is drawn even where it is as the last one: the error goes with it.
    before = "";
    byId("none").textContent = error.message;
    byId("none").hidden = false;
    return;
  }
  if (mine !== asked) return;
  answered = mine;
  const now = JSON.stringify(answer);
  if (now === before) return;
  before = now;
  const focused = document.activeElement?.closest?.("#list li")?.dataset.id;
  list.replaceChildren(...answer.recordings.map(row));
  if (focused) list.querySelector(`[data-id="${focused}"] a`)?.focus();
  const filtered = byId("filter-title").value || byId("filter-state").value;
  byId("none").textContent = filtered ? "No matching recordings." : "No recordings yet: drop a file above.";
  byId("none").hidden = answer.recordings.length > 0;
  byId("older").hidden = answer.next === null;
}

export function start() {
  const changed = () => {
    wanted = PAGE;
    before = "";
    refresh();
  };
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter-title").addEventListener("input", changed);
  byId("filter-state").addEventListener("change", changed);
  byId("older").addEventListener("click", () => {
    wanted += PAGE;
    refresh();
  });
  refresh();
  setInterval(() => {
    // Not over a question that is open: where answers take longer than this, none would ever be the newest.
    if (!document.hidden && answered === asked) refresh();
  }, AGAIN_MS);
}
