// Transfer: one file on its way, by tus-js-client, which goes on where an upload broke off, also after the page was closed.

import { askForToken } from "../session.js";

const ENDPOINT = "/v1/uploads";
/** Waits between attempts; after the last the reader decides. */
const RETRIES_MS = [0, 1000, 3000, 5000, 10_000, 20_000, 30_000];

/** What the service says of a refused request. */
function wordsOf(error) {
  const response = error.originalResponse;
  if (!response) return "the service cannot be reached";
  try {
    return JSON.parse(response.getBody()).detail;
  } catch {
    return `the service answered ${response.getStatus()}`;
  }
}

/**
 * Sends `file` with `options`; tells of its progress by `moved(sent, all)`, of its end by `done(id)`, with the recording's id, and of
 * what stopped it by `stopped(words)`. Gives {pause, resume, abandon}.
 */
export function transfer(file, options, { moved, done, stopped }) {
  let wanted = true;
  const upload = new window.tus.Upload(file, {
    endpoint: ENDPOINT,
    metadata: { filename: file.name, ...options },
    retryDelays: RETRIES_MS,
    removeFingerprintOnSuccess: true,
    onProgress: moved,
    onShouldRetry(error) {
      const status = error.originalResponse?.getStatus() ?? 0;
      return status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
    },
    onSuccess() {
      // A whole upload is the recording of the same id.
      done(upload.url.split("/").pop());
    },
    async onError(error) {
      if (!wanted) return;
      if (error.originalResponse?.getStatus() === 401) {
        await askForToken();
        upload.start();
        return;
      }
      stopped(wordsOf(error));
    },
  });
  const begin = async () => {
    const before = await upload.findPreviousUploads();
    if (before.length > 0) upload.resumeFromPreviousUpload(before[0]);
    if (wanted) upload.start();
  };
  begin();
  return {
    pause: () => upload.abort(),
    resume: () => upload.start(),
    abandon() {
      wanted = false;
      return upload.abort(true).catch(() => {});
    },
  };
}
