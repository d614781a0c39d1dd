// The page of one recording.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { joined } from "../ingest/pages/js/recording/joining.js";
import { SIZES, accessible, api, close, eventually, fits, launch, open, picture, tabTo, upload } from "./browser.mjs";

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
  await page.locator("#state .note", { hasText: "In work" }).waitFor();
  await page.locator(".turn.provisional").first().waitFor({ timeout: 120_000 });
  const early = await page.locator("#turns-count").textContent();
  assert.equal(await state(id), "processing");
  assert.match(await page.locator("#legend").textContent(), /provisional/);
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

test("a click on a turn plays from there, and the list follows the sound", async () => {
  const page = await open(browser, `/recordings/${id}`);
  const turn = page.locator("#turn-6");
  await turn.click();
  const start = (await turns())[6].start;
  await page.locator("#play", { hasText: "Pause" }).waitFor();
  const heard = () => page.locator("#now").textContent().then((text) => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0));
  await eventually("the sound goes on from there", async () => (await heard()) > start + 1, 20_000);
  assert.ok((await heard()) < start + 60);
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
  await answerDialog(page, { Speaker: "somebody new, called:", "Name of a new speaker": "A passer-by" }, "Move");
  await page.locator("#turn-2 .name", { hasText: "A passer-by" }).waitFor();
  await page.locator("#speakers li", { hasText: "A passer-by" }).waitFor();

  await page.getByRole("button", { name: "Merge A passer-by into another" }).click();
  await answerDialog(page, { "The same person as": "Ms Berg" }, "Merge");
  await page.locator("#speakers li", { hasText: "A passer-by" }).waitFor({ state: "detached" });
  const middle = (found[2].start + found[2].end) / 2;
  assert.ok((await turns()).some((turn) => turn.start < middle && turn.end > middle && turn.speaker === "Ms Berg"));
  await page.locator("#corrections summary").click();
  await eventually("three corrections are listed", async () => (await page.locator("#corrections li").count()) === 3, 20_000);
  await page.locator("#corrections li", { hasText: "A passer-by (new, with what sounds like it)" }).waitFor();

  for (const left of [2, 1, 0]) {
    await page.locator("#undo").click();
    await eventually("it is taken back", async () => (await api(`/v1/recordings/${id}/corrections`)).corrections.length === left, 20_000);
    await eventually("and shown", async () => (await page.locator("#corrections li").count()) === left, 20_000);
  }
  assert.equal(await page.locator("#undo").isDisabled(), true);
  const bare = (all) => all.map(({ start, end, speaker }) => ({ start, end, speaker }));
  assert.deepEqual(bare(await turns()), bare(found));
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
  await page.locator(".notices p", { hasText: "Taken back" }).waitFor();
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

test("a recording that is in work is cancelled, and one that is deleted is gone", async () => {
  const other = await upload("interview_20min.opus", { title: "To be cancelled", chunk_blocks: "1" });
  const page = await open(browser, `/recordings/${other}`);
  await page.locator("#cancel").click();
  await answerDialog(page, {}, "Cancel it");
  await page.locator("#badge", { hasText: "cancelled" }).waitFor();
  assert.equal(await state(other), "cancelled");
  await page.locator("#delete").click();
  await answerDialog(page, {}, "Delete for good");
  await page.waitForURL("**/");
  const { recordings } = await api("/v1/recordings");
  assert.ok(!recordings.some((it) => it.id === other));
  await close(page);
});
