// A service that wants a token.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, close, given, launch, open } from "./browser.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test("a page asks for the token once, says when it is wrong, and goes on with the right one", async () => {
  const page = await open(browser, "/");
  const input = page.getByLabel("API token");
  await input.waitFor();
  await accessible(page, "the form for the token");
  // It cannot be left: without a token the page would stay empty.
  for (let times = 0; times < 3; times++) await page.keyboard.press("Escape");
  await page.locator("dialog[open]").waitFor();
  await input.fill("not-a-token-of-this-service");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("dialog .note.bad", { hasText: "Invalid token" }).waitFor();
  await input.fill(given("THROUGHLINE_TOKEN"));
  await page.keyboard.press("Enter");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.locator("#none", { hasText: "No recordings yet" }).waitFor();
  // No script can read what stands for it now, and no other page asks again.
  assert.equal(await page.evaluate(() => document.cookie + JSON.stringify(localStorage)), "{}");
  await page.getByRole("link", { name: "Operations" }).click();
  await page.locator("#fresh", { hasText: "live" }).waitFor();
  assert.equal(await page.locator("dialog").count(), 0);
  await close(page);
});
