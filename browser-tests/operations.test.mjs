// The operator's board.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SIZES, accessible, api, close, eventually, fits, given, launch, open, picture, tabTo, upload } from "./browser.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test("a dead letter is replayed on the board, and its recording completed", async () => {
  const id = given("THROUGHLINE_FAILED");
  const page = await open(browser, "/operations");
  await page.locator("#failures", { hasText: "could not be analysed" }).waitFor();
  const letter = page.locator("#letters tbody tr").filter({ has: page.locator(`a[href="/recordings/${id}"]`) });
  await letter.getByRole("button", { name: /^Replay/ }).click();
  await letter.waitFor({ state: "detached" });
  await eventually("the recording is completed", async () => (await api(`/v1/recordings/${id}`)).state === "completed");
  await close(page);
});

test("a dead letter is dropped, once that is confirmed", async () => {
  const page = await open(browser, "/operations");
  // What is unfolded stays so while the board goes on looking.
  const attempts = page.locator("#letters details").first();
  await attempts.locator("summary").click();
  for (let looks = 0; looks < 2; looks++) await page.waitForResponse((answer) => answer.url().includes("/v1/dead-letters"));
  await page.waitForTimeout(200);
  assert.equal(await attempts.evaluate((it) => it.open), true);
  await page.locator("#letters").getByRole("button", { name: /^Drop/ }).first().click();
  await page.locator("dialog[open]").getByRole("button", { name: "Cancel" }).click();
  assert.equal((await api("/v1/dead-letters")).dead_letters.length, 1);
  await page.locator("#letters").getByRole("button", { name: /^Drop/ }).first().click();
  await page.locator("dialog[open]").getByRole("button", { name: "Drop" }).click();
  await page.locator("#letters", { hasText: "No dead letters" }).waitFor();
  assert.equal((await api("/v1/dead-letters")).dead_letters.length, 0);
  await close(page);
});

test("a queue is paused, a recording waits, is cancelled on the board, and the queue runs again", async () => {
  const page = await open(browser, "/operations");
  const queue = page.locator("#queues tbody tr", { hasText: "throughline.chunks." });
  await queue.getByRole("button", { name: /^Pause/ }).click();
  await queue.locator(".badge", { hasText: "paused" }).waitFor();
  const waiting = await upload("interview_3min.opus", { title: "An interview that waits", chunk_blocks: "1" });
  const row = page.locator(`#work tr[data-key="${waiting}"]`);
  await row.locator("progress").waitFor({ timeout: 60_000 });
  await page.locator(".notices p").waitFor({ state: "detached" });
  await picture(page, "operations", { fullPage: true });
  await row.getByRole("button", { name: /^Cancel/ }).click();
  await page.locator("dialog[open]").getByRole("button", { name: "Cancel recording" }).click();
  await row.waitFor({ state: "detached" });
  assert.equal((await api(`/v1/recordings/${waiting}`)).state, "cancelled");
  await queue.getByRole("button", { name: /^Resume/ }).click();
  await queue.locator(".badge", { hasText: "running" }).waitFor();
  await close(page);
});

test("a queue is paused and resumed by the keyboard alone", async () => {
  const page = await open(browser, "/operations");
  const badge = page.locator("#queues tbody tr", { hasText: "throughline.chunks." }).locator(".badge");
  await badge.waitFor();
  await tabTo(page, "the queue of chunks", () => document.activeElement.dataset.queue?.startsWith("throughline.chunks."));
  await page.keyboard.press("Enter");
  await badge.filter({ hasText: "paused" }).waitFor();
  // The button is another now, and has the focus again.
  await page.waitForFunction(() => document.activeElement.textContent === "Resume");
  await page.keyboard.press("Enter");
  await badge.filter({ hasText: "running" }).waitFor();
  await close(page);
});

test("workers are shown with what they run on, and how sure the labels are", async () => {
  const page = await open(browser, "/operations");
  const worker = page.locator("#workers tbody tr").first();
  await worker.waitFor();
  const words = await worker.textContent();
  assert.match(words, /alive/);
  assert.match(words, /cpu, 1 thread/);
  await page.locator("#sure .steps li").nth(9).waitFor();
  await close(page);
});

test("the board is usable at both widths and axe-core finds nothing serious", async () => {
  for (const [name, size] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(browser, "/operations", size, { colorScheme });
      await page.locator("#workers tbody tr").first().waitFor();
      await accessible(page, `${name}, ${colorScheme}`);
      await fits(page);
      await close(page);
    }
  }
});
