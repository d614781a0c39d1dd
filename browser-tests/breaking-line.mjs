// A line that breaks off: it stands between the browser and the service, and cuts uploads short.

import { once } from "node:events";
import { createServer, request } from "node:http";
import { pipeline } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";

/** Bytes of a request that get through before the line breaks. */
const THROUGH = 200_000;
/** How long it stays broken; what has come is kept by then. */
const BROKEN_MS = 1000;

/**
 * Leads to `server`. The PATCHes from the first `times` offsets are cut. Gives {address, seen, cut, close}: all requests for uploads as
 * {method, offset}, and the offsets that were cut.
 */
export async function breakingLine(server, times) {
  const seen = [];
  const cut = [];
  let broken = Promise.resolve();

  async function pass(asked, answer) {
    await broken;
    const { method, url, headers } = asked;
    const offset = Number(headers["upload-offset"]);
    if (url.startsWith("/v1/uploads")) seen.push({ method, offset });
    const onward = request(server + url, { method, headers });
    onward.on("error", () => answer.destroy());
    onward.on("response", (its) => {
      // Not used again: where a used connection breaks, browsers send the request once more by themselves.
      answer.writeHead(its.statusCode, { ...its.headers, connection: "close" });
      pipeline(its, answer, () => {});
    });
    answer.on("close", () => onward.destroy());
    if (method !== "PATCH" || cut.length === times || cut.includes(offset)) {
      pipeline(asked, onward, () => {});
      return;
    }
    cut.push(offset);
    let through = 0;
    asked.on("data", (bytes) => {
      through += bytes.length;
      if (through < THROUGH) return onward.write(bytes);
      asked.pause();
      onward.write(bytes, () => {
        broken = pause(BROKEN_MS);
        asked.socket.destroy();
      });
    });
  }

  const listener = createServer(pass).listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    address: `http://127.0.0.1:${listener.address().port}`,
    seen,
    cut,
    close() {
      listener.close();
      listener.closeAllConnections();
    },
  };
}
