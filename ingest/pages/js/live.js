// Live: a recording as it changes, over server-sent events.

import { Problem } from "./api.js";

/** How long after a refused or broken stream to ask again. */
const AGAIN_MS = 3000;

/**
 * Calls `changed` with the recording whenever it does. A stream that breaks is opened again by the browser; where one is refused,
 * `look` is called, which gets the recording and says why it cannot, and then it is tried anew. Ends once the recording is gone.
 */
export function follow(id, { changed, look, gone }) {
  const source = new EventSource(`/v1/recordings/${id}/events`);
  source.addEventListener("recording", (event) => changed(JSON.parse(event.data)));
  source.addEventListener("error", async () => {
    if (source.readyState !== EventSource.CLOSED) return;
    try {
      changed(await look());
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return gone();
    }
    setTimeout(() => follow(id, { changed, look, gone }), AGAIN_MS);
  });
}
