// @ts-check
/** Meetings over two cities, from signing in to the register, with everything as `deploy/local/up` starts it. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { launchChromium } from './lib/chromium.js';
import { Person } from './lib/meeting-page.js';
import { TwoCities } from './lib/two-cities.js';
import { until } from './lib/until.js';

/** The whole of it, on a busy machine. */
const BOUNDED = { timeout: 300_000 };
const DESKTOP = { width: 1280, height: 800 };
const LESSON = 'Physics: light and lenses';
const CHOIR = 'Choir practice';
const CHESS = 'Chess for beginners';
/** Longer than a worker's lease and every page's patience. */
const AWAY_MS = 60_000;
/** The register is right to the second. */
const REGISTER_MS = 1_000;
const ARTEFACTS = fileURLToPath(new URL('./artefacts/', import.meta.url));

/** @type {TwoCities} */
let cities;
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  await mkdir(ARTEFACTS, { recursive: true });
  cities = await TwoCities.start();
  browser = await launchChromium();
}, BOUNDED);
after(async () => {
  await browser?.close();
  if (cities) assert.equal(await cities.stop(), 0, cities.program.tail());
});

/**
 * Somebody signed in, for whom only one city's worker can be reached.
 * @param {string} name
 * @param {'lagos' | 'abuja'} city
 */
async function signedIn(name, city) {
  const context = await browser.newContext({ permissions: ['camera', 'microphone'], viewport: DESKTOP });
  const other = city === 'lagos' ? 'abuja' : 'lagos';
  await context.route(`http://${cities.server(other)}/**`, (route) => route.abort());
  const page = await context.newPage();
  await page.goto(cities.origin);
  await page.locator(`[data-testid="person"][data-name="${name}"]`).click();
  return new Person(page, /** @type {any} */ (cities), name);
}

/**
 * @param {Person} person
 * @param {string} title
 */
async function opens(person, title) {
  await person.at('meeting-row').filter({ hasText: title }).first().click();
}

/** @param {Person} host */
async function endsForAll(host) {
  const leaving = Date.now();
  await host.at('end-for-all').click();
  await host.at('end-for-all').click(); // It asks once more.
  await host.waits('to be out', () => host.at('meeting').count(), (count) => count === 0);
  return { leaving, gone: Date.now() };
}

/**
 * What the register says of somebody.
 * @param {Person} reader
 * @param {string} name
 */
async function registered(reader, name) {
  const line = reader.page.locator(`[data-testid="register-line"][data-name="${name}"]`);
  await line.waitFor({ timeout: 60_000 });
  return { attendance: await line.getAttribute('data-attendance'), ms: Number(await line.getAttribute('data-present-ms')) };
}

/**
 * @param {Person} reader
 * @param {string} text
 */
async function isKeptOnce(reader, text) {
  const said = await reader.at('said').allTextContents();
  assert.equal(said.filter((line) => line.includes(text)).length, 1, said.join('\n'));
}

/**
 * @param {Person} person
 * @param {string} of
 */
function member(person, of) {
  return person.page.locator(`[data-testid="company-member"][data-name="${of}"]`);
}

/**
 * Waits until somebody's tile shows a picture that moves.
 * @param {Person} person
 * @param {string} of
 */
async function sees(person, of) {
  const tile = person.page.locator('[data-testid="tile"][data-local="false"]').filter({ hasText: of });
  let last = Number.NaN;
  await person.waits(`to see ${of} move`, () => person.time(tile), (now) => {
    const moved = now > last;
    last = now;
    return moved;
  });
}

test('a lesson over two cities, from the waiting room to the register', BOUNDED, async () => {
  const ada = await signedIn('Ada Obi', 'lagos');
  const bayo = await signedIn('Bayo Adeyemi', 'abuja');
  await Promise.all([opens(ada, LESSON), opens(bayo, LESSON)]);

  // The host begins it; a student waits, is let in, and comes by the other city.
  const adaCame = { asked: Date.now(), there: 0 };
  await ada.at('join').click();
  await ada.isIn();
  adaCame.there = Date.now();
  await bayo.at('join').click();
  await bayo.at('lobby').waitFor();
  await ada.at('toggle-people').click();
  const bayoCame = { asked: Date.now(), there: 0 };
  await ada.at('admit').click();
  await bayo.isIn();
  bayoCame.there = Date.now();
  assert.deepEqual([await cities.participants('lagos'), await cities.participants('abuja')], [1, 1]);
  await Promise.all([sees(ada, 'Bayo Adeyemi'), sees(bayo, 'Ada Obi')]);
  await ada.waits('to read where Bayo is', () => member(ada, 'Bayo Adeyemi').getAttribute('data-region'), (region) => region === 'abuja');
  await ada.photograph(`${ARTEFACTS}two-cities.png`, DESKTOP);
  // Whoever hosts nothing reads it too, from the room itself.
  await bayo.at('toggle-people').click();
  await bayo.waits('to read where Ada is', () => member(bayo, 'Ada Obi').getAttribute('data-region'), (region) => region === 'lagos');
  assert.equal(await bayo.page.locator('[data-testid="city"][data-region="lagos"]').getAttribute('data-people'), '1');

  // What is written is read.
  await bayo.opensChat();
  await bayo.says('The spoon shows me upside down');
  await ada.opensChat();
  await ada.reads('The spoon shows me upside down');

  // The host mutes, locks, removes.
  await ada.at('toggle-people').click();
  await member(ada, 'Bayo Adeyemi').getByTestId('mute').click();
  await ada.waits('for Bayo to be muted', () => member(ada, 'Bayo Adeyemi').getAttribute('data-muted'), (muted) => muted === 'true');
  await ada.at('lock').click();
  await ada.at('locked').waitFor();
  const chidi = await signedIn('Chidi Okafor', 'lagos');
  await opens(chidi, LESSON);
  await chidi.at('join').click();
  await chidi.at('refusal').waitFor();
  assert.equal(await chidi.attribute('refusal', 'data-reason'), 'locked');
  const remove = member(ada, 'Bayo Adeyemi').getByTestId('remove');
  const bayoWent = { leaving: Date.now(), gone: 0 };
  await remove.click();
  await remove.click(); // It asks once more.
  await bayo.waits('to be out', () => bayo.at('meeting').count(), (count) => count === 0);
  bayoWent.gone = Date.now();

  // The host ends it for all; the register is right, and what was said stands in it once.
  const adaWent = await endsForAll(ada);
  const lines = {
    ada: await registered(ada, 'Ada Obi'),
    bayo: await registered(ada, 'Bayo Adeyemi'),
    chidi: await registered(ada, 'Chidi Okafor'),
  };
  assert.deepEqual(lines.chidi, { attendance: 'absent', ms: 0 });
  assert.equal(lines.bayo.attendance, 'present');
  isRight(lines.bayo.ms, bayoCame, bayoWent, 'Bayo');
  isRight(lines.ada.ms, adaCame, adaWent, 'Ada');
  await isKeptOnce(ada, 'The spoon shows me upside down');
  await ada.photograph(`${ARTEFACTS}register.png`, DESKTOP);
  for (const person of [ada, bayo, chidi]) await person.page.context().close();
});

test('a meeting begins and goes on while Convex answers nobody, and all of it is told afterwards', BOUNDED, async () => {
  const ada = await signedIn('Ada Obi', 'lagos');
  const bayo = await signedIn('Bayo Adeyemi', 'abuja');
  await ada.at('new-meeting').click();
  await ada.at('kind-scheduled').click();
  await ada.at('title').fill(CHOIR);
  await ada.page.locator('[data-testid="ask"][data-name="Bayo Adeyemi"] input').check();
  await ada.at('waiting-room').uncheck();
  await ada.at('create').click();
  await ada.at('join').waitFor();
  await ada.page.getByRole('button', { name: 'All meetings' }).click();
  // Both pages hold a pass to it; the workers may not have heard of it yet.
  for (const person of [ada, bayo]) {
    await person.page.waitForFunction((title) => (localStorage.getItem('meeting.invitations') ?? '').includes(title), CHOIR);
  }

  const goOn = await cities.silenceConvex();
  const silentAt = Date.now();
  const came = new Map();
  try {
    for (const person of [ada, bayo]) {
      await person.page.reload();
      const asked = Date.now();
      await person.at('join-by-pass').first().click({ timeout: 30_000 });
      await person.isIn();
      came.set(person, { asked, there: Date.now() });
    }
    await Promise.all([sees(ada, 'Bayo Adeyemi'), sees(bayo, 'Ada Obi')]);
    await bayo.opensChat();
    await bayo.says('Nobody takes notes now');
    await ada.opensChat();
    await ada.reads('Nobody takes notes now');
    await cities.until('Convex to have been away for long', () => Date.now() - silentAt, (ms) => ms > AWAY_MS, 2 * AWAY_MS);
  } finally {
    goOn();
  }
  await Promise.all([sees(ada, 'Bayo Adeyemi'), sees(bayo, 'Ada Obi')]);
  const went = new Map();
  for (const person of [bayo, ada]) {
    const leaving = Date.now();
    await person.at('leave').click();
    await person.waits('to be out', () => person.at('meeting').count(), (count) => count === 0);
    went.set(person, { leaving, gone: Date.now() });
  }
  await opens(ada, CHOIR);
  await ada.at('end').click();
  for (const person of [ada, bayo]) {
    const { attendance, ms } = await registered(ada, person.name);
    assert.equal(attendance, 'present');
    isRight(ms, came.get(person), went.get(person), person.name);
  }
  await isKeptOnce(ada, 'Nobody takes notes now');
});

test('a host changes a meeting, and whoever is asked sees it so', BOUNDED, async () => {
  const ada = await signedIn('Ada Obi', 'lagos');
  const bayo = await signedIn('Bayo Adeyemi', 'abuja');
  await ada.at('new-meeting').click();
  await ada.at('kind-scheduled').click();
  await ada.at('title').fill('Draughts');
  await ada.at('password').fill('castle');
  await ada.at('create').click();
  await ada.at('edit').click();
  await ada.at('title').fill(CHESS);
  await ada.at('minutes').selectOption('90');
  await ada.page.locator('[data-testid="ask"][data-name="Bayo Adeyemi"] input').check();
  await ada.at('waiting-room').uncheck();
  await ada.at('no-password').check();
  await ada.at('save').click();
  await ada.page.getByRole('heading', { name: CHESS }).waitFor();
  await opens(bayo, CHESS);
  await bayo.at('join').waitFor();
  assert.equal(await bayo.at('password').count(), 0);
  assert.equal(await bayo.at('edit').count(), 0);

  // What is changed while it is looked at is seen at once, and what is not changed stays.
  await ada.at('edit').click();
  assert.equal(await ada.at('minutes').inputValue(), '90');
  await ada.at('password').fill('rook');
  await ada.at('save').click();
  await bayo.at('password').waitFor();
  await bayo.page.getByRole('heading', { name: CHESS }).waitFor();
  for (const person of [ada, bayo]) await person.page.context().close();
});

test('before a meeting the connection is checked with the nearest city', BOUNDED, async () => {
  const bayo = await signedIn('Bayo Adeyemi', 'abuja');
  await bayo.page.locator('[data-testid="meeting-row"]').first().click();
  await bayo.at('check-connection').click();
  await until('the verdict', () => bayo.attribute('connection-check', 'data-state'), (state) => state === 'done', { timeoutMs: 60_000 });
  const told = async (/** @type {string} */ what) => bayo.attribute('connection-check', `data-${what}`);
  assert.deepEqual([await told('signalling'), await told('udp')], ['works', 'works']);
  const words = await bayo.at('connection-check').innerText();
  assert.match(words, /To abuja\n+\d+ ms/);
  assert.match(words, /To lagos\n+can’t be told/);
  await bayo.at('connection-check').scrollIntoViewIfNeeded();
  await bayo.page.screenshot({ path: `${ARTEFACTS}meeting-check.png` });
  await bayo.page.context().close();
});

/**
 * Somebody came between asking for it and being there, and went between asking for that and being gone: more than that
 * cannot be seen from outside.
 * @param {number} ms
 * @param {{asked: number, there: number}} came
 * @param {{leaving: number, gone: number}} went
 * @param {string} who
 */
function isRight(ms, came, went, who) {
  const [least, most] = [went.leaving - came.there, went.gone - came.asked];
  const right = ms >= least - REGISTER_MS && ms <= most + REGISTER_MS;
  assert(right, `${who} was there for ${least} to ${most} ms, and the register says ${ms}`);
}
