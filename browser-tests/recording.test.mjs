// The page of one recording.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { joined } from "../ingest/pages/js/recording/joining.js";
import { SIZES, accessible, api, close, eventually, fits, known, launch, open, picture, tabTo, upload } from "./browser.mjs";

let browser;
let id;

const state = async (recording) => (await api(`/v1/recordings/${recording}`)).state;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** The turns as the page shows them. */
async function turns() {
  return joined((await api(`/v1/recordings/${id}/turns`)).turns);
}

async function answerDialog(page, values, button) {
  const dialog = page.locator("dialog[open]");
  for (const [label, value] of Object.entries(values)) {
    // The first: a field's name may begin as another's does.
    const field = dialog.getByLabel(label).first();
    if (await field.evaluate((element) => element.tagName === "SELECT")) await field.selectOption({ label: value });
    else await field.fill(value);
  }
  await dialog.getByRole("button", { name: button }).click();
}

test("labels are provisional while chunks come in and settle without a reload", async () => {
  id = await upload("interview_20min.opus", { labels: "interview", title: "An interview of twenty minutes", chunk_blocks: "1" });
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#state .note", { hasText: "Processing" }).waitFor();
  await page.locator(".turn.provisional").first().waitFor({ timeout: 120_000 });
  const early = await page.locator("#turns-count").textContent();
  assert.equal(await state(id), "processing");
  assert.match(await page.locator("#legend").textContent(), /Provisional/);
  await page.locator("progress").waitFor();
  await picture(page, "in-work");
  await page.evaluate(() => {
    window.sameDocument = true;
  });
  await page.locator("#badge", { hasText: "finished" }).waitFor({ timeout: 240_000 });
  await page.locator(".turn.provisional").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => window.sameDocument), true);
  assert.notEqual(await page.locator("#turns-count").textContent(), early);
  assert.equal(await page.locator("#turns-count").textContent(), `${(await turns()).length} turns`);
  await close(page);
});

test("a click on a turn plays it to its end, playing goes on from there, and the list follows the sound", async () => {
  const page = await open(browser, `/recordings/${id}`);
  // One of a few seconds, near the start.
  const all = await turns();
  const index = all.findIndex((turn) => turn.end - turn.start > 2 && turn.end - turn.start < 6);
  await page.locator("#turns").evaluate((list, at) => (list.scrollTop = at * 40 - 100), index);
  await page.locator(`#turn-${index}`).click();
  await page.locator("#play", { hasText: "Pause" }).waitFor();
  const heard = () => page.locator("#now").textContent().then((text) => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0));
  await page.locator("#play", { hasText: "Play" }).waitFor();
  assert.ok(Math.abs((await heard()) - Math.floor(all[index].end)) <= 1);
  await page.locator("#play").click();
  await eventually("the sound goes on from there", async () => (await heard()) > all[index].end + 1, 20_000);
  await page.locator(".turn[aria-current]").waitFor();
  await page.locator("#play").click();
  await page.locator("#play", { hasText: "Play" }).waitFor();
  // A lane can be clicked as well.
  const lanes = await page.locator("#lane-canvas").boundingBox();
  await page.mouse.click(lanes.x + lanes.width * 0.75, lanes.y + 2);
  await eventually("the playhead is at three quarters", async () => Math.abs((await heard()) - 900) < 15, 10_000);
  await close(page);
});

test("why a turn has its label is told, with who comes next", async () => {
  const page = await open(browser, `/recordings/${id}`);
  const all = await turns();
  const unsure = all.findIndex((turn) => turn.confidence < 0.8 && turn.runner_up);
  await page.locator("#turns").evaluate((list, index) => (list.scrollTop = index * 40 - 100), unsure);
  await page.locator(`#turn-${unsure}`).click();
  const told = await page.locator("#turn").textContent();
  assert.ok(told.includes(`${Math.round(all[unsure].confidence * 100)} %`), told);
  assert.ok(told.includes(all[unsure].runner_up.speaker), told);
  // All that is shown adds up.
  const figures = await page.locator("#turn .candidates .figure").allTextContents();
  assert.equal(figures.reduce((sum, text) => sum + Number.parseInt(text, 10), 0), 100, `${figures}`);
  await page.locator("#play", { hasText: "Pause" }).waitFor();
  await page.locator("#play").click();
  await picture(page, "recording");
  await page.locator("#matches summary").click();
  await page.locator("#matches tbody tr").first().waitFor();
  const { matches } = await api(`/v1/recordings/${id}/matches`);
  assert.equal(await page.locator("#matches tbody tr").count(), matches.length);
  await page.locator("#similarity summary").click();
  await page.locator("#similarity td.cell").first().waitFor();
  assert.equal(await page.locator("#similarity td.cell").count(), 4);
  await close(page);
});

test("a speaker is renamed, a turn moved to somebody new, two merged, and all of it undone", async () => {
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#turn-0").waitFor();
  const found = await turns();
  await page.getByRole("button", { name: "Rename Interviewer" }).click();
  await answerDialog(page, { Name: "Ms Berg" }, "Rename");
  await page.locator(".turn .name", { hasText: "Ms Berg" }).first().waitFor();
  assert.deepEqual((await api(`/v1/recordings/${id}`)).speakers.map((it) => it.label).sort(), ["Ms Berg", "Respondent"]);

  await page.locator("#turn-2").click();
  await page.locator("#play", { hasText: "Pause" }).waitFor();
  await page.locator("#play").click();
  await page.locator("#move").click();
  await answerDialog(page, { Speaker: "new speaker", "Name of the new speaker": "A passer-by" }, "Change");
  await page.locator("#turn-2 .name", { hasText: "A passer-by" }).waitFor();
  await page.locator("#speakers li", { hasText: "A passer-by" }).waitFor();

  await page.getByRole("button", { name: "Merge A passer-by into another speaker" }).click();
  await answerDialog(page, { "Same person as": "Ms Berg" }, "Merge");
  await page.locator("#speakers li", { hasText: "A passer-by" }).waitFor({ state: "detached" });
  const middle = (found[2].start + found[2].end) / 2;
  assert.ok((await turns()).some((turn) => turn.start < middle && turn.end > middle && turn.speaker === "Ms Berg"));
  await page.locator("#corrections summary").click();
  await eventually("three corrections are listed", async () => (await page.locator("#corrections li").count()) === 3, 20_000);
  await page.locator("#corrections li", { hasText: "A passer-by (new, with similar turns)" }).waitFor();

  for (const left of [2, 1, 0]) {
    await page.locator("#undo").click();
    await known(page, left);
    assert.equal((await api(`/v1/recordings/${id}/corrections`)).corrections.length, left);
    await eventually("and shown", async () => (await page.locator("#corrections li").count()) === left, 20_000);
  }
  assert.equal(await page.locator("#undo").isDisabled(), true);
  const bare = (all) => all.map(({ start, end, speaker }) => ({ start, end, speaker }));
  assert.deepEqual(bare(await turns()), bare(found));
  await close(page);
});

test("what was done is told once, and what went wrong stays until it is closed", async () => {
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#turn-0").waitFor();
  const post = "**/corrections";
  await page.route(post, (route) => (route.request().method() === "POST" ? route.fulfill({ status: 503, contentType: "application/problem+json", body: '{"detail":"the database is away"}' }) : route.continue()));
  for (let times = 0; times < 2; times++) {
    await page.getByRole("button", { name: "Rename Interviewer" }).click();
    // The second time it is told already: what says that it was refused is the answer.
    const refused = page.waitForResponse((answer) => answer.request().method() === "POST" && answer.status() === 503);
    await answerDialog(page, { Name: "Ms Berg" }, "Rename");
    await refused;
    await page.locator(".notices .wrong", { hasText: "the database is away" }).waitFor();
  }
  await page.unroute(post);
  for (const [before, name] of [["Interviewer", "Ms Berg"], ["Ms Berg", "Ms Lund"]]) {
    await page.getByRole("button", { name: `Rename ${before}` }).click();
    await answerDialog(page, { Name: name }, "Rename");
    await page.locator(".notices p", { hasText: `Renamed ${before} to ${name}.` }).waitFor();
  }
  // Of two things done the later is told; of two failures alike, one, which is still there after what was done has faded.
  assert.equal(await page.locator('.notices [role="status"] p').count(), 1);
  await page.locator('.notices [role="status"] p').waitFor({ state: "detached" });
  const told = await page.locator(".notices .wrong span").allTextContents();
  assert.ok(told.length === 1 && told[0].includes("the database is away"), JSON.stringify(told));
  await accessible(page, "a failure that is told");
  await page.locator(".notices .wrong").getByRole("button", { name: "Close" }).click();
  assert.equal(await page.locator(".notices .wrong").count(), 0);
  for (const left of [1, 0]) {
    await page.locator("#undo").click();
    await eventually("it is taken back", async () => (await api(`/v1/recordings/${id}/corrections`)).corrections.length === left, 20_000);
  }
  await close(page);
});

test("every format can be exported", async () => {
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#export summary").click();
  const formats = await page.locator("#formats a[data-format]").evaluateAll((links) => links.map((link) => link.dataset.format));
  assert.deepEqual(formats, ["json", "rttm", "csv", "srt", "vtt", "audacity", "textgrid", "eaf", "label-studio"]);
  for (const format of formats) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`#formats a[data-format="${format}"]`).click()]);
    assert.match(download.suggestedFilename(), /^interview_20min\./);
    const text = readFileSync(await download.path(), "utf8");
    assert.ok(text.includes("Respondent") && text.length > 5000, `${format}: ${text.slice(0, 200)}`);
  }
  await close(page);
});

test("a recording is reprocessed with other hints, and with those that it had", async () => {
  const page = await open(browser, `/recordings/${id}`);
  const before = await turns();
  for (const [most, names] of [["1", ["Interviewer"]], ["", ["Interviewer", "Respondent"]]]) {
    await page.locator("#reprocess").click();
    await answerDialog(page, { "At most": most }, "Reprocess");
    await eventually(`${names.length} are heard`, async () => (await page.locator("#speakers li").count()) === names.length);
    await page.locator("#badge", { hasText: "finished" }).waitFor();
    assert.deepEqual((await api(`/v1/recordings/${id}`)).speakers.map((it) => it.label), names);
  }
  assert.equal((await api(`/v1/recordings/${id}`)).run, 3);
  assert.deepEqual(await turns(), before);
  await close(page);
});

test("all is within reach of the keyboard", async () => {
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#turn-0").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.locator('#turn-1[aria-selected="true"]').waitFor();
  await page.keyboard.press("k");
  await page.locator('#turn-0[aria-selected="true"]').waitFor();
  await page.keyboard.press("Space");
  await page.locator("#play", { hasText: "Pause" }).waitFor();
  await page.keyboard.press("Space");
  await page.locator("#play", { hasText: "Play" }).waitFor();
  await page.keyboard.press("Shift+ArrowRight");
  await eventually("half a minute ahead", async () => /^0:3\d$/.test(await page.locator("#now").textContent()), 10_000);
  await page.locator("#turns").focus();
  await page.keyboard.press("End");
  const last = (await turns()).length - 1;
  await page.locator(`#turn-${last}[aria-selected="true"]`).waitFor();
  assert.equal(await page.locator("#turns").getAttribute("aria-activedescendant"), `turn-${last}`);
  await page.keyboard.press("r");
  await page.locator("dialog[open] input").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("?");
  await page.locator("dialog[open] .shortcuts").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await close(page);
});

test("controls are reached by Tab, and keep the focus when what they stand in is drawn anew", async () => {
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#turn-0").waitFor();
  await tabTo(page, "the player", () => document.activeElement.id === "play");
  await page.keyboard.press("Enter");
  await page.locator("#play", { hasText: "Pause" }).waitFor();
  await page.keyboard.press("Enter");
  await page.locator("#play", { hasText: "Play" }).waitFor();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  await tabTo(page, "renaming", () => document.activeElement.getAttribute("aria-label") === "Rename Interviewer");
  await page.keyboard.press("Enter");
  await page.locator("dialog[open] input").fill("Ms Berg");
  await page.keyboard.press("Enter");
  await page.locator("#undo:enabled").waitFor();
  assert.equal(await focused(), "Rename Ms Berg");
  await page.keyboard.press("u");
  await page.locator("#undo:disabled").waitFor();
  assert.equal(await focused(), "Rename Interviewer");
  await close(page);
});

test("a key that is held takes one correction back", async () => {
  const rename = (speaker, name) => {
    const body = JSON.stringify({ kind: "rename", speaker, name });
    return api(`/v1/recordings/${id}/corrections`, { method: "POST", headers: { "content-type": "application/json" }, body });
  };
  await rename("Interviewer", "Ms Berg");
  await rename("Respondent", "Mr Lund");
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#undo:enabled").waitFor();
  for (let times = 0; times < 4; times++) {
    await page.keyboard.down("u");
    await page.waitForTimeout(250);
  }
  await page.keyboard.up("u");
  await page.locator(".notices p", { hasText: "Undone: rename of" }).waitFor();
  assert.equal((await api(`/v1/recordings/${id}/corrections`)).corrections.length, 1);
  await page.keyboard.press("u");
  await page.locator("#undo:disabled").waitFor();
  await close(page);
});

test("the page is usable at both widths and axe-core finds nothing serious", async () => {
  for (const [name, size] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(browser, `/recordings/${id}`, size, { colorScheme });
      await page.locator("#turn-0").waitFor();
      await page.keyboard.press("j");
      await page.locator("#turn h3").waitFor();
      for (const fold of ["matches", "similarity", "about"]) await page.locator(`#${fold} summary`).click();
      await page.locator("#matches tbody tr").first().waitFor();
      await accessible(page, `${name}, ${colorScheme}`);
      await fits(page);
      await page.evaluate(() => scrollTo(0, 0));
      if (name === "narrow" && colorScheme === "light") await picture(page, "recording-narrow");
      if (name === "wide" && colorScheme === "dark") await picture(page, "recording-dark");
      await close(page);
    }
  }
});

test("nothing can be done with a recording that is not there", async () => {
  const page = await open(browser, "/recordings/0199a3c4-5d6e-7f80-9123-456789abcdef");
  await page.getByRole("heading", { name: "Recording not found" }).waitFor();
  assert.deepEqual(await page.locator("button:visible, summary:visible, select:visible").allTextContents(), []);
  await accessible(page, "a recording that is not there");
  await page.getByRole("link", { name: "See all recordings" }).click();
  await page.waitForURL("**/");
  await close(page);
});

test("an address that is none is a page that leads on, and the description of the API is linked", async () => {
  const page = await open(browser, "/no/such/page");
  await page.getByRole("heading", { name: "Page not found" }).waitFor();
  await accessible(page, "a page that is not there");
  await page.getByRole("link", { name: "API" }).click();
  await page.waitForURL("**/docs**");
  assert.equal(page.url().includes("/docs"), true);
  await page.context().close();
});

test("a recording without speech says so", async () => {
  const silence = Buffer.alloc(44 + 16_000 * 2 * 5);
  silence.write("RIFF", 0);
  silence.writeUInt32LE(silence.length - 8, 4);
  silence.write("WAVEfmt ", 8);
  for (const [at, bytes, value] of [[16, 4, 16], [20, 2, 1], [22, 2, 1], [24, 4, 16_000], [28, 4, 32_000], [32, 2, 2], [34, 2, 16]]) silence.writeUIntLE(value, at, bytes);
  silence.write("data", 36);
  silence.writeUInt32LE(silence.length - 44, 40);
  const form = new FormData();
  form.set("file", new Blob([silence]), "silence.wav");
  const silent = (await api("/v1/recordings", { method: "POST", body: form })).id;
  const page = await open(browser, `/recordings/${silent}`);
  await page.locator("#badge", { hasText: "finished" }).waitFor({ timeout: 60_000 });
  await page.locator("#turns-none", { hasText: "No speech was found." }).waitFor();
  await close(page);
});

test("a recording that is in work is cancelled, and one that is deleted is gone", async () => {
  const other = await upload("interview_20min.opus", { title: "To be cancelled", chunk_blocks: "1" });
  const page = await open(browser, `/recordings/${other}`);
  await page.locator("#cancel").click();
  await answerDialog(page, {}, "Cancel recording");
  await page.locator("#badge", { hasText: "cancelled" }).waitFor();
  assert.equal(await state(other), "cancelled");
  await page.locator("#delete").click();
  await answerDialog(page, {}, "Delete for good");
  await page.waitForURL("**/");
  const { recordings } = await api("/v1/recordings");
  assert.ok(!recordings.some((it) => it.id === other));
  await close(page);
});
