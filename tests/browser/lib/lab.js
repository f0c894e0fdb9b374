// @ts-check
/**
 * The network lab for browser tests: participants whose browsers run in network namespaces of their own, behind links
 * that can be changed while they call. The emulator is the `lab` command; see `tests/lab --help` for its words.
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CAMERAS, FLAGS, launchChromium } from './chromium.js';
import { EdgeWorker } from './edge-worker.js';
import { Participant } from './participant.js';

/** Built by `tests/run`. */
const BINARY = process.env.LAB ?? fileURLToPath(new URL('../../../target/debug/lab', import.meta.url));
const PAGES = fileURLToPath(new URL('lab-pages.js', import.meta.url));
const CHROMIUM = fileURLToPath(new URL('lab-chromium', import.meta.url));
/** What `lab check` ends with where no lab can be had. */
const SKIPPED = 3;

/** @typedef {{ name: string, namespace: string, address: string, hub: string }} Client */
/**
 * @typedef {object} Row what became of the packets of one direction of a link
 * @property {string} name
 * @property {'down' | 'up'} way
 * @property {string} conditions
 * @property {number} packets
 * @property {number} delivered
 * @property {number} delivered_bytes
 * @property {Record<string, number>} dropped
 * @property {number} queue_p50_ms
 * @property {number} queue_p99_ms
 * @property {number} late_p99_ms how late the machine itself was
 */

/** Why no lab can be had here, as a test's `skip`; `false` if it can. */
export function missing() {
  const { status, stdout, error } = spawnSync(BINARY, ['check'], { encoding: 'utf8' });
  if (error) throw new Error(`${BINARY} does not start (build it: cargo build -p e2e --bin lab): ${error.message}`);
  return status === SKIPPED ? `SKIP: ${stdout.trim()}` : false;
}

/** A lab that runs; it removes what it made when this process ends, however that comes. */
export class Lab {
  /** @type {((line: string) => void)[]} answers come in the order of what was asked */
  waiting = [];
  hub = '';

  constructor() {
    this.child = spawn(BINARY, ['serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.(line));
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.ended.then(() => this.waiting.forEach((answer) => answer('{"error":"the lab ended"}')));
  }

  static async start() {
    const lab = new Lab();
    const greeting = await lab.answer();
    lab.hub = greeting.hub;
    return lab;
  }

  /**
   * A new client behind a link.
   * @param {string} name
   * @param {string[]} changes such as `network=3g` or `down.rate=300kbit`
   * @returns {Promise<Client>}
   */
  async add(name, ...changes) {
    const { added } = await this.ask(['add', name, ...changes].join(' '));
    return added;
  }

  /**
   * Changes links that run.
   * @param {string[]} changes such as `ada.blackhole=on`
   */
  async set(...changes) {
    await this.ask(['set', ...changes].join(' '));
  }

  /** @returns {Promise<Row[]>} what became of all packets */
  async links() {
    return (await this.ask('show')).links;
  }

  /** @returns {Promise<string>} the same for people */
  async table() {
    return (await this.ask('table')).table;
  }

  /** @param {string} line */
  ask(line) {
    const answer = this.answer();
    this.child.stdin.write(`${line}\n`);
    return answer;
  }

  /** @returns {Promise<any>} */
  async answer() {
    const line = await new Promise((resolve) => this.waiting.push(resolve));
    const answer = JSON.parse(/** @type {string} */ (line));
    if (answer.error) throw new Error(`the lab: ${answer.error}`);
    return answer;
  }

  async stop() {
    this.child.stdin.end();
    await this.ended;
  }
}

/** One client of the lab: its browser and its pages, both within its namespace. */
class Seat {
  /**
   * @param {Client} client
   * @param {import('playwright-core').Browser} browser
   * @param {import('node:child_process').ChildProcess} pages
   * @param {string} origin where it finds the pages
   */
  constructor(client, browser, pages, origin) {
    this.client = client;
    this.browser = browser;
    this.pages = pages;
    this.origin = origin;
  }

  /**
   * @param {Client} client
   * @param {string[]} flags of its browser, beside the usual ones
   */
  static async take(client, flags) {
    const within = ['netns', 'exec', client.namespace, process.execPath, PAGES];
    const pages = spawn('ip', within, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: pages.stdout });
    const origin = await new Promise((resolve, reject) => {
      lines.once('line', resolve);
      pages.once('exit', () => reject(new Error(`no pages are served in ${client.namespace}`)));
    });
    const env = { ...process.env, LAB_NAMESPACE: client.namespace };
    const args = [...FLAGS, ...flags];
    const browser = await launchChromium({ executablePath: CHROMIUM, args, env: /** @type {any} */ (env) });
    return new Seat(client, browser, pages, origin);
  }

  async leave() {
    await this.browser.close();
    this.pages.stdin?.end();
  }
}

/** What a file of tests in the lab plays on: a worker on this machine, and browsers behind links to it. */
export class LabStage {
  /** @type {Lab} */
  lab = /** @type {any} */ (null);
  /** @type {EdgeWorker} */
  worker = /** @type {any} */ (null);
  /** @type {Map<string, Seat>} */
  seats = new Map();

  /**
   * @param {object} [other] than usual
   * @param {(hub: string) => NodeJS.ProcessEnv} [other.settings] of the worker, which is reached at `hub`
   * @param {(hub: string) => string} [other.url] where clients find it
   * @param {string[]} [other.flags] of browsers
   */
  constructor({ settings = () => ({}), url, flags = [] } = {}) {
    this.settings = settings;
    this.url = url ?? ((hub) => `ws://${hub}:${this.worker.ports.http}`);
    this.flags = flags;
  }

  /**
   * Sets the stage for the tests of the calling file.
   * @param {string | false} skip nothing is set where no lab can be had
   */
  static forThisFile(skip) {
    const stage = new LabStage();
    if (skip) return stage;
    before(() => stage.set());
    after(() => stage.clear());
    return stage;
  }

  async set() {
    this.lab = await Lab.start();
    this.worker = await EdgeWorker.start({
      EDGE_HTTP__BIND: '0.0.0.0',
      EDGE_RTC__BIND: '0.0.0.0',
      EDGE_RTC__ADVERTISE: `["${this.lab.hub}"]`,
      ...this.settings(this.lab.hub),
    });
    this.worker.url = this.url(this.lab.hub);
  }

  async clear() {
    await Promise.all([...this.seats.values()].map((seat) => seat.leave()));
    const code = await this.worker?.stop();
    await this.lab?.stop();
    if (this.worker) assert.equal(code, 0, `the worker did not stop cleanly\n${this.worker.program.tail()}`);
  }

  /**
   * A participant in a browser of its own behind a link of its own, not yet in the room. Whoever has been here under
   * that name before has the same browser and link again, changed as asked.
   * @param {string} room
   * @param {string} identity
   * @param {import('./pages.js').Version} version
   * @param {string[]} changes what the link is like
   */
  async participant(room, identity, version, ...changes) {
    const seat = this.seats.get(identity) ?? (await Seat.take(await this.lab.add(identity), this.flags));
    this.seats.set(identity, seat);
    // Whatever an earlier test asked for goes first.
    const wire = ['rate=none', 'queue=300ms', 'delay=0ms', 'jitter=0ms', 'loss=0%', 'burst=none', 'reorder=none', 'udp=on', 'blackhole=off', 'rebind=none'];
    await this.lab.set(...[...wire, ...changes].map((change) => `${identity}.${change}`));
    const context = await seat.browser.newContext({ permissions: ['camera', 'microphone'] });
    const page = await context.newPage();
    await page.goto(`${seat.origin}/${version}/`);
    await page.waitForFunction(() => window.call);
    return new Participant(page, this.worker, room, identity, CAMERAS[0]);
  }

  /** @param {import('./participant.js').Participant[]} participants */
  async dismiss(...participants) {
    await Promise.all(participants.map(({ page }) => page.context().close()));
  }
}
