// Line: files wait in it for their turn to be sent. Browsers open six connections to a host; the lists and other pages need some of them.

const AT_ONCE = 2;

const waiting = new Set();
const sending = new Set();

/** Calls `start` when it is its turn, at once where nobody is before it. */
export function queue(start) {
  if (!sending.has(start)) waiting.add(start);
  admit();
}

/** Gives the place up, in the line or at its head. */
export function leave(start) {
  waiting.delete(start);
  sending.delete(start);
  admit();
}

function admit() {
  for (const start of waiting) {
    if (sending.size >= AT_ONCE) return;
    waiting.delete(start);
    sending.add(start);
    start();
  }
}
