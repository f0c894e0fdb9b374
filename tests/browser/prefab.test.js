// @ts-check
/** Three people in the prefab conference of LiveKit's component library: every indicator it has shows what is so. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { Guest, PrefabPages } from './lib/prefab.js';
import { BOUNDED, Stage } from './lib/stage.js';

const SCREEN = { width: 1280, height: 800 };
/** Of full amplitude. */
const LOUD = 0.35;
/** Qualities are told every five seconds, and the first ones are still those of a call that has just begun. */
const QUALITY_MS = 30_000;
const CONTROL = '.lk-control-bar [data-lk-source=';
const MICROPHONE = `${CONTROL}"microphone"]`;
const CAMERA = `${CONTROL}"camera"]`;
const SHARE_SCREEN = `${CONTROL}"screen_share"]`;
/** Pictures of the call, for a person to look at. */
const ARTEFACTS = fileURLToPath(new URL('./artefacts/', import.meta.url));

const stage = Stage.forThisFile();
/** @type {PrefabPages} */
let pages;

before(async () => {
  await mkdir(ARTEFACTS, { recursive: true });
  pages = await PrefabPages.serve();
});
after(() => pages?.close());

test('three people in the prefab conference', BOUNDED, async (t) => {
  const everybody = await Promise.all(['Ada', 'Bayo', 'Chidi'].map(guest));
  const [ada, bayo, chidi] = everybody;
  for (const someone of everybody) await someone.enter(pages.origin, 'prefab');

  await t.test('everybody sees three tiles with names, and in each a picture that moves', async () => {
    for (const someone of everybody) {
      await someone.sees('three tiles', ({ Ada, Bayo, Chidi }, count) => Ada && Bayo && Chidi && count === 3);
      await someone.seesMove('Ada', 'Bayo', 'Chidi');
    }
  });

  await t.test('CQ-1 every connection is shown as excellent', async () => {
    for (const someone of everybody) {
      await someone.sees('good connections', (tiles) =>
        Object.values(tiles).every(({ quality }) => quality === 'excellent'), QUALITY_MS);
    }
  });

  await t.test('AS-2 the tile of who speaks is outlined, and of nobody else', async () => {
    await ada.sounds(LOUD);
    for (const someone of everybody) {
      const { Bayo, Chidi } = await someone.sees('Ada speak', ({ Ada }) => Ada.speaking && Ada.outlined);
      for (const silent of [Bayo, Chidi]) assert.deepEqual([silent.speaking, silent.outlined], [false, false]);
    }
    await bayo.page.screenshot({ path: `${ARTEFACTS}prefab-grid.png` });
    await ada.sounds(0);
    for (const someone of everybody) await someone.sees('nobody speak', ({ Ada }) => !Ada.speaking && !Ada.outlined);
  });

  await t.test('MU-1 a muted microphone and a camera turned off have their signs, until they are on again', async () => {
    await bayo.click(MICROPHONE);
    await chidi.click(CAMERA);
    for (const someone of everybody) {
      const { Ada } = await someone.sees('Bayo muted and Chidi dark', ({ Bayo, Chidi }) => Bayo.muted && Chidi.dark);
      assert.deepEqual([Ada.muted, Ada.dark], [false, false]);
    }
    await bayo.click(MICROPHONE);
    await chidi.click(CAMERA);
    for (const someone of everybody) await someone.sees('neither', ({ Bayo, Chidi }) => !Bayo.muted && !Chidi.dark);
    await ada.seesMove('Chidi');
    await bayo.sounds(LOUD);
    await ada.sees('Bayo speak', ({ Bayo }) => Bayo.speaking && Bayo.outlined);
    await bayo.sounds(0);
  });

  await t.test('chat goes both ways, and who has it closed sees how much waits', async () => {
    for (const someone of [ada, bayo]) await someone.click('.lk-chat-toggle');
    await ada.says('Good morning from Lagos');
    await bayo.waits("for Ada's line", () => bayo.chat(), (lines) => lines.length === 1);
    await bayo.says('Good morning from Kano');
    const said = ['Ada: Good morning from Lagos', 'Bayo: Good morning from Kano'];
    for (const someone of [ada, bayo, chidi]) {
      assert.deepEqual(await someone.waits('for both lines', () => someone.chat(), ({ length }) => length >= 2), said);
    }
    const unread = () => chidi.page.locator('.lk-control-bar .lk-chat-toggle').getAttribute('data-lk-unread-msgs');
    await chidi.waits('to be told of both', unread, (count) => count === '2');
    for (const someone of [ada, bayo]) await someone.click('.lk-control-bar .lk-chat-toggle');
  });

  await t.test('SU-2 a shared screen becomes the focus, and cameras beside it come in the layer that fits', async () => {
    await bayo.sees('the better layer in the grid', ({ Ada, Chidi }) => Ada.width === 640 && Chidi.width === 640);
    await ada.click(SHARE_SCREEN);
    for (const someone of everybody) {
      await someone.waits("for Ada's screen", () => someone.focus(), (name) => name === "Ada's screen");
      await someone.seesMove("Ada's screen");
    }
    await bayo.sees('the small layer', ({ Ada, Chidi }) => Ada.width === 320 && Chidi.width === 320);
    await bayo.seesMove('Ada', 'Chidi', "Ada's screen");
    await bayo.page.screenshot({ path: `${ARTEFACTS}prefab-focus.png` });
    await ada.click(SHARE_SCREEN);
    for (const someone of everybody) {
      await someone.waits('for the grid', () => someone.focus(), (name) => name === null);
      await someone.sees('no screen', (tiles, count) => count === 3 && tiles.Ada.width > 0);
    }
    await bayo.sees('the better layer again', ({ Ada, Chidi }) => Ada.width === 640 && Chidi.width === 640, QUALITY_MS);
  });

  await t.test('whoever loses the connection reads so, and goes on', async () => {
    const before = (await ada.toasts()).length;
    await ada.page.evaluate(() => /** @type {any} */ (window).room.simulateScenario('full-reconnect'));
    const read = async () => (await ada.toasts()).slice(before);
    await ada.waits('to read what is going on and that it is over', read, (toasts) => toasts.length > 1 && toasts.at(-1) === '');
    assert((await read()).includes('Reconnecting'), `${await read()}`);
    for (const someone of [bayo, chidi]) await someone.sees('Ada once', (tiles, count) => tiles.Ada && count === 3);
    await bayo.seesMove('Ada');
    await ada.seesMove('Bayo', 'Chidi');
  });

  await t.test('PU-2 the tile of who leaves is gone', async () => {
    await chidi.click('.lk-disconnect-button');
    for (const someone of [ada, bayo]) await someone.sees('two tiles', ({ Chidi }, count) => !Chidi && count === 2);
    await ada.seesMove('Bayo');
  });

  await Promise.all(everybody.map(({ page }) => page.context().close()));
});

/** @param {string} name */
async function guest(name) {
  const page = await stage.page();
  await page.setViewportSize(SCREEN);
  return new Guest(page, stage.worker, name);
}
