// Session: the form to sign in, shown when the API wants a token; who is signed in, and the button to sign out.

import { h } from "./dom.js";

let open = null;

/** Shows the form until a token is taken; however many requests wait for it. */
export function askForToken() {
  open ??= new Promise((resolve) => show(resolve)).finally(() => {
    open = null;
    who();
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
    h("p", { class: "muted" }, "Ask your administrator for an API token. This browser keeps a session cookie, not the token, until you sign out."),
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

/** Says in the masthead who is signed in, with the button to sign out; hides what the token is not good for. */
async function who() {
  const answer = await fetch("/v1/session").catch(() => null);
  if (!answer?.ok) return;
  const it = await answer.json();
  const operations = document.querySelector('.masthead nav a[href="/operations"]');
  if (operations) operations.hidden = !it.scopes.includes("operate");
  document.getElementById("who")?.remove();
  if (!it.signed_in) return;
  const name = it.caller === "default" ? null : h("span", { class: "muted small" }, it.caller);
  const out = h("button", { class: "small", on: { click: () => signOut(out, failed) } }, "Sign out");
  const failed = h("span", { class: "small bad", role: "alert" });
  document.querySelector(".masthead > div").append(h("div", { class: "who", id: "who" }, name, out, failed));
}

async function signOut(button, failed) {
  button.disabled = true;
  const answer = await fetch("/v1/session", { method: "DELETE" }).catch(() => null);
  // What the page shows goes as well.
  if (answer?.ok) return location.reload();
  button.disabled = false;
  failed.textContent = "You are still signed in: the service did not answer. Try again.";
}

who();
