// @ts-check
/**
 * A call between Debian's Firefox and Chromium. Firefox speaks the same protocols its own way: it numbers payload types
 * and extensions otherwise, holds each end to the numbers it offered, and has no H.264 here.
 */

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Firefox, addressForFirefox } from './lib/firefox.js';
import { Participant } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';
import { until } from './lib/until.js';

/** One of each way that clients negotiate: over one connection, and over two. */
const VERSIONS = /** @type {const} */ (['2.23.0', '2.15.5']);
const CAMERA = { width: 640, height: 360, frameRate: 15, simulcast: true };
const LOW = { width: 320, height: 180 };
const ARTEFACTS = new URL('artefacts/', import.meta.url);

const address = addressForFirefox();
const skip = address ? false : 'SKIP: Firefox reaches no worker by loopback, and this machine has no other address';

const stage = Stage.forThisFile({ EDGE_RTC__BIND: '0.0.0.0', EDGE_RTC__ADVERTISE: JSON.stringify([address ?? '127.0.0.1']) });
/** @type {Firefox} */
let firefox;

before(async () => {
  if (!skip) firefox = await Firefox.launch();
});
after(() => firefox?.close());

for (const version of VERSIONS) {
  test(`a call between Firefox and Chromium with ${version}`, { ...BOUNDED, skip }, (t) => call(t, version));
}

/**
 * @param {import('node:test').TestContext} t
 * @param {typeof VERSIONS[number]} version
 */
async function call(t, version) {
  const fola = await inFirefox(version, 'fola', version);
  const chidi = await stage.participant(version, 'chidi', version);
  const both = [fola, chidi];
  await chidi.join();
  await fola.join({});
  for (const participant of both) {
    await participant.publishCamera(CAMERA);
    await participant.publishMicrophone();
  }

  await t.test('both see moving pictures and hear sound', async () => {
    await Promise.all([fola.seesVideoOf('chidi', 'camera', CAMERA), chidi.seesVideoOf('fola', 'camera', CAMERA)]);
    await Promise.all([fola.hears('chidi'), chidi.hears('fola')]);
    for (const { published } of await Promise.all(both.map((participant) => participant.seen()))) {
      const layers = published.find(({ source }) => source === 'camera')?.layers ?? [];
      assert(layers.length > 1 && layers.every(({ codec }) => codec === 'video/VP8'), JSON.stringify(layers));
    }
  });

  await t.test('each gets the layer of the other that it wishes for', async () => {
    await Promise.all([fola.wish('chidi', 'LOW'), chidi.wish('fola', 'LOW')]);
    await Promise.all([fola.seesVideoOf('chidi', 'camera', LOW), chidi.seesVideoOf('fola', 'camera', LOW)]);
    await Promise.all([fola.wish('chidi', 'HIGH'), chidi.wish('fola', 'HIGH')]);
    await Promise.all([fola.seesVideoOf('chidi', 'camera', CAMERA), chidi.seesVideoOf('fola', 'camera', CAMERA)]);
  });

  await t.test('chat and data reach the other, both ways', async () => {
    for (const sender of both) {
      await sender.say(`hello from ${sender.identity}`);
      await sender.send(`reliable from ${sender.identity}`, { reliable: true });
      await sender.send(`lossy from ${sender.identity}`, { reliable: false });
    }
    for (const [listener, from] of /** @type {const} */ ([[fola, 'chidi'], [chidi, 'fola']])) {
      const { chat, messages } = await listener.sees('a line of chat and two messages', (seen) =>
        seen.chat.length >= 1 && seen.messages.length >= 2);
      assert.deepEqual(chat, [{ from, text: `hello from ${from}` }]);
      assert.deepEqual(messages.map(({ text }) => text).sort(), [`lossy from ${from}`, `reliable from ${from}`]);
    }
  });

  await t.test('a muted track stands still and comes back, both ways', async () => {
    for (const [speaker, listener] of [[fola, chidi], [chidi, fola]]) {
      await speaker.turn('microphone', 'off');
      await listener.seesNothingOf(speaker.identity, 'microphone');
      await speaker.turn('microphone', 'on');
      await listener.hears(speaker.identity);
    }
  });

  await t.test('SP-6 Firefox is answered with the payload types it offered, and sent no others', async () => {
    const connections = await negotiated(fola);
    assert.equal(connections.length, version === '2.15.5' ? 2 : 1);
    for (const { offer, answer, received } of connections) {
      assert.deepEqual(offer.map(({ mid }) => mid), answer.map(({ mid }) => mid));
      offer.forEach(({ types }, at) => {
        for (const type of answer[at].types) assert(types.includes(type), `${answer[at].mid}: ${type} is none of ${types}`);
      });
      const agreed = answer.flatMap(({ types }) => types);
      for (const type of received) assert(agreed.includes(type), `${type} came and is none of ${agreed}`);
    }
    assert(connections.some(({ received }) => received.length > 1));
  });

  await photograph(fola, `firefox-${version}.png`);

  await t.test('packets go the way that Firefox has chosen', async () => {
    const before = new Map((await pairs(fola)).map(({ id, received }) => [id, received]));
    await fola.seesVideoOf('chidi', 'camera', CAMERA);
    const grown = (await pairs(fola)).map((pair) => ({ ...pair, received: pair.received - (before.get(pair.id) ?? 0) }));
    for (const transport of new Set(grown.map((pair) => pair.transport))) {
      const ofOne = grown.filter((pair) => pair.transport === transport).sort((a, b) => b.received - a.received);
      const best = Math.max(...ofOne.filter(({ nominated }) => nominated).map(({ priority }) => priority));
      assert.equal(ofOne[0].priority, best, JSON.stringify(ofOne));
    }
  });

  await t.test('who leaves is gone at once, and nothing disturbed the call', async () => {
    for (const { events, pageErrors } of await Promise.all(both.map((participant) => participant.seen()))) {
      assert.deepEqual(events.filter(({ name }) => ['reconnecting', 'signalReconnecting', 'trackSubscriptionFailed'].includes(name)), []);
      assert.deepEqual(pageErrors, []);
    }
    await fola.leave();
    await chidi.sees('fola gone', ({ participants }) => participants.length === 0);
  });

  await stage.dismiss(...both);
}

/**
 * A participant in Firefox, not yet in the room.
 * @param {string} room
 * @param {string} identity
 * @param {import('./lib/pages.js').Version} version
 */
async function inFirefox(room, identity, version) {
  const page = await firefox.newPage();
  await page.goto(stage.pages.address(version));
  await until('the page in Firefox', () => page.evaluate(() => Boolean(window.call)), Boolean);
  return new Participant(/** @type {any} */ (page), stage.worker, room, identity, 0);
}

/**
 * What a participant's connections agreed on, section by section, and what has come on them.
 * @param {Participant} participant
 */
function negotiated(participant) {
  return participant.page.evaluate(async () => {
    const { publisher, subscriber } = /** @type {any} */ (window.call.open()).engine.pcManager;
    /** @param {string} sdp */
    const sections = (sdp) =>
      sdp.split(/^m=/m).slice(1).filter((section) => !section.startsWith('application')).map((section) => ({
        mid: section.match(/^a=mid:(\S+)/m)?.[1],
        types: section.split('\r\n')[0].split(' ').slice(3).map(Number),
      }));
    const connections = [publisher, subscriber].filter(Boolean).map(({ _pc: connection }) => connection);
    return Promise.all(connections.map(async (connection) => {
      const [local, remote] = [connection.localDescription, connection.remoteDescription];
      const report = [...(await connection.getStats()).values()];
      const arriving = report.filter(({ type }) => type === 'inbound-rtp').map(({ codecId }) => codecId);
      const offered = local.type === 'offer';
      return {
        offer: sections((offered ? local : remote).sdp),
        answer: sections((offered ? remote : local).sdp),
        received: report.filter(({ id }) => arriving.includes(id)).map(({ payloadType }) => /** @type {number} */ (payloadType)),
      };
    }));
  });
}

/**
 * The pairs of addresses that a participant's connections have tried.
 * @param {Participant} participant
 */
function pairs(participant) {
  return participant.page.evaluate(async () => {
    const { publisher, subscriber } = /** @type {any} */ (window.call.open()).engine.pcManager;
    const reports = await Promise.all([publisher, subscriber].filter(Boolean).map(({ _pc: connection }) => connection.getStats()));
    return reports.flatMap((report) => [...report.values()]).filter(({ type }) => type === 'candidate-pair').map((pair) => ({
      id: String(pair.id),
      transport: String(pair.transportId),
      nominated: Boolean(pair.nominated),
      priority: Number(pair.priority),
      received: Number(pair.bytesReceived),
    }));
  });
}

/**
 * @param {Participant} participant
 * @param {string} name
 */
async function photograph(participant, name) {
  await mkdir(ARTEFACTS, { recursive: true });
  await writeFile(new URL(name, ARTEFACTS), await participant.page.screenshot());
}
