// @ts-check
/** Data between browsers, each version of the client against each: messages, calls of methods, texts and files. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { launchChromiumServer } from './lib/chromium.js';
import { VERSIONS } from './lib/pages.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** The longest file that apps send. */
const LONG = 10_000_000;
/** Clients of the newest version compress for each other, and call methods by streams. */
const NEWEST = '2.23.0';

const stage = Stage.forThisFile();

for (const first of VERSIONS) {
  for (const second of VERSIONS) test(`data between ${first} and ${second}`, BOUNDED, (t) => exchange(t, first, second));
}

test('DC-6 a receiver that takes nothing harms nobody', BOUNDED, async () => {
  const room = 'one stands still';
  const ada = await joined(room, 'ada', NEWEST);
  const bayo = await joined(room, 'bayo', NEWEST);
  const server = await launchChromiumServer();
  try {
    const page = await (await chromium.connect(server.wsEndpoint())).newPage();
    await page.goto(stage.pages.address(NEWEST));
    await page.waitForFunction(() => window.call);
    await page.evaluate(([url, jwt]) => window.call.join(url, jwt), /** @type {const} */ ([
      stage.worker.url, await stage.worker.token(room, 'still'),
    ]));
    await ada.sees('two others', ({ participants }) => participants.length === 2);
    await ada.send('are you there?', { reliable: true });
    await page.waitForFunction(() => window.call.messages.length === 1);

    stopAll(server, 'SIGSTOP');
    const sums = [];
    for (let file = 0; file < 2; file += 1) {
      sums.push(await ada.page.evaluate((length) => window.exchange.sendFile('noise', length), LONG - file));
      await receives(bayo, ada, sums, 60_000);
    }
    const called = await bayo.page.evaluate(() => window.exchange.call('ada', 'stressed'));
    assert.equal(called, 'desserts');
    const metrics = await (await fetch(`http://127.0.0.1:${stage.worker.ports.admin}/metrics`)).text();
    const dropped = Number(/^edge_data_dropped_total\{reason="Full"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
    assert(dropped > 0, 'more was kept for a receiver that takes nothing than it may be behind');
  } finally {
    stopAll(server, 'SIGKILL');
  }
  await stage.dismiss(ada, bayo);
});

/**
 * Signals a browser and all its children: they are a group of processes of their own.
 * @param {import('playwright-core').BrowserServer} server
 * @param {'SIGSTOP' | 'SIGKILL'} signal
 */
function stopAll(server, signal) {
  const { pid } = server.process();
  if (pid) process.kill(-pid, signal);
}

/** @typedef {import('./lib/participant.js').Participant} Participant */
/** @typedef {import('./bare/exchange.js').Gotten} Gotten */

/**
 * @param {import('node:test').TestContext} t
 * @param {import('./lib/pages.js').Version} first
 * @param {import('./lib/pages.js').Version} second
 */
async function exchange(t, first, second) {
  const room = `data ${first} ${second}`;
  const ada = await joined(room, 'ada', first);
  const bayo = await joined(room, 'bayo', second);
  const newest = first === NEWEST && second === NEWEST;
  await ada.sees('bayo', ({ participants }) => participants.length === 1);

  await t.test('DC-2 messages of both kinds arrive under their sender\'s name, in order where order was asked for', async () => {
    const lines = Array.from({ length: 50 }, (_, at) => `line ${at}`);
    for (const text of lines) await ada.send(text, { reliable: true, topic: 'lines' });
    for (const text of lines) await bayo.send(text, { reliable: false });
    const { messages } = await bayo.sees('50 lines', ({ messages: got }) => got.length === lines.length);
    assert.deepEqual(messages, lines.map((text) => ({ from: 'ada', topic: 'lines', text })));
    const back = await ada.sees('50 lines', ({ messages: got }) => got.length === lines.length);
    assert.deepEqual(new Set(back.messages.map(({ from, text }) => `${from} ${text}`)), new Set(lines.map((text) => `bayo ${text}`)));
  });

  await t.test('methods are called, both ways, and their failures are told', async () => {
    for (const [caller, called] of [[ada, 'bayo'], [bayo, 'ada']]) {
      const call = (/** @type {string} */ text, method = 'reverse') =>
        asParticipant(caller).page.evaluate(
          ([whom, what, how]) => window.exchange.call(whom, what, how),
          /** @type {const} */ ([String(called), text, method]),
        );
      assert.equal(await call('stressed'), 'desserts');
      assert.equal(await call('a'.repeat(14_000)), 'a'.repeat(14_000));
      assert.equal(await call(''), '1234 nothing to reverse');
      assert.match(await call('x', 'missing'), /^1400 /);
      if (newest) assert.equal(await call(`${'b'.repeat(100_000)}c`), `c${'b'.repeat(100_000)}`);
    }
  });

  await t.test('texts and streams arrive whole, both ways', async () => {
    for (const [sender, receiver] of [[ada, bayo], [bayo, ada]]) {
      const sums = [
        await sender.page.evaluate(() => window.exchange.sendText('prose', 10)),
        await sender.page.evaluate(() => window.exchange.sendText('noise', 300_000)),
        await sender.page.evaluate(() => window.exchange.streamBytes('noise', 1_000_000)),
      ];
      await receives(receiver, sender, sums);
    }
  });

  await t.test('a file of 10 MB arrives whole', async () => {
    const sum = await ada.page.evaluate((length) => window.exchange.sendFile('noise', length), LONG);
    await receives(bayo, ada, [sum], 60_000);
  });

  if (newest) {
    await t.test('what can be compressed is, and arrives whole', async () => {
      const sent = () => ada.page.evaluate(() => window.exchange.bytesSent());
      const before = await sent();
      const sums = [
        await ada.page.evaluate((length) => window.exchange.sendFile('prose', length), LONG),
        await ada.page.evaluate(() => window.exchange.sendText('prose', 1_000_000)),
      ];
      await receives(bayo, ada, sums, 60_000);
      const bytes = (await sent()) - before;
      assert(bytes < LONG / 10, `${bytes} bytes were sent`);
    });
  }

  await t.test('the page saw no error', async () => {
    for (const { pageErrors } of await Promise.all([ada.seen(), bayo.seen()])) assert.deepEqual(pageErrors, []);
  });
  await stage.dismiss(ada, bayo);
}

/**
 * @param {string} room
 * @param {string} identity
 * @param {import('./lib/pages.js').Version} version
 */
async function joined(room, identity, version) {
  const participant = await stage.participant(room, identity, version);
  await participant.join();
  await participant.page.evaluate(() => window.exchange.listen());
  return participant;
}

/**
 * Waits until something with each of the sums came.
 * @param {Participant} receiver
 * @param {Participant} sender
 * @param {string[]} sums
 * @param {number} [timeoutMs]
 */
async function receives(receiver, sender, sums, timeoutMs) {
  const gotten = () => receiver.page.evaluate(() => window.exchange.seen().gotten);
  /** @param {Gotten[]} got */
  const whole = (got) => sums.every((sum) => got.some(({ from, sha256 }) => from === sender.identity && sha256 === sum));
  await stage.worker.until(`${receiver.identity} gets all of ${sender.identity}'s`, gotten, whole, timeoutMs);
}

/** @param {Participant | string} participant */
function asParticipant(participant) {
  assert(typeof participant !== 'string');
  return participant;
}
