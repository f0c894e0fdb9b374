// @ts-check
/** One stream with three sizes goes up; each viewer gets the size it wishes, and changing the wish shows without a flaw. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */
/** @typedef {import('./lib/participant.js').Quality} Quality */

const CAMERA = { width: 1280, height: 720, frameRate: 15, simulcast: false };
/** @type {Record<Quality, { width: number, height: number }>} */
const SIZES = {
  LOW: { width: 320, height: 180 },
  MEDIUM: { width: 640, height: 360 },
  HIGH: { width: 1280, height: 720 },
};
/** Each size from each other one. */
const WISHES = /** @type {const} */ (['LOW', 'MEDIUM', 'HIGH', 'LOW', 'HIGH', 'MEDIUM', 'LOW']);

/** A gap that a viewer calls frozen; the camera makes a picture every 67 ms. */
const FROZEN_MS = 500;
/** A machine that stalls looks like a picture that freezes, but not every time; a fault of ours shows in each. */
const TRIES = 6;
/** The browser raises its bitrate step by step until the largest size fits. */
const RAMP_MS = 30_000;

const stage = Stage.forThisFile();
const OLDEST = VERSIONS[0];
const NEWEST = VERSIONS[VERSIONS.length - 1];

for (const [codec, publisher, viewer] of /** @type {const} */ ([
  ['vp9', NEWEST, NEWEST],
  ['vp9', OLDEST, NEWEST],
  ['av1', NEWEST, NEWEST],
  ['av1', NEWEST, OLDEST],
])) {
  test(`pb_7_three_sizes_in_one_stream_of_${codec}: ${publisher}, seen by ${viewer}`, BOUNDED, async (t) => {
    // The same cameras in each.
    stage.participants = 0;
    const room = `${codec} of ${publisher} seen by ${viewer}`;
    const ada = await stage.participant(room, 'ada', publisher);
    const bayo = await stage.participant(room, 'bayo', viewer);
    const chi = await stage.participant(room, 'chi', viewer);
    for (const each of [ada, bayo, chi]) await each.join();
    await ada.publishCamera({ ...CAMERA, codec });
    await allSizesAreSent(ada, codec);

    await bayo.wish('ada', 'HIGH');
    await chi.wish('ada', 'LOW');
    await bayo.seesVideoOf('ada', 'camera', SIZES.HIGH);
    await chi.seesVideoOf('ada', 'camera', SIZES.LOW);
    const [large, small] = await Promise.all([bayo, chi].map((each) => bytesInASecond(each)));
    assert(large > 1.5 * small, `a small picture takes less of a line: ${small} B/s and ${large} B/s`);

    for (let left = TRIES - 1; ; left--) {
      const stalls = await switchesThroughAllSizes(bayo);
      if (stalls.length === 0) break;
      t.diagnostic(`stalled: ${stalls.join('; ')}`);
      assert(left > 0, `stalled in each of ${TRIES} tries, the last time: ${stalls.join('; ')}`);
    }
    await chi.seesVideoOf('ada', 'camera', SIZES.LOW);
    await stage.dismiss(ada, bayo, chi);
  });
}

/**
 * Wishes for each size in turn. What is broken or lost fails at once; what merely took too long is returned.
 * @param {Participant} viewer
 */
async function switchesThroughAllSizes(viewer) {
  await viewer.watch('ada', 'camera');
  const before = await counters(viewer);
  for (const wish of WISHES) {
    await viewer.wish('ada', wish);
    await viewer.seesVideoOf('ada', 'camera', SIZES[wish]);
  }
  const after = await counters(viewer);
  assert.equal(after.packetsLost, before.packetsLost, 'the rewritten stream has a gap');
  assert(undecoded(after) <= undecoded(before) + 2, `frames arrived that could not be decoded: ${JSON.stringify(after)}`);
  const frames = await viewer.frames('ada', 'camera');
  frames.forEach(({ background }, index) => {
    assert(background > 0.5, `frame ${index} is broken: ${Math.round(background * 100)} % of it is the plain ground`);
  });
  const longest = Math.max(...frames.slice(1).map(({ at }, index) => at - frames[index].at));
  return longest < FROZEN_MS ? [] : [`nothing was shown for ${Math.round(longest)} ms`];
}

/**
 * @param {Participant} publisher
 * @param {'vp9' | 'av1'} codec
 */
async function allSizesAreSent(publisher, codec) {
  await publisher.sees(
    `one stream of ${codec} sent in full size`,
    ({ published }) => {
      const layers = published.find(({ source }) => source === 'camera')?.layers ?? [];
      const flowing = layers.filter(({ active, counters }) => active && counters.framesEncoded > 0);
      const [only] = flowing;
      return flowing.length === 1 && only.codec.toLowerCase() === `video/${codec}` && only.counters.frameHeight === CAMERA.height;
    },
    RAMP_MS,
  );
}

/** @param {Participant} viewer */
async function bytesInASecond(viewer) {
  const before = await counters(viewer);
  const asked = await viewer.now();
  const after = await stage.worker.until(
    'two seconds to pass',
    async () => ({ received: (await counters(viewer)).bytesReceived, passed: (await viewer.now()) - asked }),
    ({ passed }) => passed >= 2_000,
  );
  return ((after.received - before.bytesReceived) * 1_000) / after.passed;
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
