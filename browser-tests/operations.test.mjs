// The operator's board.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SIZES, accessible, api, close, eventually, fits, given, launch, open, picture, tabTo, upload } from "./browser.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test("what is wrong is said first, with a way to it, and goes when it is mended", async () => {
  const page = await open(browser, "/operations");
  const problem = page.locator('#problems [data-kind="dead-letters"]');
  await problem.filter({ hasText: "2 jobs failed for good" }).waitFor();
  assert.equal(await problem.evaluate((it) => it.classList.contains("bad")), true);
  // Before all else, and in red.
  const above = await page.evaluate(() => document.querySelector("#problems").getBoundingClientRect().top < document.querySelector("#glance").getBoundingClientRect().top);
  assert.equal(above, true);
  await problem.getByRole("link", { name: "Show" }).click();
  assert.match(page.url(), /#letters-title$/);
  await close(page);
});

test("the last hour is drawn, a line for each of three figures", async () => {
  const page = await open(browser, "/operations");
  await page.locator('#history [data-chart="workers"] svg').waitFor({ timeout: 60_000 });
  const charts = await page.locator("#history figure").evaluateAll((all) => all.map((it) => [it.dataset.chart, it.querySelectorAll("polyline, circle").length > 0, it.querySelector("svg").getAttribute("aria-label")]));
  assert.deepEqual(charts.map(([name, drawn]) => [name, drawn]), [["backlog_audio_seconds", true], ["audio_seconds_per_second", true], ["workers", true]]);
  for (const [, , told] of charts) assert.match(told, /in the last hour: .* now, .* at most/);
  // Nobody looked for some minutes in the middle.
  assert.ok((await page.locator("#history [data-chart=workers] polyline").count()) >= 2);
  await close(page);
});

test("a line of the history breaks where nobody looked", async () => {
  const page = await open(browser, "/operations");
  const lines = await page.evaluate(async () => {
    const { linesOf } = await import(document.querySelector("script[type=module]").src.replace("main.js", "history.js"));
    const samples = [0, 1, 2, 10, 11].map((minute) => ({ at: new Date(minute * 60_000).toISOString(), value: minute }));
    return linesOf(samples, (at) => at / 60_000, (sample) => sample.value);
  });
  assert.deepEqual(lines, [["0.0,0.0", "1.0,1.0", "2.0,2.0"], ["10.0,10.0", "11.0,11.0"]]);
  await close(page);
});

test("dead letters that are ticked are replayed together, and their recordings completed", async () => {
  const id = given("THROUGHLINE_FAILED");
  const page = await open(browser, "/operations");
  await page.locator("#failures", { hasText: "could not be analysed" }).waitFor();
  const letter = page.locator("#letters tbody tr").filter({ has: page.locator(`a[href="/recordings/${id}"]`) });
  // What failed stands in the list.
  const { failure } = (await api("/v1/dead-letters")).dead_letters.find((it) => it.recording === id);
  assert.ok(failure && (await letter.textContent()).includes(failure), `${failure}`);
  assert.equal(await page.locator("#replay-selected").isDisabled(), true);
  await letter.getByRole("checkbox").check();
  // The tick outlives the next looks of the board.
  for (let looks = 0; looks < 2; looks++) await page.waitForResponse((answer) => answer.url().includes("/v1/dead-letters"));
  assert.equal(await letter.getByRole("checkbox").isChecked(), true);
  await page.getByRole("button", { name: "Replay selected (1)" }).click();
  await letter.waitFor({ state: "detached" });
  await page.locator(".notices p", { hasText: "Replayed 1 dead letter." }).waitFor();
  await eventually("the recording is completed", async () => (await api(`/v1/recordings/${id}`)).state === "completed");
  await close(page);
});

test("all dead letters are replayed at once, after a question", async () => {
  const page = await open(browser, "/operations");
  await page.locator("#letters tbody tr").first().waitFor();
  await page.locator("#replay-all").click();
  await page.locator("dialog[open]").getByRole("button", { name: "Cancel" }).click();
  const before = (await api("/v1/dead-letters")).dead_letters;
  assert.equal(before.length, 1);
  const asked = [];
  await page.route("**/v1/dead-letters/replay", (route) => {
    asked.push(route.request().postDataJSON());
    // One that cannot be replayed is told, and stays.
    return route.fulfill({ json: { replayed: [], refused: [{ letter: before[0].id, detail: "it cannot be replayed" }] } });
  });
  await page.locator("#replay-all").click();
  await page.locator("dialog[open]").getByRole("button", { name: "Replay all" }).click();
  await page.locator(".notices .wrong", { hasText: "it cannot be replayed" }).waitFor();
  assert.deepEqual(asked, [{ letters: [before[0].id] }]);
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
  assert.match(await queue.textContent(), /since /);
  const waiting = await upload("interview_3min.opus", { title: "An interview that waits", chunk_blocks: "1" });
  const row = page.locator(`#work tr[data-key="${waiting}"]`);
  await row.locator("progress").waitFor({ timeout: 60_000 });
  // A reason stands beside what is not known, and the pause with what waits for it is said first.
  await row.filter({ hasText: "the queue of its chunks is paused" }).waitFor();
  await page.locator('#problems .bad[data-kind="queue-paused"]', { hasText: /jobs? waits?: resume it/ }).waitFor();
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
  assert.match(words, /process \d+/);
  await page.locator("#sure .steps li").nth(9).waitFor();
  await close(page);
});

test("the board is usable at both widths and axe-core finds nothing serious", async () => {
  for (const [name, size] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(browser, "/operations", size, { colorScheme });
      await page.locator("#workers tbody tr").first().waitFor();
      await page.locator("#history svg").first().waitFor();
      await accessible(page, `${name}, ${colorScheme}`);
      await fits(page);
      await close(page);
    }
  }
});
