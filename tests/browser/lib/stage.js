// @ts-check
/** What a file of tests plays on: a worker, a browser and the bare pages, all started for it and stopped after it. */

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { CAMERAS, launchChromium } from './chromium.js';
import { EdgeWorker } from './edge-worker.js';
import { Pages } from './pages.js';
import { Participant } from './participant.js';

/** Options of a test that plays on a stage: every wait has its own bound, this one is for a browser that hangs. */
export const BOUNDED = { timeout: 180_000 };

export class Stage {
  /** @type {EdgeWorker} */
  worker = /** @type {any} */ (null);
  /** @type {import('playwright-core').Browser} */
  browser = /** @type {any} */ (null);
  /** @type {Pages} */
  pages = /** @type {any} */ (null);

  participants = 0;

  /** @param {NodeJS.ProcessEnv} [environment] further settings of the worker */
  constructor(environment = {}) {
    this.environment = environment;
  }

  /**
   * Sets the stage for the tests of the calling file.
   * @param {NodeJS.ProcessEnv} [environment] further settings of the worker
   */
  static forThisFile(environment = {}) {
    const stage = new Stage(environment);
    before(() => stage.set());
    after(() => stage.clear());
    return stage;
  }

  async set() {
    this.worker = await EdgeWorker.start(this.environment);
    this.pages = await Pages.serve();
    this.browser = await launchChromium();
  }

  async clear() {
    await this.browser?.close();
    this.pages?.close();
    if (!this.worker) return;
    const code = await this.worker.stop();
    const { lines } = this.worker.program;
    const panic = lines.findIndex((line) => line.includes('panicked'));
    assert(panic < 0, `the worker panicked\n${lines.slice(panic, panic + 20).join('\n')}`);
    assert.equal(code, 0, `the worker did not stop cleanly\n${this.worker.program.tail()}`);
  }

  /**
   * A participant with a page of its own, not yet in the room.
   * @param {string} room
   * @param {string} identity
   * @param {import('./pages.js').Version} version
   */
  async participant(room, identity, version) {
    const page = await this.page();
    await page.goto(this.pages.address(version));
    await page.waitForFunction(() => window.call);
    this.participants += 1;
    return new Participant(page, this.worker, room, identity, CAMERAS[this.participants % CAMERAS.length]);
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
