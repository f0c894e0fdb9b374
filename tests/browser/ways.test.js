// @ts-check
/** The way between two nodes is lost, and another one exists: a call between them hardly notices. */

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { launchChromium } from './lib/chromium.js';
import { Fleet } from './lib/fleet.js';
import { Pages } from './lib/pages.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */

const VERSION = '2.23.0';
const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** How long nothing may be heard or seen, as long as another way exists. */
const SOUND_MS = 500;
const PICTURE_MS = 1_000;
/** Pages of a busy machine are late by themselves, which is not the way's fault. */
const TRIES = 3;
/** Bytes in half a second that heartbeats alone do not make. */
const CROSSING = 5_000;
/** Nodes change a way that works only for a plainly shorter one, and not at once. */
const SETTLED_MS = 45_000;
/** Enough to notice that the way is lost, and to take another one. */
const WATCH_MS = 4_000;

/** The nearest way is over the hub in Jos or the wire, and the other one over the node in Abuja. */
const WAYS = /** @type {const} */ ([
  {
    name: 'a hub that is killed',
    options: { hub: 'jos', linked: (/** @type {string} */ one) => one === 'jos' || one === 'abuja' },
    lose: (/** @type {Fleet} */ fleet) => fleet.hub?.child.kill('SIGKILL'),
  },
  {
    name: 'a hub that falls silent',
    options: { hub: 'jos', linked: (/** @type {string} */ one) => one === 'jos' || one === 'abuja' },
    lose: (/** @type {Fleet} */ fleet) => fleet.hub?.child.kill('SIGSTOP'),
  },
  {
    name: 'a wire that is cut',
    options: {
      trench: /** @type {[string, string]} */ (['kano', 'lagos']),
      linked: (/** @type {string} */ one, /** @type {string} */ other) => one === 'abuja' || (one === 'kano' && other === 'lagos'),
    },
    lose: (/** @type {Fleet} */ fleet) => fleet.trenches.forEach((trench) => { trench.cut = true; }),
  },
]);

const stage = new Stage({}, []);
before(async () => {
  stage.pages = await Pages.serve();
  stage.browser = await launchChromium();
});
after(async () => {
  await stage.browser.close();
  stage.pages.close();
});

for (const { name, options, lose } of WAYS) {
  test(`a call goes on past ${name}`, BOUNDED, async (t) => {
    for (let left = TRIES - 1; ; left -= 1) {
      const gaps = await loses(options, lose);
      t.diagnostic(gaps.map(({ sound, picture }) => `nothing heard for ${sound} ms, nothing seen for ${picture} ms`).join('; '));
      if (gaps.every(({ sound, picture }) => sound <= SOUND_MS && picture <= PICTURE_MS)) break;
      assert(left > 0, `too long in each of ${TRIES} tries, the last time: ${JSON.stringify(gaps)}`);
    }
  });
}

/**
 * Two in a call that lose the way between their nodes; what they miss.
 * @param {Parameters<typeof Fleet.start>[1]} options
 * @param {(fleet: Fleet) => void} lose
 */
async function loses(options, lose) {
  const fleet = await Fleet.start(['kano', 'lagos', 'abuja'], options);
  try {
    const both = await Promise.all(['ada', 'bayo'].map((identity, at) =>
      stage.participant('ways', identity, VERSION, fleet.nodes[at])));
    for (const participant of both) await participant.join();
    for (const participant of both) {
      await participant.publishCamera(CAMERA);
      await participant.publishMicrophone();
    }
    const [ada, bayo] = both;
    const meet = async () => {
      await Promise.all([ada.seesVideoOf('bayo', 'camera', CAMERA), bayo.seesVideoOf('ada', 'camera', CAMERA)]);
      await Promise.all([ada.hears('bayo'), bayo.hears('ada')]);
    };
    await meet();
    await crosses(fleet);
    const noting = [notes(ada, 'bayo'), notes(bayo, 'ada')];
    await pause(500);
    lose(fleet);
    const gaps = await Promise.all(noting);
    await meet();
    await stage.dismiss(...both);
    return gaps;
  } finally {
    fleet.hub?.child.kill('SIGKILL');
    await fleet.stop();
  }
}

/**
 * The call takes the way that will be lost. Where a busy machine made that way look slow at first,
 * the nodes come back to it once it is plainly the shorter one.
 * @param {Fleet} fleet
 */
async function crosses(fleet) {
  const trenches = [...fleet.trenches.values()];
  const end = performance.now() + SETTLED_MS;
  for (;;) {
    const crossed = trenches.map(({ bytes }) => bytes);
    await pause(500);
    if (trenches.every(({ bytes }, at) => bytes > crossed[at] + CROSSING)) return;
    assert(performance.now() < end, 'the call takes this way');
  }
}

/**
 * The longest times in which no packet of sound and no picture of somebody comes.
 * @param {Participant} listener
 * @param {string} identity
 */
function notes(listener, identity) {
  return listener.page.evaluate(async ([whom, ms]) => {
    const receivers = ['microphone', 'camera'].map((source) =>
      /** @type {any} */ (window.call.publication(whom, /** @type {any} */ (source)).track).receiver);
    const [sound, picture] = [{ count: -1, at: 0, longest: 0 }, { count: -1, at: 0, longest: 0 }];
    const end = performance.now() + ms;
    while (performance.now() < end) {
      for (const [index, noted] of [sound, picture].entries()) {
        const report = await receivers[index].getStats();
        const stats = [...report.values()].find(({ type }) => type === 'inbound-rtp');
        const now = performance.now();
        // Chromium leaves a receiver out now and then: then nothing came.
        const count = (index ? stats?.framesDecoded : stats?.packetsReceived) ?? noted.count;
        if (noted.at) noted.longest = Math.max(noted.longest, now - noted.at);
        if (count !== noted.count) Object.assign(noted, { count, at: now });
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return { sound: Math.round(sound.longest), picture: Math.round(picture.longest) };
  }, /** @type {const} */ ([identity, WATCH_MS]));
}
