// @ts-check
/** The meeting page on a slow phone: a narrow screen, a sixth of a processor, and no more fetched than a thin line carries. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { FLAGS, launchChromium } from './lib/chromium.js';
import { MeetingServer, Person } from './lib/meeting-page.js';
import { BOUNDED, Stage } from './lib/stage.js';
import { until } from './lib/until.js';

const PHONE = { width: 360, height: 740 };
const SLOWER = 6;
/** What may be fetched until one is in a call, headers included. */
const FIRST_JOIN_BYTES = 250_000;
const ROOM = 'phone-in-hand';
const ARTEFACTS = fileURLToPath(new URL('./artefacts/', import.meta.url));

const stage = Stage.forThisFile();
/** @type {MeetingServer[]} */
const servers = [];

before(() => mkdir(ARTEFACTS, { recursive: true }));
after(() => Promise.all(servers.map((server) => server.stop())));

async function meetingServer() {
  const server = await MeetingServer.start(stage.worker);
  servers.push(server);
  return server;
}

/** @param {string} name */
async function person(name) {
  const page = await stage.page();
  await page.setViewportSize(PHONE);
  return new Person(page, stage.worker, name);
}

/**
 * Makes a page's machine slow, and counts what the page fetches from now on.
 * @param {Person} someone
 */
async function slow(someone) {
  const devtools = await someone.page.context().newCDPSession(someone.page);
  const fetched = { bytes: 0, files: 0 };
  devtools.on('Network.loadingFinished', ({ encodedDataLength }) => {
    fetched.bytes += encodedDataLength;
    fetched.files += 1;
  });
  await devtools.send('Network.enable');
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  return fetched;
}

test('a slow phone joins with 250 kB, and mute, chat, hand, data and leaving work on it', BOUNDED, async (t) => {
  const { origin } = await meetingServer();
  const bayo = await person('Bayo');
  await bayo.join(origin, ROOM);
  await bayo.isIn();

  const ada = await person('Ada');
  const fetched = await slow(ada);
  await ada.page.goto(`${origin}/?room=${ROOM}`);
  // How much a call may use is asked before it begins, and kept.
  await ada.at('profile-select').selectOption('low');
  await ada.photograph(`${ARTEFACTS}phone-before.png`, PHONE);
  await ada.join(`${origin}/?room=${ROOM}`);
  await ada.isIn();
  t.diagnostic(`${fetched.files} files, ${fetched.bytes} bytes until in the call`);
  assert(fetched.bytes > 100_000, 'the page was fetched');
  assert(fetched.bytes <= FIRST_JOIN_BYTES, `${fetched.bytes} bytes were fetched before the call`);
  await Promise.all([ada.counts(2), bayo.counts(2)]);
  await Promise.all([ada.seesMove('bayo'), bayo.seesMove('ada')]);
  await ada.photograph(`${ARTEFACTS}phone-call.png`, PHONE);

  // Mute: the others see it.
  const muted = bayo.page.locator('[data-testid="tile"][data-identity^="ada"] [data-testid="muted"]');
  await ada.at('toggle-mic').click();
  await bayo.waits('to see Ada muted', () => muted.count(), (count) => count === 1);
  await ada.at('toggle-mic').click();
  await bayo.waits('to see Ada unmuted', () => muted.count(), (count) => count === 0);

  // Hand.
  const hand = bayo.page.locator('[data-testid="tile"][data-identity^="ada"] [data-testid="hand-sign"]');
  await ada.at('toggle-hand').click();
  await bayo.waits('to see Ada’s hand', () => hand.count(), (count) => count === 1);
  await ada.photograph(`${ARTEFACTS}phone-hand.png`, PHONE);
  await ada.at('toggle-hand').click();
  await bayo.waits('to see the hand go down', () => hand.count(), (count) => count === 0);

  // Chat.
  await ada.opensChat();
  await bayo.opensChat();
  await ada.says('Good morning from a phone');
  await bayo.reads('Good morning from a phone');
  await bayo.says('It is heard well');
  await ada.reads('It is heard well');
  await ada.photograph(`${ARTEFACTS}phone-chat.png`, PHONE);
  await ada.at('toggle-chat').click();

  // The data meter, and the switch, which remembers what was chosen before joining.
  await ada.waits('for data to be counted', () => ada.attribute('data-used', 'data-bytes'), (bytes) => Number(bytes) > 10_000);
  await ada.at('toggle-settings').click();
  await ada.at('data-meter').waitFor();
  assert.equal(await ada.at('profile-select').inputValue(), 'low');
  await ada.waits('for an hour to be reckoned', () => ada.at('data-hour').textContent(), (words) => /an hour.*₦/.test(words ?? ''));
  await ada.photograph(`${ARTEFACTS}phone-settings.png`, PHONE);
  // Data saver: one's own picture goes too.
  await ada.at('profile-select').selectOption('saver');
  const dark = bayo.page.locator('[data-testid="tile"][data-identity^="ada"][data-dark="true"]');
  await bayo.waits('to see Ada’s picture go', () => dark.count(), (count) => count === 1);
  await ada.page.getByRole('button', { name: 'Close settings' }).click();

  // Leaving.
  await ada.at('leave').click();
  await ada.at('rejoin').waitFor();
  await bayo.counts(1);
  for (const someone of [ada, bayo]) await someone.page.context().close();
});

/**
 * Waits until a check has ended; one that is blocked waits for what never comes.
 * @param {Person} someone
 */
async function verdict(someone) {
  await until('the verdict', () => someone.attribute('connection-check', 'data-state'), (state) => state === 'done', { timeoutMs: 60_000 });
}

test('the connection is checked before a call, and what the server does not offer is not called blocked', BOUNDED, async () => {
  const { origin } = await meetingServer();
  const dayo = await person('Dayo');
  await dayo.page.goto(origin);
  await dayo.at('check-connection').click();
  await verdict(dayo);
  const told = async (/** @type {string} */ what) => dayo.attribute('connection-check', `data-${what}`);
  assert.deepEqual([await told('signalling'), await told('udp')], ['works', 'works']);
  for (const way of ['tcp', 'tls']) assert.match(String(await told(way)), /^(works|untold|not-offered)$/);
  for (const way of ['up', 'down']) assert(Number(await told(way)) > 50_000, `${way}: ${await told(way)} bit/s`);
  await dayo.at('connection-check').scrollIntoViewIfNeeded();
  await dayo.photograph(`${ARTEFACTS}phone-check.png`, PHONE);
  await dayo.page.context().close();
});

test('where a browser may send no UDP, the check says so', BOUNDED, async () => {
  const { origin } = await meetingServer();
  const browser = await launchChromium({ args: [...FLAGS, '--webrtc-ip-handling-policy=disable_non_proxied_udp'] });
  try {
    const page = await (await browser.newContext()).newPage();
    await page.setViewportSize(PHONE);
    const efe = new Person(page, stage.worker, 'Efe');
    await page.goto(origin);
    await efe.at('check-connection').click();
    await verdict(efe);
    assert.deepEqual([await efe.attribute('connection-check', 'data-signalling'), await efe.attribute('connection-check', 'data-udp')], ['works', 'blocked']);
    await efe.at('connection-check').scrollIntoViewIfNeeded();
    await efe.photograph(`${ARTEFACTS}phone-check-blocked.png`, PHONE);
  } finally {
    await browser.close();
  }
});

test('a phone whose network is cut off says so, and takes it back when it is in again', BOUNDED, async () => {
  const { origin } = await meetingServer();
  const chi = await person('Chi');
  await slow(chi);
  await chi.join(origin, `${ROOM}-cut`);
  await chi.isIn();
  assert.equal(await chi.attribute('weather', 'data-word'), 'none');
  await chi.page.context().setOffline(true);
  await chi.waits('to be told', () => chi.attribute('weather', 'data-word'), (word) => word === 'signal-lost' || word === 'reconnecting' || word === 'lost');
  await chi.photograph(`${ARTEFACTS}phone-cut.png`, PHONE);
  await chi.page.context().setOffline(false);
  await chi.isIn();
  await chi.waits('the word to go', () => chi.attribute('weather', 'data-word'), (word) => word === 'none');
  await chi.page.context().close();
});
