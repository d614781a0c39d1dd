// Transfer: one file on its way, by tus-js-client, which goes on where an upload broke off, also after the page was closed.

import { askForToken } from "../session.js";
import { leave, queue } from "./line.js";

const ENDPOINT = "/v1/uploads";
/** Waits between attempts; after the last the reader decides. */
const RETRIES_MS = [0, 1000, 3000, 5000, 10_000, 20_000, 30_000];

const UNREADABLE = "the file cannot be read: it is a folder, or was moved or changed since you chose it";

async function isReadable(file) {
  return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
}

/** What stopped an upload: what the service says, where it has answered. */
async function wordsOf(error, file) {
  const response = error.originalResponse;
  if (!response && !(await isReadable(file))) return UNREADABLE;
  if (!response) return error.originalRequest ? "the service cannot be reached" : error.message;
  try {
    return JSON.parse(response.getBody()).detail;
  } catch {
    return `the service answered ${response.getStatus()}`;
  }
}

/**
 * Sends `file` with `options`; tells of its progress by `moved(sent, all)`, of its end by `done(id)`, with the recording's id, and of
 * what stopped it by `stopped(words)`. It waits for its turn in the line. Gives {pause, resume, abandon}.
 */
export function transfer(file, options, { moved, done, stopped }) {
  const metadata = { filename: file.name, ...options };
  /** Counts what the reader wants: what began before the latest is not gone on with. */
  let wish = 0;
  const upload = new window.tus.Upload(file, {
    endpoint: ENDPOINT,
    metadata,
    // With the options: what broke off under others is another upload.
    fingerprint: async () => ["throughline", file.name, file.type, file.size, file.lastModified, JSON.stringify(metadata)].join("-"),
    retryDelays: RETRIES_MS,
    removeFingerprintOnSuccess: true,
    onProgress: moved,
    onShouldRetry(error) {
      const status = error.originalResponse?.getStatus() ?? 0;
      return status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
    },
    onSuccess() {
      leave(start);
      // A whole upload is the recording of the same id.
      done(upload.url.split("/").pop());
    },
    async onError(error) {
      const mine = wish;
      if (error.originalResponse?.getStatus() === 401) {
        await askForToken();
        if (mine === wish) upload.start();
        return;
      }
      leave(start);
      const words = await wordsOf(error, file);
      if (mine === wish) stopped(words);
    },
  });

  /** Looks whether some of it has been sent before, once. */
  let looked = null;
  async function look() {
    const before = await upload.findPreviousUploads();
    if (before.length > 0) upload.resumeFromPreviousUpload(before[0]);
  }

  async function start() {
    const mine = wish;
    // A file that cannot be read would be tried for a minute, as if the line were broken.
    const readable = await isReadable(file);
    await (looked ??= look());
    if (mine !== wish) return;
    if (readable) return upload.start();
    leave(start);
    stopped(UNREADABLE);
  }

  queue(start);
  return {
    pause() {
      wish++;
      leave(start);
      return upload.abort();
    },
    resume() {
      wish++;
      queue(start);
    },
    abandon() {
      wish++;
      leave(start);
      return upload.abort(true).catch(() => {});
    },
  };
}
