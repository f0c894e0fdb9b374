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
 * Takes a participant's network away for a while and tells how long after its return sound was there again.
 * @param {import('./lib/participant.js').Participant} listener
 * @param {string} speaker
 * @param {number} ms
 */
async function blackhole(listener, speaker, ms) {
  await stage.lab.set(`${listener.identity}.blackhole=on`);
  await pause(ms);
  const { counters } = await listener.track(speaker, 'microphone');
  await stage.lab.set(`${listener.identity}.blackhole=off`);
  const returned = performance.now();
  await listener.sees(`(hears) ${speaker} again`, (seen) => {
    const now = trackOf(seen, speaker, 'microphone')?.counters ?? {};
    return now.packetsReceived > counters.packetsReceived && now.totalAudioEnergy > counters.totalAudioEnergy + 1e-4;
  });
  return performance.now() - returned;
}

test('a call over 3G connects, with sound and picture both ways, and outlives two seconds without network', BOUNDED, async (t) => {
  const room = '3g';
  const ada = await stage.participant(room, 'ada', VERSION, 'network=3g');
  const bayo = await stage.participant(room, 'bayo', VERSION, 'network=4g');
  await meet(ada, bayo);
  const { sid } = await seenBy(bayo, 'ada');

  const back = await blackhole(ada, 'bayo', 2_000);
  await bayo.hears('ada');
  t.diagnostic(`sound was back ${back.toFixed(0)} ms after the network`);
  assert(back < BACK_MS, `sound was back after ${back.toFixed(0)} ms`);
  assert.equal((await seenBy(bayo, 'ada')).sid, sid);

  const links = await stage.lab.links();
  const up = links.find(({ name, way }) => name === 'ada' && way === 'up');
  assert((up?.dropped.blackhole ?? 0) > 50, 'the blackhole swallowed packets');
  t.diagnostic(await stage.lab.table());
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
