// The page of one recording as a tool to review it with.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { joined } from "../ingest/pages/js/recording/joining.js";
import { SIZES, accessible, api, close, eventually, fits, known, launch, open, picture, upload } from "./browser.mjs";

let browser;
let id;

before(async () => {
  browser = await launch();
  // One speaker more than there are, so that much is unsure.
  id = await upload("interview_3min.opus", { labels: "Ann,Bob,Cid", num_speakers: "3", title: "To be reviewed" });
  await eventually("it is finished", async () => (await api(`/v1/recordings/${id}`)).state === "completed");
});
after(() => browser.close());

const found = async () => (await api(`/v1/recordings/${id}/turns`)).turns;
/** The turns as the page shows them. */
const shown = async () => joined(await found());
const bare = (turns) => turns.map(({ start, end, speaker }) => ({ start, end, speaker }));
const corrections = async () => (await api(`/v1/recordings/${id}/corrections`)).corrections;

/** A page on which the turn `index` is selected, and stands still. */
async function openAt(index, size) {
  const page = await open(browser, `/recordings/${id}`, size);
  await page.locator("#turn-0").waitFor();
  await page.locator("#turns").evaluate((list, top) => (list.scrollTop = top), index * 40);
  await page.evaluate(async (at) => {
    const { select } = await import(document.querySelector("script[type=module]").src.replace("main.js", "state.js"));
    select(at);
  }, index);
  await page.locator(`#turn-${index}[aria-selected="true"]`).waitFor();
  return page;
}

/** Zooms in, with the turn in sight. */
async function closer(page, index) {
  await page.locator("#zoom").fill("60");
  await page.evaluate(async (at) => {
    const script = document.querySelector("script[type=module]").src;
    const { show } = await import(script.replace("main.js", "player.js"));
    const { state } = await import(script.replace("main.js", "state.js"));
    show(state.turns[at].start);
  }, index);
}

/** Waits until so many corrections are made, and shown. */
async function made(page, count) {
  await eventually(`${count} corrections`, async () => (await corrections()).length === count, 20_000);
  await known(page, count);
}

async function undoAll(page) {
  for (let left = (await corrections()).length; left > 0; left--) {
    await page.locator("#undo").click();
    await made(page, left - 1);
  }
}

/** The longest turn with nobody else around its ends. */
async function clear() {
  const all = await shown();
  const room = (turn, index) => index > 0 && index < all.length - 1 && all[index - 1].end < turn.start - 0.3 && all[index + 1].start > turn.end + 0.3;
  const lengths = all.map((turn, index) => (room(turn, index) ? turn.end - turn.start : 0));
  const index = lengths.indexOf(Math.max(...lengths));
  assert.ok(lengths[index] > 2, `${lengths}`);
  return [index, all[index]];
}

test("short pauses do not break a turn, unless one wants to see every turn", async () => {
  const page = await open(browser, `/recordings/${id}`);
  const [all, together] = [await found(), await shown()];
  assert.ok(together.length < all.length, `${together.length} of ${all.length}`);
  await page.locator("#turns-count", { hasText: `${together.length} turns` }).waitFor();
  await page.locator("#join").uncheck();
  await page.locator("#turns-count", { hasText: `${all.length} turns` }).waitFor();
  await page.reload();
  await page.locator("#turns-count", { hasText: `${all.length} turns` }).waitFor();
  await page.locator("#join").check();
  await page.locator("#turns-count", { hasText: `${together.length} turns` }).waitFor();
  await close(page);
});

test("unsure turns are gone through by key, and what is checked is kept", async () => {
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#turn-0").waitFor();
  const all = await shown();
  const unsure = all.flatMap((turn, index) => (turn.confidence < 0.8 ? [index] : []));
  assert.ok(unsure.length >= 3, `${unsure}`);
  await page.locator("#review", { hasText: `0 of ${unsure.length} checked` }).waitFor();
  await page.keyboard.press("n");
  await page.locator(`#turn-${unsure[0]}[aria-selected="true"]`).waitFor();
  await page.keyboard.press("c");
  await page.locator("#review", { hasText: `1 of ${unsure.length} checked` }).waitFor();
  await page.locator(`#turn-${unsure[1]}[aria-selected="true"]`).waitFor();
  await page.reload();
  await page.locator("#review", { hasText: `1 of ${unsure.length} checked` }).waitFor();
  await page.locator("#filter").selectOption("unsure");
  await eventually("only those are listed", async () => (await page.locator(".turn").count()) <= unsure.length, 10_000);
  const listed = await page.locator(".turn").evaluateAll((rows) => rows.map((row) => Number(row.id.slice(5))));
  assert.deepEqual(listed, unsure.slice(0, listed.length));
  await page.locator("#turns").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  await page.locator(`#turn-${unsure[1]}[aria-selected="true"]`).waitFor();
  await picture(page, "review");
  // A number gives the turn to that speaker; the one that it has already checks it.
  const number = Number(await page.locator(`#turn-${unsure[1]} .swatch`).textContent());
  await page.keyboard.press(String(number));
  await page.locator("#review", { hasText: `2 of ${unsure.length} checked` }).waitFor();
  assert.equal((await corrections()).length, 0);
  const other = (number % 3) + 1;
  await page.keyboard.press(String(other));
  await made(page, 1);
  const label = await page.locator("#speakers li", { has: page.locator(".swatch", { hasText: String(other) }) }).locator(".name").textContent();
  const { start, end } = all[unsure[1]];
  assert.ok((await found()).some((turn) => turn.start >= start && turn.end <= end && turn.speaker === label && turn.corrected));
  await undoAll(page);
  await close(page);
});

test("a turn is split where the playhead is, and undone and done again", async () => {
  const [index, turn] = await clear();
  const page = await openAt(index);
  const before = bare(await found());
  const part = turn.parts.find((it) => it.end - it.start > 1);
  await goInto(page, part);
  await page.keyboard.press("s");
  await made(page, 1);
  const now = bare(await found());
  assert.equal(now.length, before.length + 1);
  assert.ok(now.some((it, at) => at > 0 && it.start === now[at - 1].end && it.speaker === turn.speaker), "two parts touch");
  await page.locator("#turns-count", { hasText: `${(await shown()).length} turns` }).waitFor();
  await page.locator("#undo").click();
  await made(page, 0);
  assert.deepEqual(bare(await found()), before);
  await page.locator("#redo").click();
  await made(page, 1);
  assert.deepEqual(bare(await found()), now);
  assert.equal(await page.locator("#redo").isDisabled(), true);
  await page.keyboard.press("u");
  await made(page, 0);
  await page.keyboard.press("y");
  await made(page, 1);
  await undoAll(page);
  await close(page);
});

test("what is pressed while the network is slow is done in its order, and nothing is lost", async () => {
  const [index, turn] = await clear();
  const page = await openAt(index);
  const slowly = async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 700));
    await route.continue();
  };
  await page.route("**/corrections**", slowly);
  await goInto(page, turn.parts.find((it) => it.end - it.start > 1));
  await page.keyboard.press("s");
  await page.keyboard.press("u");
  await page.locator('#undo[aria-busy="true"]').waitFor();
  await page.locator("#redo:enabled").waitFor();
  await made(page, 0);
  await page.unroute("**/corrections**", slowly);
  await close(page);
});

async function playhead(page) {
  return page.evaluate(async () => {
    const { now } = await import(document.querySelector("script[type=module]").src.replace("main.js", "player.js"));
    return now();
  });
}

/** Brings the playhead into the middle of a turn, by a click in the waveform. */
async function goInto(page, turn) {
  const wave = await page.locator("#waveform").boundingBox();
  const whole = (await api(`/v1/recordings/${id}`)).duration_seconds;
  await page.mouse.click(wave.x + (wave.width * (turn.start + turn.end)) / 2 / whole, wave.y + 60);
  await eventually("the playhead is there", async () => {
    const at = await playhead(page);
    return at > turn.start + 0.2 && at < turn.end - 0.2;
  }, 5000);
}

test("the ends of a turn are dragged, and moved by the arrow keys", async () => {
  const [index, turn] = await clear();
  const page = await openAt(index);
  await closer(page, index);
  const edge = page.locator(".edge.end");
  await edge.waitFor();
  await picture(page, "edges");
  await page.waitForTimeout(300);
  const box = await edge.boundingBox();
  await page.mouse.move(box.x + 4, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x - 10, box.y + 10, { steps: 4 });
  await page.mouse.move(box.x - 26, box.y + 10, { steps: 4 });
  await page.mouse.up();
  await made(page, 1);
  const [said] = await corrections();
  assert.deepEqual([said.kind, said.edge, said.speaker], ["border", "end", turn.speaker]);
  assert.ok(said.at < turn.end - 0.05 && said.at > turn.end - 3, `${said.at} of ${turn.end}`);
  await page.locator(".edge.start").focus();
  for (let pressed = 0; pressed < 4; pressed++) await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await made(page, 2);
  const [, second] = await corrections();
  assert.equal(second.edge, "start");
  assert.ok(Math.abs(second.at - turn.start - 0.2) < 0.03, `${second.at} of ${turn.start}`);
  const now = await shown();
  assert.ok(now.some((it) => it.start === second.at && it.end <= said.at + 0.001 && it.speaker === turn.speaker));
  await undoAll(page);
  await close(page);
});

test("what is no speech is removed, and what was missed is added, by dragging or in words", async () => {
  const [index, turn] = await clear();
  const page = await openAt(index);
  const before = bare(await found());
  await page.keyboard.press("x");
  await made(page, 1);
  assert.ok(!(await found()).some((it) => it.start < turn.end && it.end > turn.start && it.speaker === turn.speaker));
  // Its lane is empty there now.
  const lanes = await page.locator("#lane-canvas").boundingBox();
  const names = await page.locator("#names > span > span:last-child").allTextContents();
  const whole = (await api(`/v1/recordings/${id}`)).duration_seconds;
  const x = (seconds) => lanes.x + (lanes.width * seconds) / whole;
  const y = lanes.y + names.indexOf(turn.speaker) * 28 + 14;
  await page.mouse.move(x(turn.start) + 2, y);
  await page.mouse.down();
  await page.mouse.move(x(turn.end) - 2, y, { steps: 6 });
  await page.mouse.up();
  await made(page, 2);
  const added = (await found()).filter((it) => it.start >= turn.start && it.end <= turn.end && it.speaker === turn.speaker);
  assert.ok(added.length === 1 && added[0].corrected && added[0].end - added[0].start > 0.3, JSON.stringify(added));
  await page.keyboard.press("a");
  const dialog = page.locator("dialog[open]");
  await dialog.getByLabel("Starts at").fill("1.5");
  await dialog.getByLabel("Ends at").fill("2.5");
  await dialog.locator("select").selectOption({ label: "new speaker" });
  await dialog.getByLabel("Name of the new speaker").fill("Zoe");
  await dialog.getByRole("button", { name: "Add" }).click();
  await made(page, 3);
  await page.locator("#speakers li", { hasText: "Zoe" }).waitFor();
  const zoe = (await found()).filter((it) => it.speaker === "Zoe");
  assert.ok(zoe.length === 1 && Math.abs(zoe[0].start - 1.5) < 0.02 && Math.abs(zoe[0].end - 2.5) < 0.02, JSON.stringify(zoe));
  await undoAll(page);
  assert.deepEqual(bare(await found()), before);
  await close(page);
});

test("a turn is heard again and again, and a pause goes a little back", async () => {
  const all = await shown();
  const index = all.findIndex((turn) => turn.end - turn.start > 0.8 && turn.end - turn.start < 2.5);
  const page = await openAt(index);
  await page.keyboard.press("l");
  await page.locator('#loop[aria-pressed="true"]').waitFor();
  await page.locator(`#turn-${index}`).click();
  await page.locator("#play", { hasText: "Pause" }).waitFor();
  const { start, end } = all[index];
  // Longer than the turn is.
  await page.waitForTimeout((end - start + 1.5) * 1000);
  await eventually("it is within the turn", async () => {
    const at = await playhead(page);
    return at >= start - 0.1 && at <= end + 0.4;
  }, 5000);
  await page.locator("#play", { hasText: "Pause" }).waitFor();
  await page.keyboard.press("l");
  const paused = await page.evaluate(async () => {
    const player = await import(document.querySelector("script[type=module]").src.replace("main.js", "player.js"));
    const before = player.now();
    player.playPause();
    return [before, player.now()];
  });
  assert.ok(paused[0] - paused[1] > 0.4 && paused[0] - paused[1] < 1.2, `${paused}`);
  await close(page);
});

test("the title is edited", async () => {
  const page = await open(browser, `/recordings/${id}`);
  await page.locator("#retitle").click();
  await page.locator("dialog[open] input").fill("A better title");
  await page.keyboard.press("Enter");
  await page.locator("#title", { hasText: "A better title" }).waitFor();
  assert.equal((await api(`/v1/recordings/${id}`)).title, "A better title");
  await close(page);
});

test("the tools are usable at both widths and axe-core finds nothing serious", async () => {
  for (const [name, size] of Object.entries(SIZES)) {
    const [index] = await clear();
    const page = await openAt(index, size);
    await closer(page, index);
    await page.locator(".edge.end").waitFor();
    await accessible(page, name);
    await fits(page);
    await close(page);
  }
});
