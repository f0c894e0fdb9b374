// @ts-check
/** Data tracks between browsers: named channels of frames, each sent once. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDED, Stage } from './lib/stage.js';

/** More than one packet carries. */
const LONG_FRAME = 50_000;

const stage = Stage.forThisFile();

/** @typedef {import('./lib/participant.js').Participant} Participant */

for (const secret of [undefined, 'known to all']) {
  test(`data tracks ${secret ? 'of an encrypted call ' : ''}reach everybody, those who come late too`, BOUNDED, async () => {
    const room = `data tracks ${secret ?? ''}`;
    const ada = await joined(room, 'ada', secret);
    const bayo = await joined(room, 'bayo', secret);
    await ada.sees('bayo', ({ participants }) => participants.length === 1);
    await ada.page.evaluate(() => window.exchange.publishTrack('position'));
    await ada.page.evaluate(() => window.exchange.publishTrack('heat'));
    await bayo.page.evaluate(() => window.exchange.publishTrack('position'));
    const chidi = await joined(room, 'chidi', secret);
    await opens(bayo, 'ada position', 'ada heat');
    await opens(ada, 'bayo position');
    await opens(chidi, 'ada position', 'ada heat', 'bayo position');

    await push(ada, 'position', 1, 100);
    await push(ada, 'heat', 2, LONG_FRAME);
    await push(bayo, 'position', 3, 10);
    await gets(chidi, { 'ada position': [[1, 100]], 'ada heat': [[2, LONG_FRAME]], 'bayo position': [[3, 10]] });
    await gets(bayo, { 'ada position': [[1, 100]], 'ada heat': [[2, LONG_FRAME]] });
    await gets(ada, { 'bayo position': [[3, 10]] });

    const refused = await ada.page.evaluate(() => window.exchange.publishTrack('heat').catch(({ message }) => message));
    assert.match(String(refused), /name/i);
    await ada.page.evaluate(() => window.exchange.unpublishTrack('heat'));
    await chidi.sees('one track less', ({ events }) => events.some(({ name }) => name === 'dataTrackUnpublished'));
    await push(ada, 'position', 4, 7);
    await gets(chidi, { 'ada position': [[1, 100], [4, 7]] });
    for (const { pageErrors } of await Promise.all([ada, bayo, chidi].map((it) => it.seen()))) assert.deepEqual(pageErrors, []);
    await stage.dismiss(ada, bayo, chidi);
  });
}

/**
 * @param {string} room
 * @param {string} identity
 * @param {string} [secret]
 */
async function joined(room, identity, secret) {
  const participant = await stage.participant(room, identity, '2.23.0');
  await participant.join({ secret });
  await participant.page.evaluate(() => window.exchange.openTracks());
  return participant;
}

/**
 * @param {Participant} participant
 * @param {string} name
 * @param {number} number
 * @param {number} length
 */
function push(participant, name, number, length) {
  return participant.page.evaluate(
    ([track, what, size]) => window.exchange.push(track, what, size),
    /** @type {const} */ ([name, number, length]),
  );
}

/** @param {Participant} participant */
async function tracks(participant) {
  const seen = await participant.page.evaluate(() => window.exchange.seen());
  return new Map(seen.tracks.map((track) => [`${track.from} ${track.name}`, track]));
}

/**
 * @param {Participant} participant
 * @param {string[]} names
 */
async function opens(participant, ...names) {
  const open = () => tracks(participant);
  const what = `${participant.identity} opens ${names.join(', ')}`;
  await stage.worker.until(what, open, (seen) => names.every((name) => seen.get(name)?.state === 'open'));
}

/**
 * @param {Participant} participant
 * @param {Record<string, number[][]>} frames
 */
async function gets(participant, frames) {
  const got = async () => {
    const seen = await tracks(participant);
    return Object.fromEntries(Object.keys(frames).map((name) => [name, seen.get(name)?.frames ?? []]));
  };
  const what = `${participant.identity} gets ${JSON.stringify(frames)}`;
  const last = await stage.worker.until(what, got, (now) => JSON.stringify(now) === JSON.stringify(frames));
  assert.deepEqual(last, frames);
}
