// The operator's board: looked at every two seconds as long as it is in sight.

import { get } from "../api.js";
import { byId, h } from "../dom.js";
import { fixed, span } from "../text.js";
import * as history from "./history.js";
import * as letters from "./letters.js";
import { failures, sure } from "./past.js";
import { problems } from "./problems.js";
import { queues } from "./queues.js";
import { work } from "./work.js";
import { services, workers } from "./workers.js";

const AGAIN_MS = 2000;
/** The history has a new point each minute. */
const HISTORY_EVERY_MS = 15_000;

function glance(it) {
  const alive = it.workers.filter((worker) => worker.alive).length;
  const facts = [
    ["Backlog", span(it.backlog.audio_seconds)],
    ["Oldest wait", it.backlog.oldest_seconds > 0 ? span(it.backlog.oldest_seconds) : "none"],
    ["Speed (× real time)", fixed(it.throughput.audio_seconds_per_second, 1)],
    ["Workers", String(alive), alive === 0 && it.recordings.length > 0],
    ["Recordings in progress", String(it.recordings.length)],
    ["Dead letters", String(it.dead_letters), it.dead_letters > 0],
  ];
  byId("glance").replaceChildren(...facts.map(([words, figure, alarm]) => h("div", { class: alarm ? "alarm" : "" }, h("dt", {}, words), h("dd", {}, figure))));
}

let last = "";

/** Says it only when it changes: a screen reader would hear the time every two seconds. */
function fresh(words) {
  if (words !== last) byId("fresh").textContent = words;
  last = words;
}

export async function look() {
  try {
    const [overview, dead] = await Promise.all([get("/v1/operations"), letters.load()]);
    problems(overview.problems);
    glance(overview);
    work(overview.recordings, look);
    workers(overview.workers);
    services(overview.services);
    queues(overview.queues, look);
    failures(overview.failures);
    sure(overview.confidence);
    letters.show(dead, overview.dead_letters, look);
    await past();
    fresh("live, every two seconds");
  } catch (error) {
    fresh(`Not up to date: ${error.message}`);
  }
}

let asked = -Infinity;

/** The last hour; looked at less often. */
async function past() {
  if (Date.now() - asked < HISTORY_EVERY_MS) return;
  history.show(await history.load());
  asked = Date.now();
}

async function forever() {
  if (!document.hidden) await look();
  setTimeout(forever, AGAIN_MS);
}

forever();
