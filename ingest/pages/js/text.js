// Words and figures, as people read them.

/** 83.4 -> "1:23"; with tenths "1:23.4"; hours where there are any. */
export function clock(seconds, tenths = false) {
  const unit = tenths ? 10 : 1;
  const all = Math.max(0, tenths ? Math.round(seconds * 10) : Math.floor(seconds));
  const whole = Math.floor(all / unit);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  const text = hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
  return tenths ? `${text}.${all % 10}` : text;
}

/** 83.4 -> "1 min 23 s" */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "—";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

/** 0.974 -> "97 %" */
export function percent(share) {
  return share === null || share === undefined ? "—" : `${Math.round(share * 100)} %`;
}

/** 0.6123 -> "0.61"; -0.15 -> "−0.15" */
export function score(value) {
  return value === null || value === undefined ? "—" : fixed(value, 2);
}

/** So many places, a true minus sign, and no minus before a zero. */
export function fixed(value, places) {
  const text = value.toFixed(places);
  return Number(text) === 0 ? (0).toFixed(places) : text.replace("-", "−");
}

/** 1, "speaker" -> "1 speaker"; 2 -> "2 speakers" */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let [value, unit] = [count, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

/** A moment, in the reader's own zone and language. */
export function moment(text) {
  return new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** "5 s ago" */
export function ago(text) {
  return `${span(Math.max(0, (Date.now() - new Date(text).getTime()) / 1000))} ago`;
}

const STATES = {
  queued: ["queued", "work"],
  processing: ["processing", "work"],
  completed: ["finished", "good"],
  completed_with_gaps: ["finished with gaps", "warn"],
  failed: ["failed", "bad"],
  cancelled: ["cancelled", "rest"],
};

/** A state in words, and how it is shown. */
export function stateWords(state) {
  return STATES[state] ?? [state, "rest"];
}

export function isInWork(state) {
  return state === "queued" || state === "processing";
}

export function isFinished(state) {
  return state === "completed" || state === "completed_with_gaps";
}
