// @ts-check
/** The bare page and the fake devices themselves, so that a failing call is never the test bed's fault. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CAMERAS, launchChromium } from './lib/chromium.js';
import { Pages, VERSIONS } from './lib/pages.js';
import { freeTcpPort, freeUdpPorts } from './lib/ports.js';
import { until } from './lib/until.js';

/** @type {Pages} */
let pages;
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  pages = await Pages.serve();
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  pages?.close();
});

/** @param {string} version */
async function open(version) {
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  await page.goto(`${pages.origin}/${version}/`);
  return page;
}

for (const version of VERSIONS) {
  test(`the page of ${version} runs that version and no other`, async () => {
    const page = await open(version);
    assert.equal(await page.evaluate(() => LivekitClient.version), version);
    await page.close();
  });

  test(`joining where nobody listens fails within seconds, with ${version}`, async () => {
    const page = await open(version);
    const url = `ws://127.0.0.1:${await freeTcpPort()}`;
    await assert.rejects(page.evaluate((address) => window.call.join(address, 'no token'), url), /ConnectionError/);
    assert.equal((await page.evaluate(() => window.call.seen())).state, 'disconnected');
    await page.close();
  });
}

test('each fake camera moves, in its own size, and its pictures are known to be whole', async () => {
  const page = await open(VERSIONS[0]);
  const films = await page.evaluate(async (cameras) => {
    const { FrameWatch } = await import(/** @type {any} */ ('./frames.js'));
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'videoinput');
    return Promise.all(cameras.map(async (camera, at) => {
      const video = { deviceId: { exact: devices[camera].deviceId }, width: 320 * (at + 1), height: 180 * (at + 1) };
      const media = await navigator.mediaDevices.getUserMedia({ video });
      const watch = new FrameWatch(media.getVideoTracks()[0]);
      while (watch.frames.length < 20) await new Promise((resolve) => setTimeout(resolve, 20));
      return watch.frames;
    }));
  }, CAMERAS);
  films.forEach((frames, at) => {
    assert.deepEqual([frames[0].width, frames[0].height], [320 * (at + 1), 180 * (at + 1)]);
    for (const { background } of frames) assert(background > 0.5, `${background} of the picture is plain green`);
  });
  await page.close();
});

test('the fake screen can be shared', async () => {
  const page = await open(VERSIONS[0]);
  const kinds = await page.evaluate(async () => {
    const media = await navigator.mediaDevices.getDisplayMedia({ video: true });
    return media.getTracks().map((track) => track.kind);
  });
  assert.deepEqual(kinds, ['video']);
  await page.close();
});

test('nothing but the page is served', async () => {
  for (const path of ['/', '/9.9.9/', '/2.15.5/../../package.json', '/2.15.5/index.htm']) {
    assert.equal((await fetch(`${pages.origin}${path}`)).status, 404, path);
  }
});

test('free UDP ports lie below those that the kernel hands out', async () => {
  assert((await freeUdpPorts()) < 32_768);
});

test('waiting in vain tells what was last seen', async () => {
  const vain = until('pigs to fly', () => ({ altitude: 0 }), ({ altitude }) => altitude > 0, { timeoutMs: 150 });
  await assert.rejects(vain, /150 ms in vain for: pigs to fly\nlast seen: [^]*"altitude": 0/);
});
