// Dialogs: a question with its fields, answered or left.

import { byKey, h } from "./dom.js";

/**
 * Asks, and gives the fields' values by name, or null when the dialog is left by the button `leave`.
 * A field is {name, label, value, options, required, type}; with options ([value, words]) it is a choice.
 */
export function ask({ title, words, fields = [], confirm, leave = "Cancel", danger = false }) {
  const inputs = fields.map((field) => [field, inputOf(field)]);
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "question" }, title),
    words && h("p", { class: "muted" }, words),
    inputs.map(([field, input]) => h("label", { class: "field" }, h("span", {}, field.label), input)),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", on: { click: () => dialog.close() } }, leave),
      h("button", { class: danger ? "danger" : "primary", value: "yes" }, confirm),
    ),
  );
  const dialog = h("dialog", { "aria-labelledby": "question" }, form);
  document.body.append(dialog);
  const before = document.activeElement;
  dialog.showModal();
  inputs[0]?.[1].select?.();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const answers = Object.fromEntries(inputs.map(([field, input]) => [field.name, input.value.trim()]));
      dialog.remove();
      // It may have been drawn anew meanwhile.
      (before?.isConnected ? before : byKey(before?.dataset?.key))?.focus();
      resolve(dialog.returnValue === "yes" ? answers : null);
    });
  });
}

function inputOf({ options, value = "", required = false, type = "text", ...more }) {
  if (options) return h("select", {}, options.map(([key, words]) => h("option", { value: key, selected: key === value }, words)));
  return h("input", { type, value, required, min: more.min, max: more.max, step: more.step, maxLength: more.longest ?? 200 });
}
