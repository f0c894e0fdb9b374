// @ts-check
/**
 * What a file of tests plays on: a worker, a browser and the bare pages, all started for it and stopped after it.
 * Where `CITIES` names some, there is a worker in each, linked to the others, and participants take turns on them.
 */

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { CAMERAS, launchChromium } from './chromium.js';
import { EdgeWorker } from './edge-worker.js';
import { Fleet } from './fleet.js';
import { Pages } from './pages.js';
import { Participant } from './participant.js';

/** Options of a test that plays on a stage: every wait has its own bound, this one is for a browser that hangs. */
export const BOUNDED = { timeout: 180_000 };

/** Such as `kano,lagos`. */
const CITIES = (process.env.CITIES ?? '').split(',').filter(Boolean);

export class Stage {
  /** The first one. @type {EdgeWorker} */
  worker = /** @type {any} */ (null);
  /** @type {Fleet | null} */
  fleet = null;
  /** @type {import('playwright-core').Browser} */
  browser = /** @type {any} */ (null);
  /** @type {Pages} */
  pages = /** @type {any} */ (null);

  participants = 0;

  /**
   * @param {NodeJS.ProcessEnv} [environment] further settings of the workers
   * @param {readonly string[]} [cities] where there is a worker; none: one worker that has no links
   */
  constructor(environment = {}, cities = CITIES) {
    this.environment = environment;
    this.cities = cities;
  }

  /**
   * Sets the stage for the tests of the calling file.
   * @param {NodeJS.ProcessEnv} [environment] further settings of the workers
   * @param {readonly string[]} [cities] where there is a worker
   */
  static forThisFile(environment = {}, cities = CITIES) {
    const stage = new Stage(environment, cities);
    before(() => stage.set());
    after(() => stage.clear());
    return stage;
  }

  async set() {
    if (this.cities.length) this.fleet = await Fleet.start(this.cities, { environment: this.environment });
    this.worker = this.fleet?.nodes[0] ?? (await EdgeWorker.start(this.environment));
    this.pages = await Pages.serve();
    this.browser = await launchChromium();
  }

  async clear() {
    await this.browser?.close();
    this.pages?.close();
    if (!this.worker) return;
    const { workers } = this;
    const codes = this.fleet ? await this.fleet.stop() : [await this.worker.stop()];
    workers.forEach(({ program }, index) => {
      const panic = program.lines.findIndex((line) => line.includes('panicked'));
      assert(panic < 0, `the worker panicked\n${program.lines.slice(panic, panic + 20).join('\n')}`);
      assert.equal(codes[index], 0, `the worker did not stop cleanly\n${program.tail()}`);
    });
  }

  get workers() {
    return this.fleet?.nodes ?? [this.worker];
  }

  /**
   * A participant with a page of its own, not yet in the room.
   * @param {string} room
   * @param {string} identity
   * @param {import('./pages.js').Version} version
   * @param {EdgeWorker} [worker] the next one in turn unless told
   */
  async participant(room, identity, version, worker = this.workers[this.participants % this.workers.length]) {
    const page = await this.page();
    await page.goto(this.pages.address(version));
    await page.waitForFunction(() => window.call);
    this.participants += 1;
    return new Participant(page, worker, room, identity, CAMERAS[this.participants % CAMERAS.length]);
  }

  /** An empty page that shares nothing with the others. */
  async page() {
    const context = await this.browser.newContext({ permissions: ['camera', 'microphone'] });
    return context.newPage();
  }

  /**
   * Closes the pages of a call, so that the next one has the machine to itself.
   * @param {Participant[]} participants
   */
  async dismiss(...participants) {
    await Promise.all(participants.map(({ page }) => page.context().close()));
  }
}
