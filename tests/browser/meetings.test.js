// @ts-check
/** A lesson over two cities, from signing in to the register, with everything as `deploy/local/up` starts it. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { launchChromium } from './lib/chromium.js';
import { Person } from './lib/meeting-page.js';
import { TwoCities } from './lib/two-cities.js';

/** The whole of it, on a busy machine. */
const BOUNDED = { timeout: 300_000 };
const DESKTOP = { width: 1280, height: 800 };
const LESSON = 'Physics: light and lenses';
/** What the register may differ from what the person saw: pages connect and leave in moments, not at once. */
const REGISTER_MS = 2_500;
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
  const person = new Person(page, /** @type {any} */ (cities), name);
  await page.goto(cities.origin);
  await page.locator(`[data-testid="person"][data-name="${name}"]`).click();
  await page.getByTestId('meeting-row').filter({ hasText: LESSON }).first().click();
  await person.at('join').waitFor();
  return person;
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

  // The host begins it; a student waits, is let in, and comes by the other city.
  await ada.at('join').click();
  await ada.isIn();
  const adaCameAt = Date.now();
  await bayo.at('join').click();
  await bayo.at('lobby').waitFor();
  await ada.at('toggle-people').click();
  await ada.at('admit').click();
  await bayo.isIn();
  const bayoCameAt = Date.now();
  assert.deepEqual([await cities.participants('lagos'), await cities.participants('abuja')], [1, 1]);
  await Promise.all([sees(ada, 'Bayo Adeyemi'), sees(bayo, 'Ada Obi')]);
  await ada.waits('to read where Bayo is', () => member(ada, 'Bayo Adeyemi').getAttribute('data-region'), (region) => region === 'abuja');
  await ada.photograph(`${ARTEFACTS}two-cities.png`, DESKTOP);

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
  await chidi.at('join').click();
  await chidi.at('refusal').waitFor();
  assert.equal(await chidi.attribute('refusal', 'data-reason'), 'locked');
  const remove = member(ada, 'Bayo Adeyemi').getByTestId('remove');
  await remove.click();
  await remove.click(); // It asks once more.
  await bayo.waits('to be out', () => bayo.at('meeting').count(), (count) => count === 0);
  const bayoWentAt = Date.now();

  // The host ends it for all; the register is right, and what was said stands in it once.
  await ada.at('end-for-all').click();
  await ada.at('end-for-all').click();
  await ada.waits('to be out', () => ada.at('meeting').count(), (count) => count === 0);
  const adaWentAt = Date.now();
  await ada.at('register-line').first().waitFor({ timeout: 45_000 });
  /** @param {string} name */
  const line = async (name) => {
    const shown = ada.page.locator(`[data-testid="register-line"][data-name="${name}"]`);
    await shown.waitFor();
    return { attendance: await shown.getAttribute('data-attendance'), ms: Number(await shown.getAttribute('data-present-ms')) };
  };
  const lines = { ada: await line('Ada Obi'), bayo: await line('Bayo Adeyemi'), chidi: await line('Chidi Okafor') };
  assert.equal(lines.chidi.attendance, 'absent');
  assert.equal(lines.chidi.ms, 0);
  assert.equal(lines.bayo.attendance, 'present');
  near(lines.bayo.ms, bayoWentAt - bayoCameAt, 'Bayo');
  near(lines.ada.ms, adaWentAt - adaCameAt, 'Ada');
  const said = await ada.at('said').allTextContents();
  assert.equal(said.filter((text) => text.includes('The spoon shows me upside down')).length, 1, said.join('\n'));
  await ada.photograph(`${ARTEFACTS}register.png`, DESKTOP);
});

/**
 * @param {number} ms
 * @param {number} expected
 * @param {string} who
 */
function near(ms, expected, who) {
  assert(Math.abs(ms - expected) <= REGISTER_MS, `${who} was there for ${expected} ms, and the register says ${ms}`);
}
