// Session: the form for the token, shown when the API wants one.

import { h } from "./dom.js";

let open = null;

/** Shows the form until a token is taken; however many requests wait for it. */
export function askForToken() {
  open ??= new Promise((resolve) => show(resolve)).finally(() => {
    open = null;
  });
  return open;
}

function show(resolve) {
  const input = h("input", { type: "password", required: true, autocomplete: "current-password" });
  const wrong = h("p", { class: "note bad", role: "alert", hidden: true });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "token-title" }, "Sign in"),
    h("p", { class: "muted" }, "Ask your administrator for an API token. This browser keeps a session cookie, not the token."),
    h("label", { class: "field" }, h("span", {}, "API token"), input),
    wrong,
    h("div", { class: "buttons" }, h("button", { class: "primary" }, "Sign in")),
  );
  let taken = false;
  // Browsers let Escape close a dialog at the second try, whatever is said to the first; but without a token nothing goes on.
  const again = () => taken || dialog.showModal();
  const dialog = h("dialog", { "aria-labelledby": "token-title", on: { cancel: (event) => event.preventDefault(), close: again } }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = { authorization: `Bearer ${input.value.trim()}` };
    const answer = await fetch("/v1/session", { method: "POST", headers }).catch(() => null);
    if (answer?.ok) {
      taken = true;
      dialog.close();
      dialog.remove();
      resolve();
      return;
    }
    wrong.textContent = answer?.status === 401 ? "Invalid token." : "The token could not be checked. Try again.";
    wrong.hidden = false;
    input.select();
  });
  document.body.append(dialog);
  dialog.showModal();
}
