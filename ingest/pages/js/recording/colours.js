// Colours: each speaker keeps a number and a colour as long as the page is open, whatever others are merged or renamed.

import { h } from "../dom.js";

const COLOURS = 12;
const numbers = new Map();

/** Who was there when numbers were last settled. */
let settled = new Set();

/** Gives the labels numbers, in their order, where they have none. */
export function learn(labels) {
  for (const label of labels) if (!numbers.has(label)) numbers.set(label, freeNumber(labels));
}

/**
 * Sees to it that no two of those who are there now have one number: who has gone keeps it for coming back (an undone merge), but
 * another may have been given it since. Who was there before keeps it.
 */
export function settle(labels) {
  const taken = new Set();
  for (const label of [...labels].sort((one, other) => settled.has(other) - settled.has(one))) {
    if (taken.has(numbers.get(label))) numbers.delete(label);
    else taken.add(numbers.get(label));
  }
  learn(labels);
  settled = new Set(labels);
}

function freeNumber(labels) {
  const taken = new Set(labels.map((label) => numbers.get(label)));
  let number = 1;
  while (taken.has(number)) number++;
  return number;
}

/** The speaker keeps number and colour under a new name. */
export function renamed(label, name) {
  if (numbers.has(label)) numbers.set(name, numbers.get(label));
}

export function numberOf(label) {
  if (!numbers.has(label)) learn([...numbers.keys(), label]);
  return numbers.get(label);
}

/** The colour, as a property of the style sheet. */
export function colourOf(label) {
  return `var(--speaker-${((numberOf(label) - 1) % COLOURS) + 1})`;
}

/** The colour as a canvas takes it; asked for anew when the reader's scheme changes. */
export function paintOf(label) {
  const name = `--speaker-${((numberOf(label) - 1) % COLOURS) + 1}`;
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The number on its colour: whoever cannot tell the colours apart has the number. */
export function swatch(label) {
  return h("span", { class: "swatch", "aria-hidden": "true", style: { "--colour": colourOf(label) } }, String(numberOf(label)));
}

/** Swatch and name. */
export function who(label) {
  return h("span", { class: "who" }, swatch(label), h("span", {}, label));
}
