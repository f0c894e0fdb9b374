// @ts-check
/** How a room is to be played: sound and picture of a source in one stream, and so long after they came. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';
import { call } from './lib/twirp.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */

const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** Far more than a browser waits for a worker on the same machine. */
const MIN_DELAY_MS = 500;
/** A browser lets sound wait for its picture step by step. */
const PATIENCE_MS = 40_000;

const stage = Stage.forThisFile();

for (const version of VERSIONS) {
  test(`SB-1 SB-3 a synced room that waits, in ${version}`, BOUNDED, async (t) => {
    const room = `in step ${version}`;
    const settings = { name: room, syncStreams: true, minPlayoutDelay: MIN_DELAY_MS, maxPlayoutDelay: 2 * MIN_DELAY_MS };
    assert.equal((await call(stage.worker, 'CreateRoom', settings, { roomCreate: true })).status, 200);
    const ada = await stage.participant(room, 'ada', version);
    const bayo = await stage.participant(room, 'bayo', version);
    await ada.join();
    await bayo.join();
    await ada.publishCamera(CAMERA);
    await ada.publishMicrophone();

    await t.test('sound and picture are one stream, and both play', async () => {
      await Promise.all([bayo.seesVideoOf('ada', 'camera', CAMERA), bayo.hears('ada')]);
      const { sid, streams } = await streamsOf(bayo);
      assert.deepEqual(streams, { camera: `${sid}|camera`, microphone: `${sid}|camera` });
    });

    await t.test('the picture waits as the room says, and the sound for it', async () => {
      await waits(bayo, 'camera', 0.9 * MIN_DELAY_MS);
      await waits(bayo, 'microphone', 0.6 * MIN_DELAY_MS);
    });

    await t.test('what is subscribed to again is still known for what it is', async () => {
      await subscribe(bayo, false);
      await bayo.sees('no camera', (seen) => trackOf(seen, 'ada', 'camera')?.subscribed === false);
      await subscribe(bayo, true);
      await bayo.seesVideoOf('ada', 'camera', CAMERA);
      await bayo.hears('ada');
    });
    await stage.dismiss(ada, bayo);
  });
}

test('SB-1 SB-3 in any other room each track is a stream that does not wait', BOUNDED, async () => {
  const version = VERSIONS[VERSIONS.length - 1];
  const ada = await stage.participant('at once', 'ada', version);
  const bayo = await stage.participant('at once', 'bayo', version);
  await ada.join();
  await bayo.join();
  await ada.publishCamera(CAMERA);
  await ada.publishMicrophone();
  await Promise.all([bayo.seesVideoOf('ada', 'camera', CAMERA), bayo.hears('ada')]);
  const { sids, sid, streams } = await streamsOf(bayo);
  assert.deepEqual(streams, { camera: `${sid}|${sids.camera}`, microphone: `${sid}|${sids.microphone}` });
  const before = await delays(bayo, 'camera');
  const after = await bayo.worker.until('more pictures', () => delays(bayo, 'camera'), ({ count }) => count > before.count + 30);
  const mean = (after.ms - before.ms) / (after.count - before.count);
  assert(mean < MIN_DELAY_MS / 2, `${mean} ms`);
  await stage.dismiss(ada, bayo);
});

/**
 * Under which names the browser has ada's tracks.
 * @param {Participant} viewer
 */
function streamsOf(viewer) {
  return viewer.page.evaluate(() => {
    const ada = window.call.open().remoteParticipants.get('ada');
    const streams = /** @type {Record<string, string>} */ ({});
    const sids = /** @type {Record<string, string>} */ ({});
    for (const publication of ada?.trackPublications.values() ?? []) {
      streams[publication.source] = publication.track?.mediaStream?.id ?? '';
      sids[publication.source] = publication.trackSid;
    }
    return { sid: ada?.sid, sids, streams };
  });
}

/**
 * How long what was played waited, all together.
 * @param {Participant} viewer
 * @param {'camera' | 'microphone'} source
 */
async function delays(viewer, source) {
  const counters = trackOf(await viewer.seen(), 'ada', source)?.counters ?? {};
  return { ms: 1000 * (counters.jitterBufferDelay ?? 0), count: counters.jitterBufferEmittedCount ?? 0 };
}

/**
 * Waits until what is played waits at least so long.
 * @param {Participant} viewer
 * @param {'camera' | 'microphone'} source
 * @param {number} ms
 */
async function waits(viewer, source, ms) {
  let before = await delays(viewer, source);
  const mean = async () => {
    const [from, to] = [before, await delays(viewer, source)];
    before = to;
    return (to.ms - from.ms) / (to.count - from.count);
  };
  await viewer.worker.until(`the ${source} waits ${ms} ms`, mean, (now) => now >= ms, PATIENCE_MS);
}

/**
 * @param {Participant} viewer
 * @param {boolean} wanted
 */
function subscribe(viewer, wanted) {
  return viewer.page.evaluate((yes) => {
    const ada = window.call.open().remoteParticipants.get('ada');
    const camera = [...(ada?.trackPublications.values() ?? [])].find(({ source }) => source === 'camera');
    camera?.setSubscribed(yes);
  }, wanted);
}
