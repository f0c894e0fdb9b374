// @ts-check
/**
 * What the platform's plan calls its critical journeys, each from end to end, as far as a worker has a part in it:
 *
 * - schedule and join a meeting: meetings.test.js ('a meeting begins and goes on while Convex answers nobody' plans it,
 *   asks somebody, and both join; 'a host changes a meeting' changes it)
 * - share a screen and annotate: here
 * - breakout rooms: rooms.test.js ('moves to another room'): into another room and, where both are on one shard, back,
 *   with sound and pictures
 * - record and play back: not built yet
 * - fall back on low bandwidth: saving.test.js by choice, lab.test.js ('on a narrow link') and thin.test.js by need
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

const VERSION = '2.23.0';
const SCREEN = { width: 1280, height: 720, frameRate: 5, simulcast: false };
/** Under which apps draw. */
const TOPIC = 'annotation';
const STROKES = 40;

const stage = Stage.forThisFile();

/**
 * @param {string} room
 * @param {string[]} names
 */
async function present(room, ...names) {
  const all = [];
  for (const name of names) {
    const one = await stage.participant(room, name, VERSION);
    await one.join();
    await one.publishMicrophone();
    all.push(one);
  }
  return all;
}

test('a screen is shared, everybody draws on it, and it is put away again', BOUNDED, async () => {
  const [ada, bayo, chidi] = await present('drawing', 'ada', 'bayo', 'chidi');
  await ada.shareScreen(SCREEN);
  for (const viewer of [bayo, chidi]) {
    await viewer.sees("ada's screen", (seen) => (trackOf(seen, 'ada', 'screen_share')?.counters.framesDecoded ?? 0) >= 3);
  }

  // Both viewers draw at once; every stroke arrives once, and each one's in order, with those who look and who shows.
  const strokes = (/** @type {string} */ who) => Array.from({ length: STROKES }, (_, at) => JSON.stringify({ who, from: [at, at], to: [at + 1, at] }));
  await Promise.all([bayo, chidi].map(async (artist) => {
    for (const stroke of strokes(artist.identity)) await artist.send(stroke, { reliable: true, topic: TOPIC });
  }));
  for (const [viewer, others] of /** @type {const} */ ([[ada, ['bayo', 'chidi']], [bayo, ['chidi']], [chidi, ['bayo']]])) {
    for (const artist of others) {
      /** @param {import('./lib/participant.js').Seen} seen */
      const drawn = ({ messages }) => messages.filter(({ from, topic }) => from === artist && topic === TOPIC).map(({ text }) => text);
      const seen = await viewer.sees(`${artist}'s strokes`, (now) => drawn(now).length >= STROKES);
      assert.deepEqual(drawn(seen), strokes(artist));
    }
  }
  // The sound went on beside it.
  await Promise.all([bayo.hears('ada'), ada.hears('chidi')]);

  await ada.stopScreen();
  for (const viewer of [bayo, chidi]) await viewer.sees('no screen any more', (seen) => !trackOf(seen, 'ada', 'screen_share'));
  for (const { pageErrors } of await Promise.all([ada, bayo, chidi].map((one) => one.seen()))) assert.deepEqual(pageErrors, []);
  await stage.dismiss(ada, bayo, chidi);
});
