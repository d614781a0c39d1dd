// The page of uploads and recordings.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { breakingLine } from "./breaking-line.mjs";
import { SERVER, SIZES, accessible, api, close, drop, eventually, fits, launch, open, picture } from "./browser.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test("files that are dropped are uploaded, and one that is no audio fails with the reason", async () => {
  const page = await open(browser, "/");
  await page.locator("#options summary").click();
  await page.locator("#option-labels").selectOption("interview");
  await page.locator("#option-speakers").fill("2");
  await page.locator("#option-tracks").selectOption("all");
  await drop(page, "#drop", ["interview_3min.opus", { name: "notes.txt", text: "Not a sound in here.\n".repeat(50) }]);
  const refused = page.locator('#uploads li[data-file="notes.txt"] .said');
  await refused.filter({ hasText: "failed:" }).waitFor({ timeout: 60_000 });
  assert.match(await refused.textContent(), /plain text/);
  const taken = page.locator('#uploads li[data-file="interview_3min.opus"]');
  await taken.locator("a").waitFor();
  // The list below knows of both, with the reason.
  await page.locator("#list li", { hasText: "interview_3min" }).waitFor();
  await page.locator("#list .failure", { hasText: "plain text" }).waitFor();
  // Progress to the end, without a click.
  await taken.locator(".said", { hasText: "finished" }).waitFor({ timeout: 180_000 });
  await page.locator("#list li", { hasText: "interview_3min" }).locator(".badge", { hasText: "finished" }).waitFor();
  const { recordings } = await api("/v1/recordings?limit=10");
  const recording = await api(`/v1/recordings/${recordings.find((it) => it.title === "interview_3min").id}`);
  assert.deepEqual(recording.speakers.map((speaker) => speaker.label), ["Interviewer", "Respondent"]);
  assert.equal(recording.settings.max_speakers, 2);
  assert.equal(recording.settings.tracks, "all");
  await picture(page, "recordings");
  await close(page);
});

test("an upload that breaks off goes on where it stopped", async () => {
  const line = await breakingLine(SERVER, 2);
  const page = await open(browser, line.address);
  await page.locator("#option-title").evaluate((input) => (input.value = "Broken off"));
  await drop(page, "#drop", ["interview_3min.opus"]);
  await page.locator('#uploads li[data-file="interview_3min.opus"] a').waitFor({ timeout: 60_000 });
  // Twice it asked how far it was and went on from there, with the same upload.
  const of = (method) => line.seen.filter((it) => it.method === method);
  assert.equal(of("POST").length, 1);
  assert.ok(of("HEAD").length >= 2, JSON.stringify(line.seen));
  assert.equal(line.cut.length, 2);
  const begun = [...line.cut, of("PATCH").at(-1).offset];
  assert.ok(begun[0] === 0 && begun[1] > 0 && begun[2] > begun[1], JSON.stringify(line.seen));
  await eventually("it is listed once", async () => {
    const { recordings } = await api("/v1/recordings?title=Broken");
    return recordings.length === 1;
  });
  await close(page);
  line.close();
});

test("an upload that is paused stands still until it goes on", async () => {
  const page = await open(browser, "/");
  const asked = [];
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await page.route("**/v1/uploads**", async (route) => {
    const method = route.request().method();
    asked.push(method);
    if (method !== "PATCH" || asked.filter((it) => it === "PATCH").length > 1) return route.continue();
    // Nothing of the first comes through: the page has given it up by the time that it is let go.
    await held;
    await route.abort().catch(() => {});
  });
  await page.locator("#option-title").evaluate((input) => (input.value = "Paused"));
  await drop(page, "#drop", ["interview_3min.opus"]);
  const item = page.locator('#uploads li[data-file="interview_3min.opus"]');
  await eventually("it is on its way", async () => asked.includes("PATCH"));
  await item.getByRole("button", { name: "Pause" }).click();
  await item.locator(".said", { hasText: "paused at" }).waitFor();
  letGo();
  await page.waitForTimeout(500);
  assert.deepEqual(asked, ["POST", "PATCH"]);
  await item.getByRole("button", { name: "Resume" }).click();
  await item.locator("a").waitFor({ timeout: 60_000 });
  assert.deepEqual(asked, ["POST", "PATCH", "HEAD", "PATCH"]);
  await close(page);
});

test("the list is filtered by title and by state", async () => {
  const page = await open(browser, "/");
  await page.locator("#list li", { hasText: "notes" }).waitFor();
  await page.locator("#filter-state").selectOption("failed");
  await page.locator("#list li", { hasText: "interview_3min" }).waitFor({ state: "detached" });
  assert.deepEqual(await page.locator("#list .title").allTextContents(), ["notes"]);
  await page.locator("#filter-title").fill("no such title");
  await page.locator("#none", { hasText: "No matching recordings" }).waitFor();
  await close(page);
});

test("the page is usable by keyboard, at both widths, and axe-core finds nothing serious", async () => {
  for (const [name, size] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(browser, "/", size, { colorScheme });
      await page.locator("#list li").first().waitFor();
      await page.locator("#options summary").click();
      await accessible(page, `${name}, ${colorScheme}`);
      await fits(page);
      if (name === "narrow" && colorScheme === "light") await picture(page, "recordings-narrow");
      await close(page);
    }
  }
  const page = await open(browser, "/");
  await page.locator("#list li").first().waitFor();
  const reached = [];
  while (reached.at(-1) !== "title") {
    assert.ok(reached.length < 20, `no recording is among ${reached}`);
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.className));
  }
  for (const wanted of ["skip", "pick", "filter-title", "filter-state"]) assert.ok(reached.includes(wanted), `${wanted} is not among ${reached}`);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/recordings/*");
  await close(page);
});
