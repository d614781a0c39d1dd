// The browser that the tests drive, and what they hold every page against.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** What an operator gives. */
export function given(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: these tests are started by pipeline-tests/tests/pages`);
  return value;
}

export const SERVER = given("THROUGHLINE_SERVER");
export const SAMPLES = given("THROUGHLINE_SAMPLES");

/** Sizes at which every page must be usable. */
export const SIZES = { wide: { width: 1280, height: 900 }, narrow: { width: 390, height: 844 } };

export async function launch() {
  // Root has no sandbox; sound goes nowhere.
  return chromium.launch({ executablePath: given("THROUGHLINE_CHROMIUM"), args: ["--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required"] });
}

/** A page, of the service unless `address` names another, that fails its test when a script fails or something is refused by the content security policy. */
export async function open(browser, address, size = SIZES.wide, options = {}) {
  const context = await browser.newContext({ viewport: size, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy|TypeError|ReferenceError/.test(message.text())) page.faults.push(message.text());
  });
  await page.goto(new URL(address, SERVER).href);
  return page;
}

/** Closes a page; nothing may have gone wrong on it. */
export async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

/** Fails where axe-core finds something serious or critical. */
export async function accessible(page, what) {
  const faults = page.faults.length;
  // By the debugger, which the page's policy does not bind; but axe-core copies styles to look into shadow roots, and those it binds.
  await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  page.faults.length = faults;
  const bad = found.violations.filter((violation) => ["serious", "critical"].includes(violation.impact));
  const words = bad.map((violation) => `${violation.id}: ${violation.help}: ${violation.nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`);
  assert.deepEqual(words, [], what);
  assert.ok(found.passes.length > 10, "axe-core has looked at the page");
}

/** Fails where a page is wider than what shows it. */
export async function fits(page) {
  const { page: all, window: seen } = await page.evaluate(() => ({ page: document.documentElement.scrollWidth, window: innerWidth }));
  assert.ok(all <= seen, `the page is ${all} pixels wide in a window of ${seen}`);
}

/** Writes a picture for the documentation, where one is wanted. */
export async function picture(page, name, options = {}) {
  const folder = process.env.THROUGHLINE_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), ...options });
}

/** Drops files of the samples' folder (or {name, text}) on an element, as a file manager does. */
export async function drop(page, selector, files) {
  const brought = files.map((file) =>
    typeof file === "string"
      ? { name: file, base64: readFileSync(path.join(SAMPLES, file)).toString("base64") }
      : { name: file.name, base64: Buffer.from(file.text).toString("base64") },
  );
  const transfer = await page.evaluateHandle((all) => {
    const data = new DataTransfer();
    for (const { name, base64 } of all) {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([bytes], name));
    }
    return data;
  }, brought);
  for (const event of ["dragenter", "dragover", "drop"]) await page.dispatchEvent(selector, event, { dataTransfer: transfer });
}

/** Presses Tab until `reached`, which looks at the element that has the focus, says that it is there. */
export async function tabTo(page, what, reached, argument) {
  for (let pressed = 0; pressed < 100; pressed++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(reached, argument)) return;
  }
  assert.fail(`${what} is not reached by Tab`);
}

/** JSON from the API. */
export async function api(path, options) {
  const answer = await fetch(SERVER + path, options);
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

/** Uploads a sample; the id of its recording. */
export async function upload(name, options) {
  const form = new FormData();
  for (const [key, value] of Object.entries(options)) form.set(key, value);
  form.set("file", new Blob([readFileSync(path.join(SAMPLES, name))]), name);
  return (await api("/v1/recordings", { method: "POST", body: form })).id;
}

/** Waits until the page knows of so many corrections, and no step back or forth is on its way. */
export async function known(page, count) {
  const seen = async (wanted) => {
    const { state } = await import(document.querySelector("script[type=module]").src.replace("main.js", "state.js"));
    return state.corrections.length === wanted && document.getElementById("undo").ariaBusy !== "true";
  };
  await eventually(`the page knows of ${count} corrections`, () => page.evaluate(seen, count), 20_000);
}

/** Looks until `look` gives something. */
export async function eventually(what, look, within = 180_000) {
  const until = Date.now() + within;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < until, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
