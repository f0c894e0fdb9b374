// @ts-check
/** The meeting page as a person uses it: by what can be seen and clicked, never by what is behind it. */

import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { freeTcpPort } from './ports.js';
import { Program } from './program.js';

const WEB = fileURLToPath(new URL('../../../deploy/local/web/', import.meta.url));

/** The page's own server, which signs the tokens. */
export class MeetingServer {
  /**
   * @param {Program} program
   * @param {string} origin
   */
  constructor(program, origin) {
    this.program = program;
    this.origin = origin;
  }

  /**
   * @param {import('./edge-worker.js').EdgeWorker} worker
   * @param {{ secret: string }} [options]
   */
  static async start(worker, { secret } = { secret: 'secret' }) {
    await access(`${WEB}dist/index.html`).catch(() => {
      throw new Error('the meeting page is not built: in deploy/local/web run npm ci and npm run build (tests/run does)');
    });
    const port = await freeTcpPort();
    const program = await Program.start(process.execPath, ['server.mjs', '--port', String(port)], {
      LIVEKIT_URL: worker.url,
      LIVEKIT_API_KEY: 'devkey',
      LIVEKIT_API_SECRET: secret,
    }, WEB);
    const origin = `http://127.0.0.1:${port}`;
    await worker.until('the page to be served', () => {
      if (!program.running) throw new Error(program.tail());
      return fetch(origin).then(({ ok }) => ok, () => false);
    }, (ok) => ok);
    return new MeetingServer(program, origin);
  }

  stop() {
    return this.program.stop();
  }
}

/** One person at the meeting page. */
export class Person {
  /**
   * @param {import('playwright-core').Page} page
   * @param {import('./edge-worker.js').EdgeWorker} worker
   * @param {string} name
   */
  constructor(page, worker, name) {
    this.page = page;
    this.worker = worker;
    this.name = name;
  }

  /** @param {string} id */
  at(id) {
    return this.page.getByTestId(id);
  }

  /**
   * Opens the page, says who it is, sees itself and joins.
   * @param {string} address the page, or an invite link
   * @param {string} [room] typed in, unless the invite names it
   */
  async join(address, room) {
    await this.page.goto(address);
    await this.at('name').fill(this.name);
    if (room !== undefined) await this.at('room').fill(room);
    await this.page.locator('[data-testid="prejoin-preview"][data-camera="on"][data-microphone="on"]').waitFor();
    await this.at('join').click();
  }

  async isIn() {
    await this.waits('to be in the call', () => this.attribute('connection-state', 'data-state'), (state) => state === 'connected');
  }

  /**
   * What is on the page now, without waiting for it.
   * @param {string} id
   * @param {string} attribute
   */
  async attribute(id, attribute) {
    const [first] = await this.at(id).all();
    return first?.getAttribute(attribute, { timeout: 1_000 }).catch(() => null);
  }

  /** @param {number} count */
  async counts(count) {
    await this.waits(`to count ${count}`, () => this.at('participant-count').textContent(), (text) => text === String(count));
  }

  /**
   * Waits for a picture that moves in someone's tile.
   * @param {string} who the beginning of the identity
   * @param {'camera' | 'screen_share'} [source]
   */
  async seesMove(who, source = 'camera') {
    const tile = this.page.locator(`[data-testid="tile"][data-identity^="${who}"][data-source="${source}"]`);
    let before = Number.NaN;
    await this.waits(`to see ${who}'s ${source} move`, () => this.time(tile), (now) => {
      const moved = now > before;
      before = now;
      return moved;
    });
  }

  /**
   * How far the video in a tile has played.
   * @param {import('playwright-core').Locator} tile
   */
  async time(tile) {
    const video = tile.locator('video').first();
    if ((await video.count()) === 0) return Number.NaN;
    return video.evaluate((/** @type {HTMLVideoElement} */ { videoWidth, currentTime }) => (videoWidth ? currentTime : Number.NaN));
  }

  /** @param {string} text */
  async says(text) {
    await this.at('chat-input').fill(text);
    await this.at('chat-send').click();
  }

  /** @param {string} text */
  async reads(text) {
    await this.waits(`to read "${text}"`, () => this.at('chat-message').allTextContents(), (lines) => lines.some((line) => line.includes(text)));
  }

  /** Opens the chat, if it is not open yet. */
  async opensChat() {
    if (!(await this.at('chat-input').isVisible())) await this.at('toggle-chat').click();
    await this.at('chat-input').waitFor();
  }

  /** Presses the invite button and answers with what it copied. */
  async copiesInvite() {
    await this.page.bringToFront();
    await this.at('invite').click();
    return this.waits('a link on the clipboard', () => this.page.evaluate(() => navigator.clipboard.readText()), (text) => text.startsWith('http'));
  }

  /**
   * Takes a picture of the page and looks whether anything sticks out sideways.
   * @param {string} path
   * @param {{ width: number, height: number }} size
   */
  async photograph(path, size) {
    await this.page.setViewportSize(size);
    await this.page.bringToFront();
    await this.page.screenshot({ path });
    const wide = await this.page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= size.width, `the page is ${wide} px wide on a screen of ${size.width}`);
  }

  /**
   * @template T
   * @param {string} what
   * @param {() => Promise<T>} probe
   * @param {(value: T) => unknown} accept
   */
  waits(what, probe, accept) {
    return this.worker.until(`${this.name} waits ${what}`, probe, accept);
  }
}
