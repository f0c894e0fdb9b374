// @ts-check
/** Calls that only their participants can follow: encrypted from browser to browser, by the client's own means. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
const SECRET = 'known to both';
/** Enough that one of them would show, could they be read. */
const PACKETS = 150;

const stage = Stage.forThisFile();

/** @typedef {import('./lib/pages.js').Version} Version */
/** @typedef {import('./lib/participant.js').Participant} Participant */

for (const [first, second] of /** @type {[Version, Version][]} */ ([
  ['2.23.0', '2.23.0'],
  ['2.18.8', '2.23.0'],
  ['2.15.5', '2.23.0'],
  ['2.15.5', '2.18.8'],
])) {
  test(`E2-1 encrypted sound and pictures play between ${first} and ${second}`, BOUNDED, async () => {
    const room = `encrypted ${first} ${second}`;
    const [ada, bayo] = [await joined(room, 'ada', first, SECRET), await joined(room, 'bayo', second, SECRET)];
    await publish(ada, bayo);
    await plays(ada, bayo);
    await plays(bayo, ada);
    for (const [one, other] of pairs(ada, bayo)) {
      const seen = await one.seen();
      for (const source of /** @type {const} */ (['camera', 'microphone'])) {
        assert.equal(trackOf(seen, other.identity, source)?.encrypted, true, `${other.identity}'s ${source}`);
      }
      assert.deepEqual(seen.events.filter(({ name }) => name === 'encryptionError'), []);
    }
    await stage.dismiss(ada, bayo);
  });
}

test('E2-1 with another secret, nothing can be seen or read', BOUNDED, async () => {
  const room = 'another secret';
  const ada = await joined(room, 'ada', '2.23.0', SECRET);
  const bayo = await joined(room, 'bayo', '2.23.0', SECRET);
  const eve = await joined(room, 'eve', '2.23.0', 'a guess');
  await publish(ada);
  await plays(ada, bayo);
  const { counters } = trackOf(
    await eve.sees('packets of a picture', (seen) => {
      const track = trackOf(seen, 'ada', 'camera');
      return (track?.counters.packetsReceived ?? 0) > PACKETS;
    }, 30_000),
    'ada',
    'camera',
  ) ?? { counters: /** @type {Record<string, number>} */ ({}) };
  assert.equal(counters.framesDecoded, 0);
  await ada.send('for bayo', { reliable: true });
  await bayo.sees('the message', ({ messages }) => messages.some(({ text }) => text === 'for bayo'));
  await eve.sees('that it cannot read', ({ events }) => events.some(({ name }) => name === 'encryptionError'));
  assert.deepEqual((await eve.seen()).messages, []);
  await stage.dismiss(ada, bayo, eve);
});

for (const version of /** @type {Version[]} */ (['2.18.8', '2.23.0'])) {
  test(`E2-1 encrypted messages, texts, files and calls arrive between ${version} and 2.23.0`, BOUNDED, async () => {
    const room = `encrypted data ${version}`;
    const ada = await joined(room, 'ada', version, SECRET);
    const bayo = await joined(room, 'bayo', '2.23.0', SECRET);
    const open = await joined(room, 'open', '2.23.0');
    for (const { page } of [ada, bayo, open]) await page.evaluate(() => window.exchange.listen());
    await ada.sees('two others', ({ participants }) => participants.length === 2);
    await bayo.sees('two others', ({ participants }) => participants.length === 2);
    for (const [one, other] of pairs(ada, bayo)) {
      await one.send(`from ${one.identity}`, { reliable: true });
      await one.send(`from ${one.identity}`, { reliable: false });
      await other.sees('two messages', ({ messages }) => messages.length === 2);
      const sums = [
        await one.page.evaluate(() => window.exchange.sendText('prose', 100_000)),
        await one.page.evaluate(() => window.exchange.sendFile('noise', 1_000_000)),
      ];
      await stage.worker.until('texts and files', () => other.page.evaluate(() => window.exchange.seen().gotten), (gotten) =>
        sums.every((sum) => gotten.some(({ sha256 }) => sha256 === sum)),
      );
      const called = await one.page.evaluate((whom) => window.exchange.call(whom, 'stressed'), other.identity);
      assert.equal(called, 'desserts');
    }
    // Whoever does not encrypt got all of it, and could read nothing.
    assert.deepEqual((await open.seen()).messages, []);
    assert.deepEqual(await open.page.evaluate(() => window.exchange.seen().gotten), []);
    await stage.dismiss(ada, bayo, open);
  });
}

test('E2-3 who encrypts and who does not are in one room', BOUNDED, async () => {
  const room = 'mixed';
  const ada = await joined(room, 'ada', '2.23.0', SECRET);
  const bayo = await joined(room, 'bayo', '2.15.5', SECRET);
  const open = await joined(room, 'open', '2.18.8');
  await publish(ada, open);
  await plays(ada, bayo);
  await plays(open, ada);
  await plays(open, bayo);
  const { encrypted } = await open.track('ada', 'camera');
  assert.equal(encrypted, true);
  assert.equal((await ada.track('open', 'camera')).encrypted, false);
  await stage.dismiss(ada, bayo, open);
});

/**
 * @param {string} room
 * @param {string} identity
 * @param {Version} version
 * @param {string} [secret]
 */
async function joined(room, identity, version, secret) {
  const participant = await stage.participant(room, identity, version);
  await participant.join({ secret });
  return participant;
}

/** @param {Participant[]} participants */
async function publish(...participants) {
  for (const participant of participants) {
    await participant.publishCamera(CAMERA);
    await participant.publishMicrophone();
  }
}

/**
 * @param {Participant} from
 * @param {Participant} to
 */
async function plays(from, to) {
  await to.seesVideoOf(from.identity, 'camera', CAMERA);
  await to.hears(from.identity);
}

/**
 * @template T
 * @param {T} one
 * @param {T} other
 * @returns {[T, T][]}
 */
function pairs(one, other) {
  return [[one, other], [other, one]];
}
