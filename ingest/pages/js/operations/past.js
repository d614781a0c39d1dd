// What was: the latest failures, and how sure the labels of finished recordings are.

import { byId, h } from "../dom.js";
import { moment } from "../text.js";

let before = "";

export function failures(all) {
  const now = JSON.stringify(all);
  if (now === before) return;
  before = now;
  const item = (it) => h("li", {}, h("a", { href: `/recordings/${it.id}` }, it.title), h("span", { class: "muted small" }, ` · ${moment(it.failed_at)}`), h("p", { class: "small" }, it.failure));
  byId("failures").replaceChildren(all.length ? h("ul", { class: "failures" }, all.map(item)) : h("p", { class: "muted" }, "No failures."));
}

let drawn = "";

export function sure(steps) {
  const now = JSON.stringify(steps);
  if (now === drawn) return;
  drawn = now;
  const all = steps.reduce((sum, step) => sum + step.matches, 0);
  const most = Math.max(1, ...steps.map((step) => step.matches));
  if (all === 0) {
    byId("sure").replaceChildren(h("p", { class: "muted" }, "No finished recordings yet."));
    return;
  }
  const bar = (step) =>
    h(
      "li",
      {},
      h("i", { style: { height: `${((step.matches / most) * 100).toFixed(1)}%` } }),
      h("span", { class: "figure" }, String(step.matches)),
      h("span", {}, `${Math.round(step.from * 100)}–${Math.round(step.to * 100)}`),
    );
  byId("sure").replaceChildren(
    h("p", { class: "muted small" }, `${all === 1 ? "1 match" : `${all} matches`} of the newest finished recordings, by the probability (in percent) that the speaker is right.`),
    h("ol", { class: "steps" }, steps.map(bar)),
  );
}
