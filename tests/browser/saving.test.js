// @ts-check
/** Who saves data hears everybody and sees nobody, and learns what the call costs. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccessToken } from 'livekit-server-sdk';
import { KEY, SECRET } from './lib/edge-worker.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */
/** @typedef {{ sent: number, received: number, profile: string, because: string }} Usage */

/** One of each way that clients negotiate: over two connections, and over one. */
const VERSIONS = /** @type {const} */ (['2.15.5', '2.23.0']);
const CAMERA = { width: 640, height: 360, frameRate: 15, simulcast: true };
const TOPIC = 'tof.usage';
/** UDP and IPv4 head each packet; browsers leave them out. */
const HEADERS = 28;
/** Browsers leave out their checks of the path and what answers them, too; about so long they are, headers included. */
const CHECK = 136;
const ANSWER = 92;
/** Both are asked at different moments. */
const PERCENT = 6;
/** What an hour of listening may cost, headers included: with each frame once, and with each repeated. */
const PLAIN_MB = 12;
const REPEATED_MB = 20;
const NAIRA_PER_GB = Number(process.env.NAIRA_PER_GB ?? 500);
const TWO_TELLINGS_MS = 15_000;

const stage = Stage.forThisFile();

for (const version of VERSIONS) {
  test(`who saves data with ${version} is sent sound alone, and is told what it costs`, BOUNDED, async () => {
    const room = `saving ${version}`;
    const ada = await stage.participant(room, 'ada', version);
    const bayo = await stage.participant(room, 'bayo', version);
    await ada.join({ dynacast: true });
    await bayo.join({}, await frugal(room, 'bayo'));
    await Promise.all([ada.publishCamera(CAMERA), ada.publishMicrophone()]);
    await bayo.seesVideoOf('ada', 'camera', CAMERA);
    await bayo.hears('ada');
    assert.deepEqual((await usages(bayo)), [], 'nobody asked');

    await asks(bayo, { 'tof.usage': 'on' });
    const watching = await costs(bayo, 'high');
    assert.equal(watching.because, 'room');

    await asks(bayo, { 'tof.profile': 'audio_only' });
    await bayo.sees('that its picture is paused', (seen) => trackOf(seen, 'ada', 'camera')?.streamState === 'paused');
    const listening = await costs(bayo, 'audio_only');
    assert.equal(listening.because, 'asked');
    // A browser that is short of the processor sends poor pictures, and they cost little.
    assert(listening.received * 4 < watching.received * 3, `${listening.received} B/s after ${watching.received} B/s`);
    await bayo.hears('ada');
    await ada.sees('that nobody wants its picture', ({ published }) =>
      published.find(({ source }) => source === 'camera')?.layers.every(({ active }) => !active));

    await asks(bayo, { 'tof.profile': '' });
    await bayo.sees('that its picture goes on', (seen) => trackOf(seen, 'ada', 'camera')?.streamState === 'active');
    await bayo.seesVideoOf('ada', 'camera', CAMERA);
    const { events, pageErrors } = await bayo.seen();
    assert.deepEqual(pageErrors, []);
    const states = events.filter(({ name }) => name === 'trackStreamStateChanged').map(({ about }) => about);
    assert.equal(states.length, 2, states.join('; '));
    assert.deepEqual(await usages(ada), [], 'ada did not ask');
    await stage.dismiss(ada, bayo);
  });
}

for (const version of VERSIONS) {
  test(`who speaks to listeners who save data with ${version} sends little, and an hour costs them little`, BOUNDED, async (t) => {
    const room = `an hour ${version}`;
    const ada = await stage.participant(room, 'ada', version);
    const bayo = await stage.participant(room, 'bayo', version);
    await bayo.join({}, await frugal(room, 'bayo', { 'tof.profile': 'audio_only', 'tof.usage': 'on' }));
    await ada.join();
    await ada.publishMicrophone();
    await bayo.hears('ada');
    for (const [profile, most] of /** @type {const} */ ([['audio_only', PLAIN_MB], ['low', REPEATED_MB]])) {
      await asks(bayo, { 'tof.profile': profile });
      const { received } = await costs(bayo, profile);
      const megabytes = (received * 3_600) / 1e6;
      const naira = (megabytes / 1_000) * NAIRA_PER_GB;
      t.diagnostic(`an hour of listening, ${profile}: ${megabytes.toFixed(1)} MB, ${naira.toFixed(1)} naira at ${NAIRA_PER_GB} a GB`);
      assert(megabytes <= most, `${profile}: ${megabytes} MB`);
    }
    await stage.dismiss(ada, bayo);
  });
}

/**
 * Whoever joins with it may set attributes.
 * @param {string} room
 * @param {string} identity
 * @param {Record<string, string>} [attributes]
 */
function frugal(room, identity, attributes = {}) {
  const token = new AccessToken(KEY, SECRET, { identity, name: identity, ttl: '1h', attributes });
  token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true, canUpdateOwnMetadata: true });
  return token.toJwt();
}

/**
 * @param {Participant} participant
 * @param {Record<string, string>} attributes
 */
function asks({ page }, attributes) {
  return page.evaluate((wishes) => window.call.open().localParticipant.setAttributes(wishes), attributes);
}

/**
 * What it was told its connections took.
 * @param {Participant} participant
 * @returns {Promise<Usage[]>}
 */
async function usages(participant) {
  const { messages } = await participant.seen();
  return messages.filter(({ topic }) => topic === TOPIC).map(({ text }) => JSON.parse(text));
}

/**
 * What the call takes a second under a profile, between two tellings of it, which agree with what the browser counts.
 * @param {Participant} participant
 * @param {string} profile
 */
async function costs(participant, profile) {
  const telling = async () => {
    const before = (await usages(participant)).length;
    /** @type {Usage | undefined} */
    let told;
    await participant.worker.until(
      `${participant.identity} is told of ${profile}`,
      () => usages(participant),
      (all) => (told = all.slice(before).find((usage) => usage.profile === profile)),
      TWO_TELLINGS_MS,
    );
    assert(told);
    return { told, counted: await counted(participant), at: performance.now() };
  };
  // What is told was counted before the browser does, and what is told next after it.
  const [first, last, next] = [await telling(), await telling(), await telling()];
  const seconds = (last.at - first.at) / 1_000;
  agrees('received', last.told.received, last.counted.received, next.told.received);
  agrees('sent', last.told.sent, last.counted.sent, next.told.sent);
  const { because } = last.told;
  return { because, received: (last.told.received - first.told.received) / seconds };
}

/**
 * @param {string} what
 * @param {number} told
 * @param {number} browser
 * @param {number} next
 */
function agrees(what, told, browser, next) {
  const right = browser >= told * (1 - PERCENT / 100) && browser <= next * (1 + PERCENT / 100);
  assert(right, `${what}: told ${told} bytes, then ${next}, the browser counts ${browser} between`);
}

/**
 * What the browser counts on all its connections.
 * @param {Participant} participant
 */
function counted({ page }) {
  return page.evaluate(async ([headers, check, answer]) => {
    const { publisher, subscriber } = /** @type {any} */ (window.call.open()).engine.pcManager;
    const own = [publisher, subscriber].filter(Boolean).map((transport) => transport._pc);
    const sum = { sent: 0, received: 0 };
    for (const connection of own) {
      for (const entry of (await connection.getStats()).values()) {
        if (entry.type === 'transport') {
          sum.sent += entry.bytesSent + headers * entry.packetsSent;
          sum.received += entry.bytesReceived + headers * entry.packetsReceived;
        }
        if (entry.type === 'candidate-pair') {
          sum.sent += check * entry.requestsSent;
          sum.received += answer * entry.responsesReceived;
        }
      }
    }
    return sum;
  }, /** @type {const} */ ([HEADERS, CHECK, ANSWER]));
}
