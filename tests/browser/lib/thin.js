// @ts-check
/** What is tried on thin lines, shortly with every change and at length now and then. */

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { AccessToken } from 'livekit-server-sdk';
import { KEY, SECRET } from './edge-worker.js';
import { Listening, told } from './speech.js';

/** @typedef {import('./lab.js').LabStage} LabStage */
/** @typedef {import('./participant.js').Participant} Participant */
/** @typedef {import('node:test').TestContext} TestContext */

export const VERSION = '2.23.0';
/** Of the sound, what may be made up. */
export const CONCEALED = 0.03;
/**
 * Half of all joins take less. The aim is 19 of 20, and is not reached where 5 % are lost: what signalling loses
 * TCP repeats after two seconds.
 */
export const JOINED_MS = 8_000;
/** So many joins say how many are late. */
const MANY = 10;
/** What may be missing of the sound when a NAT forgets. */
const PAUSE_MS = 1_000;
/** The fake microphone is silent most of the time, and silence is not sent unless it is asked for. */
const SPEAKING = { dtx: false };
/** On a slow line a call is not there at once. */
export const PATIENCE_MS = 30_000;

/**
 * Whoever joins with it may set its attributes.
 * @param {string} room
 * @param {string} identity
 * @param {Record<string, string>} [attributes]
 */
export function pupil(room, identity, attributes = {}) {
  const token = new AccessToken(KEY, SECRET, { identity, name: identity, ttl: '1h', attributes });
  token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true, canUpdateOwnMetadata: true });
  return token.toJwt();
}

/**
 * Speaks without end.
 * @param {Participant} participant
 */
export function speak({ page }) {
  return page.evaluate((how) => window.call.open().localParticipant.setMicrophoneEnabled(true, undefined, how), SPEAKING);
}

/**
 * A teacher in the city who speaks.
 * @param {LabStage} stage
 * @param {string} room
 */
export async function teacher(stage, room) {
  const ada = await stage.participant(room, 'ada', VERSION, 'network=4g');
  await ada.join({}, await pupil(room, 'ada'));
  await speak(ada);
  return ada;
}

/**
 * The NAT before somebody forgets its flows again and again, first while both speak, then while it only listens:
 * nobody hears a pause worth the name.
 * @param {TestContext} t
 * @param {LabStage} stage
 * @param {string} network
 * @param {number} everyMs
 * @param {number} lengthMs of each half
 */
export async function rebinds(t, stage, network, everyMs, lengthMs) {
  const room = `rebinds on ${network}`;
  const ada = await teacher(stage, room);
  const bayo = await stage.participant(room, 'bayo', VERSION, `network=${network}`);
  await bayo.join({}, await pupil(room, 'bayo'));
  await speak(bayo);
  await Promise.all([ada.hears('bayo'), bayo.hears('ada')]);
  await stage.lab.set(`bayo.rebind=${everyMs}ms`);
  await hearAll(t, `${network}, a new port each ${everyMs / 1_000} s`, lengthMs, [ada, bayo], [bayo, ada]);
  await bayo.page.evaluate(async () => {
    const { localParticipant } = window.call.open();
    for (const { track } of localParticipant.audioTrackPublications.values()) if (track) await localParticipant.unpublishTrack(track);
  });
  await hearAll(t, 'the same for who only listens', lengthMs, [bayo, ada]);
  await stage.lab.set('bayo.rebind=none');

  const link = (await stage.lab.links()).find(({ name, way }) => name === 'bayo' && way === 'down');
  assert((link?.dropped.forgotten ?? 0) > 0, 'nothing was sent to where bayo was before: the NAT did not forget');
  const { events } = await bayo.seen();
  assert(!events.some(({ name }) => /reconnecting/i.test(name)), 'the call itself went on');
  await stage.dismiss(ada, bayo);
}

/**
 * Some listen to some for a while, and hear no pause.
 * @param {TestContext} t
 * @param {string} when
 * @param {number} lengthMs
 * @param {[Participant, Participant][]} pairs each a listener and a speaker
 */
async function hearAll(t, when, lengthMs, ...pairs) {
  const all = await Promise.all(pairs.map(([listener, speaker]) => Listening.begin(listener, speaker)));
  await pause(lengthMs);
  const heard = await Promise.all(all.map((listening) => listening.end()));
  heard.forEach((what, at) => t.diagnostic(`${when}: ${pairs[at][0].identity} hears ${told(what)}`));
  for (const { longestPauseMs } of heard) assert(longestPauseMs < PAUSE_MS, `no sound for ${longestPauseMs.toFixed(0)} ms`);
}

/**
 * Somebody joins again and again, and then listens.
 * @param {TestContext} t
 * @param {LabStage} stage
 * @param {string} network
 * @param {number} joins
 * @param {number} listenMs
 */
export async function joinsAndListens(t, stage, network, joins, listenMs) {
  const room = `joins on ${network}`;
  const ada = await teacher(stage, room);
  const bayo = await stage.participant(room, 'bayo', VERSION, `network=${network}`);
  const took = [];
  for (let join = 1; join <= joins; join += 1) {
    await bayo.join({}, await pupil(room, 'bayo'));
    took.push((await bayo.seen()).timing.connectedMs);
    if (join < joins) await bayo.leave();
  }
  await bayo.hears('ada');
  const listening = await Listening.begin(bayo, ada);
  await pause(listenMs);
  const heard = await listening.end();
  const inOrder = took.toSorted((a, b) => a - b);
  t.diagnostic(`${network}: ${joins} joins in ${inOrder.map((ms) => (ms / 1_000).toFixed(1)).join(', ')} s; ${told(heard)}`);
  const late = took.filter((ms) => ms > JOINED_MS).length;
  // Of a few, most may have had bad luck; of many, half are in in time.
  const mayBeLate = joins < MANY ? joins - 1 : joins / 2;
  assert(late <= mayBeLate, `${late} of ${joins} joins took more than ${JOINED_MS} ms`);
  assert(heard.concealed < CONCEALED, `${(heard.concealed * 100).toFixed(2)} % of the sound was made up`);
  await stage.dismiss(ada, bayo);
}
