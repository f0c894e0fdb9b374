// @ts-check
/** Three layers go up, the wished one comes down, and changing the wish shows within a second without a flaw. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */
/** @typedef {import('./lib/participant.js').Quality} Quality */

const CAMERA = { width: 1280, height: 720, frameRate: 20, simulcast: true };
/** @type {Record<Quality, { width: number, height: number }>} */
const SIZES = {
  LOW: { width: 320, height: 180 },
  MEDIUM: { width: 640, height: 360 },
  HIGH: { width: 1280, height: 720 },
};
/** Each layer from each other one. */
const WISHES = /** @type {const} */ (['LOW', 'MEDIUM', 'HIGH', 'LOW', 'HIGH', 'MEDIUM', 'LOW']);

/** A new wish must show within this. */
const SWITCH_MS = 1_000;
/** A gap that a viewer calls frozen; the camera makes a picture every 50 ms. */
const FROZEN_MS = 500;
/** A machine that stalls looks like a picture that freezes, but not every time; a fault of ours shows in each. */
const TRIES = 6;
/** The browser raises its bitrate step by step until the best layer fits. */
const RAMP_MS = 30_000;

const stage = Stage.forThisFile();

VERSIONS.forEach((version, at) => {
  const viewerVersion = VERSIONS[(at + 1) % VERSIONS.length];
  test(`three layers of ${version}, switched by ${viewerVersion}`, BOUNDED, (t) => layersAreSwitched(t, version, viewerVersion, 'vp8'));
});

const NEWEST = VERSIONS[VERSIONS.length - 1];
test(`three layers in H.264 of ${NEWEST}, switched by the same`, BOUNDED, (t) => layersAreSwitched(t, NEWEST, NEWEST, 'h264'));

/**
 * @param {import('node:test').TestContext} t
 * @param {import('./lib/pages.js').Version} version
 * @param {import('./lib/pages.js').Version} viewerVersion
 * @param {'vp8' | 'h264'} codec
 */
async function layersAreSwitched(t, version, viewerVersion, codec) {
  const room = `${version} in ${codec}`;
  const ada = await stage.participant(room, 'ada', version);
  const bayo = await stage.participant(room, 'bayo', viewerVersion);
  await ada.join();
  await bayo.join();
  await ada.publishCamera({ ...CAMERA, codec });
  await allLayersAreSent(ada);
  const sent = (await ada.seen()).published.find(({ source }) => source === 'camera')?.layers ?? [];
  assert.deepEqual(sent.map((layer) => layer.codec.toLowerCase()), Array(3).fill(`video/${codec}`));
  await bayo.wish('ada', 'HIGH');
  await bayo.seesVideoOf('ada', 'camera', SIZES.HIGH);

  for (let left = TRIES - 1; ; left--) {
    const stalls = await switchesThroughAllLayers(bayo);
    if (stalls.length === 0) break;
    t.diagnostic(`stalled: ${stalls.join('; ')}`);
    assert(left > 0, `stalled in each of ${TRIES} tries, the last time: ${stalls.join('; ')}`);
  }
  await stage.dismiss(ada, bayo);
}

/**
 * Wishes for each layer in turn. What is broken, lost or skipped fails at once; what merely took too long is returned.
 * @param {Participant} viewer
 */
async function switchesThroughAllLayers(viewer) {
  await viewer.watch('ada', 'camera');
  const before = await counters(viewer);
  const stalls = [];
  for (const wish of WISHES) {
    const took = await shows(viewer, wish);
    if (took > SWITCH_MS) stalls.push(`${wish} showed after ${Math.round(took)} ms`);
  }
  const after = await counters(viewer);

  assert.equal(after.packetsLost, before.packetsLost, 'the rewritten stream has a gap');
  assert(after.keyFramesDecoded >= before.keyFramesDecoded + WISHES.length - 1, 'each layer begins with a keyframe');
  // What is only just in the decoder comes out of it.
  await viewer.sees('every frame that arrived decoded', (seen) => undecoded(trackOf(seen, 'ada', 'camera')?.counters ?? {}) <= undecoded(before) + 2);
  const frames = await viewer.frames('ada', 'camera');
  areWhole(frames);
  const longest = Math.max(...frames.slice(1).map(({ at }, index) => at - frames[index].at));
  if (longest >= FROZEN_MS) stalls.push(`nothing was shown for ${Math.round(longest)} ms`);
  return stalls;
}

/** @param {Participant} publisher */
async function allLayersAreSent(publisher) {
  await publisher.sees(
    'three layers sent, the best one in full size',
    ({ published }) => {
      const layers = published.find(({ source }) => source === 'camera')?.layers ?? [];
      const flowing = layers.filter(({ active, counters }) => active && counters.framesEncoded > 0);
      return flowing.length === 3 && flowing.some((layer) => layer.counters.frameHeight === CAMERA.height);
    },
    RAMP_MS,
  );
}

/**
 * How long until the wished layer is shown, in ms.
 * @param {Participant} viewer
 * @param {Quality} wish
 */
async function shows(viewer, wish) {
  const asked = await viewer.now();
  await viewer.wish('ada', wish);
  const frames = await stage.worker.until(
    `${wish} to be shown`,
    async () => (await viewer.frames('ada', 'camera')).filter(({ at }) => at > asked),
    (since) => since.some(({ height }) => height === SIZES[wish].height),
    5_000,
  );
  const took = (frames.find(({ height }) => height === SIZES[wish].height)?.at ?? Infinity) - asked;
  // Look at the new layer for a while, so that a flaw has time to show.
  await viewer.seesVideoOf('ada', 'camera', SIZES[wish]);
  return took;
}

/** @param {Participant} viewer */
async function counters(viewer) {
  const track = trackOf(await viewer.seen(), 'ada', 'camera');
  assert(track);
  return track.counters;
}

/** @param {Record<string, number>} counters */
function undecoded({ framesReceived, framesDecoded, framesDropped }) {
  return framesReceived - framesDecoded - framesDropped;
}

/** @param {import('./bare/frames.js').Frame[]} frames */
function areWhole(frames) {
  frames.forEach(({ background }, index) => {
    assert(background > 0.5, `frame ${index} is broken: ${Math.round(background * 100)} % of it is the plain ground`);
  });
}
