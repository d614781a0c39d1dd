// Live: a recording as it changes, over server-sent events.

import { Problem } from "./api.js";

/** How long after a refused or broken stream to ask again. */
const AGAIN_MS = 3000;

/**
 * Calls `changed` with the recording at once and whenever it changes. A stream that breaks is opened again by the browser; where one is
 * refused, `look` is called, which gets the recording and says why it cannot, and then it is tried anew. Ends once the recording is gone.
 * There is a stream only while the page is in sight: browsers open six connections to a host in all, and each stream holds one.
 */
export function follow(id, { changed, look, gone }) {
  let source = null;
  let over = false;

  function open() {
    if (source || over || document.hidden) return;
    source = new EventSource(`/v1/recordings/${id}/events`);
    source.addEventListener("recording", (event) => changed(JSON.parse(event.data)));
    source.addEventListener("error", broken);
  }

  function close() {
    source?.close();
    source = null;
  }

  async function broken() {
    if (source?.readyState !== EventSource.CLOSED) return;
    source = null;
    try {
      changed(await look());
    } catch (error) {
      if (error instanceof Problem && error.status === 404) {
        over = true;
        close();
        return gone();
      }
    }
    setTimeout(open, AGAIN_MS);
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  open();
}
