// @ts-check
/** Calls over networks as poor as those that people here have. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { LabStage, missing } from './lib/lab.js';
import { trackOf } from './lib/participant.js';

const skip = missing();
if (skip) console.log(skip);
const stage = LabStage.forThisFile(skip);
const BOUNDED = { timeout: 180_000, skip };

const VERSION = '2.23.0';
const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** A beep of the fake microphone, two of which come each second, is far above it; silence is below. */
const AUDIBLE_ENERGY = 1e-4;
/** Sound is lost for a moment more than the network: whatever flew is gone, and a beep must come. */
const BACK_MS = 2_000;

/**
 * Both in the room, with camera and microphone.
 * @param {import('./lib/participant.js').Participant[]} both
 */
async function meet(...both) {
  for (const participant of both) await participant.join();
  await Promise.all(both.map((participant) => participant.publishCamera(CAMERA)));
  await Promise.all(both.map((participant) => participant.publishMicrophone()));
  const [ada, bayo] = both;
  await Promise.all([ada.hears('bayo'), bayo.hears('ada')]);
  await Promise.all([ada.seesVideoOf('bayo', 'camera', CAMERA), bayo.seesVideoOf('ada', 'camera', CAMERA)]);
}

/**
 * Takes the first one's network away for a while, and tells how long after its return both hear each other again.
 * @param {number} ms
 * @param {import('./lib/participant.js').Participant} ada
 * @param {import('./lib/participant.js').Participant} bayo
 */
async function blackhole(ms, ada, bayo) {
  await stage.lab.set(`${ada.identity}.blackhole=on`);
  await pause(ms);
  const listening = await Promise.all([hearsAgain(ada, bayo.identity), hearsAgain(bayo, ada.identity)]);
  await stage.lab.set(`${ada.identity}.blackhole=off`);
  const returned = performance.now();
  const heard = await Promise.all(listening.map((hears) => hears()));
  return Math.max(...heard) - returned;
}

/**
 * Notes how much was heard of somebody, to tell when it is more: new packets, and a beep in them.
 * @param {import('./lib/participant.js').Participant} listener
 * @param {string} speaker
 */
async function hearsAgain(listener, speaker) {
  const before = (await listener.track(speaker, 'microphone')).counters;
  return async () => {
    await listener.sees(`(hears) ${speaker} again`, (seen) => {
      const now = trackOf(seen, speaker, 'microphone')?.counters ?? {};
      return now.packetsReceived > before.packetsReceived && now.totalAudioEnergy > before.totalAudioEnergy + AUDIBLE_ENERGY;
    });
    return performance.now();
  };
}

test('a call over 3G connects, with sound and picture both ways, and outlives two seconds without network', BOUNDED, async (t) => {
  const room = '3g';
  const ada = await stage.participant(room, 'ada', VERSION, 'network=3g');
  const bayo = await stage.participant(room, 'bayo', VERSION, 'network=4g');
  await meet(ada, bayo);
  const { sid } = await seenBy(bayo, 'ada');

  const back = await blackhole(2_000, ada, bayo);
  t.diagnostic(`sound was back ${back.toFixed(0)} ms after the network`);
  assert(back < BACK_MS, `sound was back after ${back.toFixed(0)} ms`);
  assert.equal((await seenBy(bayo, 'ada')).sid, sid);

  const links = await stage.lab.links();
  const up = links.find(({ name, way }) => name === 'ada' && way === 'up');
  assert((up?.dropped.blackhole ?? 0) > 50, 'the blackhole swallowed packets');
  t.diagnostic(await stage.lab.table());
  await stage.dismiss(ada, bayo);
});

test('ten seconds without network cost neither the call nor anybody their place in it', BOUNDED, async (t) => {
  const room = 'gone for ten seconds';
  const ada = await stage.participant(room, 'ada', VERSION, 'network=3g');
  const bayo = await stage.participant(room, 'bayo', VERSION, 'network=4g');
  await meet(ada, bayo);
  const { sid } = await seenBy(bayo, 'ada');

  const back = await blackhole(10_000, ada, bayo);
  t.diagnostic(`sound was back ${back.toFixed(0)} ms after the network`);
  assert(back < BACK_MS, `sound was back after ${back.toFixed(0)} ms`);
  assert.equal((await seenBy(bayo, 'ada')).sid, sid);
  await stage.dismiss(ada, bayo);
});

/**
 * @param {import('./lib/participant.js').Participant} participant
 * @param {string} identity
 */
async function seenBy(participant, identity) {
  const other = (await participant.seen()).participants.find((seen) => seen.identity === identity);
  assert(other, `${participant.identity} does not see ${identity}`);
  return other;
}
