// The operator's board: looked at every two seconds as long as it is in sight.

import { get } from "../api.js";
import { byId, h } from "../dom.js";
import { span } from "../text.js";
import * as letters from "./letters.js";
import { failures, sure } from "./past.js";
import { queues } from "./queues.js";
import { work } from "./work.js";
import { services, workers } from "./workers.js";

const AGAIN_MS = 2000;

function glance(it) {
  const facts = [
    ["audio waiting or in hand", span(it.backlog.audio_seconds)],
    ["the oldest has waited", it.backlog.oldest_seconds > 0 ? span(it.backlog.oldest_seconds) : "nothing waits"],
    ["seconds of audio per second", it.throughput.audio_seconds_per_second.toFixed(1)],
    ["workers", String(it.workers.filter((worker) => worker.alive).length)],
    ["recordings in work", String(it.recordings.length)],
    ["dead letters", String(it.dead_letters), it.dead_letters > 0],
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
    glance(overview);
    work(overview.recordings, look);
    workers(overview.workers);
    services(overview.services);
    queues(overview.queues, look);
    failures(overview.failures);
    sure(overview.confidence);
    letters.show(dead, overview.dead_letters, look);
    fresh("live, every two seconds");
  } catch (error) {
    fresh(`not up to date: ${error.message}`);
  }
}

async function forever() {
  if (!document.hidden) await look();
  setTimeout(forever, AGAIN_MS);
}

forever();
