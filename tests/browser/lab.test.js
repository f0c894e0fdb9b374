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
/** The smallest that is sent in three layers: 320, 640 and 960 wide. */
const LAYERED = { width: 960, height: 540, frameRate: 15, simulcast: true };
/** The browser raises its bitrate step by step until the best layer fits. */
const RAMP_MS = 30_000;
/** What a link can carry is learnt by trying. */
const SETTLE_MS = 5_000;
const LISTEN_MS = 20_000;
const WIDER_MS = 20_000;
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

test('on a narrow link sound is whole and the picture small, and large again when the link is wide', BOUNDED, async (t) => {
  const room = 'narrow';
  const bayo = await stage.participant(room, 'bayo', VERSION, 'network=4g');
  await bayo.join();
  await bayo.publishMicrophone();
  await bayo.publishCamera(LAYERED);
  await sendsAllLayers(bayo);

  const ada = await stage.participant(room, 'ada', VERSION, 'down.rate=300kbit', 'delay=200ms', 'loss=2%');
  await ada.join();
  await ada.hears('bayo');
  await ada.wish('bayo', 'HIGH');
  await pause(SETTLE_MS);

  const before = (await ada.track('bayo', 'microphone')).counters;
  await pause(LISTEN_MS);
  const seen = await ada.seen();
  const after = trackOf(seen, 'bayo', 'microphone')?.counters ?? {};
  /** @param {string} name */
  const grown = (name) => after[name] - before[name];
  const concealed = (grown('concealedSamples') - grown('silentConcealedSamples')) / grown('totalSamplesReceived');
  const { frameWidth } = trackOf(seen, 'bayo', 'camera')?.counters ?? {};
  const notice = seen.events.filter(({ name }) => name === 'trackStreamStateChanged').at(-1)?.about ?? '';
  t.diagnostic(`${(concealed * 100).toFixed(2)} % concealed; picture ${frameWidth} wide, last notice "${notice}"`);
  t.diagnostic(await stage.lab.table());
  assert(concealed < 0.03, `${(concealed * 100).toFixed(2)} % of the sound was concealed`);
  assert(frameWidth === 320 || notice.includes('paused'), `the picture is ${frameWidth} wide and not paused: "${notice}"`);

  await sendsAllLayers(bayo);
  await stage.lab.set('ada.down.rate=5mbit');
  const widened = performance.now();
  await ada.sees("bayo's best layer", (now) => trackOf(now, 'bayo', 'camera')?.counters.frameWidth === LAYERED.width, WIDER_MS);
  t.diagnostic(`the best layer was back ${((performance.now() - widened) / 1_000).toFixed(1)} s after the link got wide`);
  await stage.dismiss(ada, bayo);
});

/**
 * Waits until somebody sends new pictures in every layer: on a busy machine the browser leaves out the best one.
 * @param {import('./lib/participant.js').Participant} publisher
 */
async function sendsAllLayers(publisher) {
  /** @param {import('./lib/participant.js').Seen} seen */
  const framesOf = ({ published }) =>
    (published.find(({ source }) => source === 'camera')?.layers ?? []).map(({ counters }) => counters.framesSent ?? 0);
  const before = framesOf(await publisher.seen());
  await publisher.sees('(sends) all its layers', (seen) => {
    const now = framesOf(seen);
    return now.length === 3 && now.every((frames, layer) => frames > (before[layer] ?? 0) + 15);
  }, RAMP_MS);
}

/**
 * @param {import('./lib/participant.js').Participant} participant
 * @param {string} identity
 */
async function seenBy(participant, identity) {
  const other = (await participant.seen()).participants.find((seen) => seen.identity === identity);
  assert(other, `${participant.identity} does not see ${identity}`);
  return other;
}
