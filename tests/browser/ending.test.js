// @ts-check
/** What is muted or gone ends in black or in silence: a decoder neither keeps the last picture nor stretches the last sound. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */
/** @typedef {import('./lib/participant.js').Source} Source */
/** @typedef {import('./bare/page.js').VideoWish} VideoWish */

const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
const SCREEN = { width: 480, height: 360, frameRate: 5, simulcast: false };
const SECRET = 'known to both';

/** The pictures that the worker makes are of one macroblock; no camera makes such small ones. */
const MACROBLOCK = 16;
const BLACK = 0.02;
/** Of the second of silence, in packets. The first look may be at counters from a moment ago. */
const MOST_OF_IT = 40;
const ALL_OF_IT = 60;
/** A machine with much to do may starve a player, but not for so large a share of that second. */
const MUCH = 0.5;

const stage = Stage.forThisFile();

for (const { what, secret, codec } of /** @type {{ what: string, secret?: string, codec: 'vp8' | 'h264' }[]} */ ([
  { what: 'VP8', codec: 'vp8' },
  { what: 'H.264', codec: 'h264' },
  { what: 'encrypted VP8', codec: 'vp8', secret: SECRET },
])) {
  test(`SB-8 E2-2 a camera in ${what} that is turned off leaves a black picture, until it is on again`, BOUNDED, async () => {
    const [ada, bayo] = await call(`a camera in ${what}`, secret);
    await ada.publishCamera({ ...CAMERA, codec });
    await bayo.seesVideoOf('ada', 'camera', CAMERA);
    await bayo.watch('ada', 'camera');
    for (let time = 0; time < 2; time += 1) {
      await ada.turn('camera', 'off');
      await blackens(bayo, 'camera');
      await bayo.seesNothingOf('ada', 'camera');
      assert(isBlack(await lastFrame(bayo, 'camera')), 'something else came after');
      await ada.turn('camera', 'on');
      await bayo.seesVideoOf('ada', 'camera', CAMERA);
      const { width, background } = await lastFrame(bayo, 'camera');
      assert.equal(width, CAMERA.width);
      assert(background > 0.3, `the fake camera's picture is not there: ${background}`);
    }
    await stage.dismiss(ada, bayo);
  });
}

test('SB-8 a screen that is shared no longer, and a camera whose owner leaves, are left black', BOUNDED, async () => {
  const [ada, bayo] = await call('gone');
  await ada.publishCamera(CAMERA);
  await ada.shareScreen(SCREEN);
  await bayo.seesVideoOf('ada', 'camera', CAMERA);
  await bayo.seesVideoOf('ada', 'screen_share', SCREEN);
  await bayo.watch('ada', 'camera');
  await bayo.watch('ada', 'screen_share');
  await ada.stopScreen();
  await blackens(bayo, 'screen_share');
  await ada.leave();
  await blackens(bayo, 'camera');
  await stage.dismiss(ada, bayo);
});

for (const { what, secret } of [{ what: 'sound' }, { what: 'encrypted sound', secret: SECRET }]) {
  test(`SB-8 E2-2 ${what} that is muted ends in a second of silence that nobody had to make up`, BOUNDED, async () => {
    const [ada, bayo] = await call(what, secret);
    await ada.publishMicrophone();
    await bayo.hears('ada');
    await ada.turn('microphone', 'off');
    const muted = await soundOf(bayo, 'ada muted', () => true);
    const silent = await soundOf(bayo, 'packets of silence', ({ packetsReceived }) =>
      packetsReceived >= muted.packetsReceived + MOST_OF_IT,
    );
    const played = silent.totalSamplesReceived - muted.totalSamplesReceived;
    const made = silent.concealedSamples - muted.concealedSamples;
    assert(made < played * MUCH, `${made} of ${played} samples were made up`);
    await bayo.seesNothingOf('ada', 'microphone');
    let before = Number.NaN;
    const { packetsReceived } = await soundOf(bayo, 'the silence end', (now) => {
      const ended = now.packetsReceived === before;
      before = now.packetsReceived;
      return ended;
    });
    assert(packetsReceived <= muted.packetsReceived + ALL_OF_IT, `${packetsReceived - muted.packetsReceived} packets`);
    await ada.turn('microphone', 'on');
    await bayo.hears('ada');
    await stage.dismiss(ada, bayo);
  });
}

/**
 * Somebody who publishes, and somebody who watches and listens.
 * @param {string} room
 * @param {string} [secret]
 */
async function call(room, secret) {
  const both = [await stage.participant(room, 'ada', '2.23.0'), await stage.participant(room, 'bayo', '2.23.0')];
  for (const participant of both) await participant.join({ secret });
  return both;
}

/**
 * Waits until the last picture that was decoded is one the worker made.
 * @param {Participant} viewer
 * @param {Source} source
 */
function blackens(viewer, source) {
  return stage.worker.until(`ada's ${source} turns black`, () => lastFrame(viewer, source), isBlack);
}

/**
 * @param {Participant} viewer
 * @param {Source} source
 */
async function lastFrame(viewer, source) {
  const last = (await viewer.frames('ada', source)).at(-1);
  return last ?? { at: 0, width: 0, height: 0, background: 0, brightness: 1 };
}

/** @param {Awaited<ReturnType<typeof lastFrame>>} frame */
function isBlack({ width, height, brightness }) {
  return width <= MACROBLOCK && height <= MACROBLOCK && brightness <= BLACK;
}

/**
 * The counters of ada's microphone, once it is muted and they are as wished.
 * @param {Participant} listener
 * @param {string} what
 * @param {(counters: Record<string, number>) => boolean} accept
 */
async function soundOf(listener, what, accept) {
  const microphone = (/** @type {import('./lib/participant.js').Seen} */ seen) => trackOf(seen, 'ada', 'microphone');
  const seen = await listener.sees(what, (now) => microphone(now)?.muted && accept(microphone(now)?.counters ?? {}));
  return microphone(seen)?.counters ?? {};
}
