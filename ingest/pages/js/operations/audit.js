// Who did what: the newest deeds, looked at now and then as long as the board is in sight.

import { get } from "../api.js";
import { byId, h } from "../dom.js";
import { moment } from "../text.js";
import { fill } from "./tables.js";

const AGAIN_MS = 10_000;
/** The newest that are shown. */
const MOST = 20;

const WORDS = {
  "recording.uploaded": "uploaded",
  "recording.deleted": "deleted",
  "recording.reprocessed": "reprocessed",
  "recording.cancelled": "cancelled",
  "recording.corrected": "corrected",
  "recording.correction-undone": "undid a correction of",
  "upload.deleted": "ended the upload",
  "queue.paused": "paused",
  "queue.resumed": "resumed",
  "dead-letter.replayed": "sent again: dead letter",
  "dead-letter.dropped": "dropped dead letter",
  "webhook.added": "added a webhook",
  "webhook.deleted": "deleted webhook",
  "webhook.pinged": "tried webhook",
  "session.begun": "signed in",
  "session.ended": "signed out",
};

function about(it) {
  if (it.recording) return h("a", { href: `/recordings/${it.recording}` }, `recording ${it.recording.slice(0, 8)}…`);
  return it.subject ?? "";
}

async function look() {
  const { entries } = await get(`/v1/audit?limit=${MOST}`);
  const rows = entries.map((it) => ({
    key: it.number,
    cells: [moment(it.at), it.caller || "anybody", `${WORDS[it.action] ?? it.action}${it.status === null && it.action !== "recording.uploaded" ? " (answer unknown)" : ""}`, about(it)],
  }));
  fill(byId("audit"), { caption: "Who did what", columns: [["When"], ["Who", "name"], ["Did"], ["To what", "words"]], rows, none: "Nothing yet." });
}

async function forever() {
  // The board itself says when the service does not answer.
  if (!document.hidden) await look().catch(() => {});
  setTimeout(forever, AGAIN_MS);
}

forever();
