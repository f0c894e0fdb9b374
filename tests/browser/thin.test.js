// @ts-check
/** Calls over the thinnest lines that people here have: EDGE, GPRS, and NATs that forget. At length: thin.long.js. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { LabStage, missing } from './lib/lab.js';
import { Listening, rating, told } from './lib/speech.js';
import { CONCEALED, PATIENCE_MS, VERSION, joinsAndListens, pupil, rebinds, teacher } from './lib/thin.js';

const skip = missing();
if (skip) console.log(skip);
const stage = LabStage.forThisFile(skip);
const BOUNDED = { timeout: 120_000, skip };
const LISTEN_MS = 10_000;
/** Of so many times that long, one has to sound well on GPRS. */
const WINDOWS = 3;

test('a NAT that forgets in mid-call leaves no pause worth the name, whoever is behind it', BOUNDED, (t) =>
  rebinds(t, stage, '3g', 3_000, 10_000));

test('on EDGE that loses 5 % one gets in, mostly within eight seconds, and hears what is said', BOUNDED, (t) =>
  joinsAndListens(t, stage, 'rural-edge', 3, LISTEN_MS));

test('on GPRS one can listen, raise a hand and chat', BOUNDED, async (t) => {
  const room = 'GPRS';
  const ada = await teacher(stage, room);
  const bayo = await stage.participant(room, 'bayo', VERSION, 'network=gprs');
  const started = performance.now();
  // Its uplink is full of checks of the way while a browser looks for one: 15 s, as clients wait by themselves, are too few.
  await bayo.join({ patienceMs: 2 * PATIENCE_MS }, await pupil(room, 'bayo', { 'tof.profile': 'audio_only' }));
  t.diagnostic(`in after ${((performance.now() - started) / 1_000).toFixed(1)} s`);
  await bayo.hears('ada');
  // What joining took of the line leaves a queue, which is caught up with first.
  for (let left = WINDOWS - 1; ; left -= 1) {
    const listening = await Listening.begin(bayo, ada);
    await pause(LISTEN_MS);
    const heard = await listening.end();
    t.diagnostic(told(heard));
    if (heard.concealed < CONCEALED) break;
    assert(left > 0, `${(heard.concealed * 100).toFixed(2)} % of the sound was made up`);
  }

  const raised = performance.now();
  await bayo.page.evaluate(() => {
    // The client waits five seconds for the echo, whether or not its wish is on its way.
    window.call.open().localParticipant.setAttributes({ hand: 'up' }).catch(() => {});
  });
  await ada.worker.until('ada sees the hand', () => hand(ada), (it) => it === 'up', PATIENCE_MS);
  const seen = performance.now();
  await bayo.say('I have a question');
  await ada.sees('the question', ({ chat }) => chat.some(({ text }) => text === 'I have a question'), PATIENCE_MS);
  const asked = performance.now();
  await ada.say('What is it?');
  await bayo.sees('the answer', ({ chat }) => chat.some(({ text }) => text === 'What is it?'), PATIENCE_MS);
  const answered = performance.now();
  t.diagnostic(`the hand took ${(seen - raised).toFixed(0)} ms, the question ${(asked - seen).toFixed(0)} ms, the answer ${(answered - asked).toFixed(0)} ms`);
  t.diagnostic(await stage.lab.table());
  await stage.dismiss(ada, bayo);
});

/** @param {import('./lib/participant.js').Participant} participant */
function hand({ page }) {
  return page.evaluate(() => window.call.open().remoteParticipants.get('bayo')?.attributes.hand);
}

test('loss and delay cost what the E-model says', () => {
  for (const [lost, delayMs, r, mos] of [
    [0, 0, 93.2, 4.41],
    [0, 200, 90.2, 4.34],
    [0, 400, 69.1, 3.56],
    [0.03, 0, 71.3, 3.66],
    [1, 0, 6.8, 1],
  ]) {
    const found = rating(lost, delayMs);
    assert(Math.abs(found.r - r) < 0.1 && Math.abs(found.mos - mos) < 0.01, `${lost} lost, ${delayMs} ms: ${JSON.stringify(found)}`);
  }
});
