// Title: it can be changed.

import { send } from "../api.js";
import { ask } from "../dialog.js";
import { byId } from "../dom.js";
import { tell, told } from "../notices.js";
import { on, state, take } from "./state.js";

async function change() {
  const { title } = state.recording;
  const answer = await ask({ title: "Edit the title", fields: [{ name: "title", label: "Title", value: title, required: true, longest: 300 }], confirm: "Save" });
  if (!answer || answer.title === title) return;
  await told(async () => {
    await take(await send("PATCH", state.path, { title: answer.title }));
    tell("The title is saved.");
  });
}

export function start() {
  byId("retitle").addEventListener("click", change);
  on("recording", () => {
    byId("retitle").hidden = false;
  });
}
