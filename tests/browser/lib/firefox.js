// @ts-check
/**
 * Debian's Firefox, headless, with a fake camera and microphone that nobody is asked about. It is the stock browser,
 * so it is driven by what it speaks itself: WebDriver BiDi. Only what the tests of a call need of that is here.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { Program } from './program.js';
import { until } from './until.js';

const EXECUTABLE = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
/** A browser with an empty profile on a busy machine. */
const START_MS = 60_000;
/** No command here waits for a call to get somewhere: what takes longer than this hangs. */
const ANSWER_MS = 60_000;

const PREFERENCES = {
  // Devices that need no hardware and no consent.
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  // No page may starve because another is in front.
  'dom.min_background_timeout_value': 4,
  'dom.timeout.enable_budget_timer_throttling': false,
  'media.suspend-bkgnd-video.enabled': false,
  // It talks to nobody but the test and the worker.
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.update.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'media.gmp-manager.url': '',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

/** An address of this machine at which Firefox finds a worker: it pairs none of its candidates with a loopback one. */
export function addressForFirefox() {
  const addresses = Object.values(networkInterfaces()).flatMap((known) => known ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

export class Firefox {
  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
  waiting = new Map();
  commands = 0;

  /**
   * @param {Program} program
   * @param {string} profile
   * @param {WebSocket} socket
   */
  constructor(program, profile, socket) {
    this.program = program;
    this.profile = profile;
    this.socket = socket;
    socket.on('message', (text) => this.take(JSON.parse(String(text))));
    socket.on('close', () => this.waiting.forEach(({ reject }) => reject(new Error(`Firefox is gone\n${program.tail()}`))));
  }

  /** A fresh browser with an empty profile of its own. */
  static async launch() {
    const profile = await mkdtemp(join(tmpdir(), 'firefox-'));
    const lines = Object.entries(PREFERENCES).map((preference) => `user_pref(${preference.map((word) => JSON.stringify(word)).join(', ')});`);
    await writeFile(join(profile, 'user.js'), lines.join('\n'));
    const program = await Program.start(EXECUTABLE, [
      '--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank',
    ], { MOZ_CRASHREPORTER_DISABLE: '1', HOME: profile }); // it refuses a home that is somebody else's
    const listening = /WebDriver BiDi listening on (ws:\S+)/;
    const address = await until('Firefox to listen', () => {
      if (!program.running) throw new Error(program.tail());
      return program.lines.map((line) => line.match(listening)?.[1]).find(Boolean);
    }, Boolean, { timeoutMs: START_MS, explain: () => program.tail() });
    const socket = new WebSocket(`${address}/session`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const firefox = new Firefox(program, profile, socket);
    await firefox.ask('session.new', { capabilities: {} });
    return firefox;
  }

  /**
   * One command of WebDriver BiDi, and what is answered.
   * @param {string} method
   * @param {object} params
   * @returns {Promise<any>}
   */
  ask(method, params) {
    const id = (this.commands += 1);
    const answer = new Promise((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error(`Firefox does not answer ${method}`)), ANSWER_MS);
      const settled = (/** @type {(value: any) => void} */ settle) => (/** @type {any} */ value) => {
        clearTimeout(patience);
        this.waiting.delete(id);
        settle(value);
      };
      this.waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
    });
    this.socket.send(JSON.stringify({ id, method, params }));
    return answer;
  }

  /** @param {{ type: string, id: number, result: unknown, error: string, message: string }} answer */
  take({ type, id, result, error, message }) {
    if (type === 'success') this.waiting.get(id)?.resolve(result);
    if (type === 'error') this.waiting.get(id)?.reject(new Error(`${error}: ${message}`));
  }

  /** A page that shares no storage with others. */
  async newPage() {
    const { userContext } = await this.ask('browser.createUserContext', {});
    const { context } = await this.ask('browsingContext.create', { type: 'tab', userContext });
    return new FirefoxPage(this, userContext, context);
  }

  async close() {
    this.socket.close();
    await this.program.stop();
    // Its helpers outlive it by a moment, in which they may still write.
    await rm(this.profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** One tab, with as much of Playwright's interface as a {@link import('./participant.js').Participant} uses. */
export class FirefoxPage {
  /**
   * @param {Firefox} firefox
   * @param {string} userContext
   * @param {string} id
   */
  constructor(firefox, userContext, id) {
    this.firefox = firefox;
    this.userContext = userContext;
    this.id = id;
  }

  /** @param {string} url */
  async goto(url) {
    await this.firefox.ask('browsingContext.navigate', { context: this.id, url, wait: 'complete' });
  }

  /**
   * Runs a function in the page. What goes in and comes out is copied as JSON.
   * @template [A=void]
   * @template [T=unknown]
   * @param {(argument: A) => T | Promise<T>} work
   * @param {A} [argument]
   * @returns {Promise<T>}
   */
  async evaluate(work, argument) {
    const { type, result, exceptionDetails } = await this.firefox.ask('script.callFunction', {
      functionDeclaration: `async (given) => JSON.stringify(await (${work})(given && JSON.parse(given)))`,
      arguments: [{ type: 'string', value: JSON.stringify(argument) ?? '' }],
      awaitPromise: true,
      target: { context: this.id },
    });
    if (type === 'exception') throw new Error(`in the page: ${exceptionDetails.text}`);
    return result.type === 'string' ? JSON.parse(result.value) : /** @type {any} */ (undefined);
  }

  /** @returns {Promise<Buffer>} a PNG */
  async screenshot() {
    const { data } = await this.firefox.ask('browsingContext.captureScreenshot', { context: this.id });
    return Buffer.from(data, 'base64');
  }

  context() {
    return { close: () => this.firefox.ask('browser.removeUserContext', { userContext: this.userContext }) };
  }
}
