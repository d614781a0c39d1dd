// History: the last hour as small charts, drawn as SVG.

import { get } from "../api.js";
import { byId, h } from "../dom.js";
import { fixed, span } from "../text.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 64;
const MINUTE_MS = 60_000;
const MINUTES = 60;
/** A sample is written each minute: after this long without one the line is broken. */
const BROKEN_MS = 2.5 * MINUTE_MS;

const CHARTS = [
  ["Backlog", "backlog_audio_seconds", span],
  ["Speed (× real time)", "audio_seconds_per_second", (value) => fixed(value, 1)],
  ["Workers", "workers", String],
];

function s(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Lines through the samples, a new one after each gap; `x` and `y` give the place of a sample. */
export function linesOf(samples, x, y) {
  const lines = [];
  let last = -Infinity;
  for (const sample of samples) {
    const at = new Date(sample.at).getTime();
    if (at - last > BROKEN_MS) lines.push([]);
    lines.at(-1).push(`${x(at).toFixed(1)},${y(sample).toFixed(1)}`);
    last = at;
  }
  return lines;
}

function chart([title, key, words], samples, now) {
  const most = Math.max(...samples.map((sample) => sample[key]));
  const x = (at) => ((at - (now - MINUTES * MINUTE_MS)) / (MINUTES * MINUTE_MS)) * WIDTH;
  const y = (sample) => HEIGHT - 2 - (sample[key] / (most || 1)) * (HEIGHT - 6);
  const lines = linesOf(samples, x, y);
  const latest = samples.at(-1)[key];
  const told = `${title} in the last hour: ${words(latest)} now, ${words(most)} at most`;
  const drawn = lines.map((points) =>
    // A minute by itself would be a line without length.
    points.length === 1 ? s("circle", { cx: points[0].split(",")[0], cy: points[0].split(",")[1], r: 2 }) : s("polyline", { points: points.join(" ") }),
  );
  return h(
    "figure",
    { class: "chart", "data-chart": key },
    h("figcaption", {}, h("span", {}, title), h("span", { class: "muted small figure" }, `most: ${words(most)}`)),
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told, preserveAspectRatio: "none" }, s("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }), ...drawn),
    h("p", { class: "muted small ends" }, h("span", {}, "1 hour ago"), h("span", {}, "now")),
  );
}

export async function load() {
  return (await get("/v1/operations/history")).samples;
}

let before = "";

export function show(samples) {
  const minute = Math.floor(Date.now() / MINUTE_MS);
  const now = JSON.stringify([samples, minute]);
  if (now === before) return;
  before = now;
  if (samples.length === 0) {
    byId("history").replaceChildren(h("p", { class: "muted" }, "No history yet: the first point comes within a minute."));
    return;
  }
  byId("history").replaceChildren(...CHARTS.map((it) => chart(it, samples, Date.now())));
}
