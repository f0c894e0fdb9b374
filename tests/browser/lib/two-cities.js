// @ts-check
/** What `deploy/local/up` starts, as a person starts it: two cities, the local Convex and the page, on ports of its own. */

import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { TARGET } from './edge-worker.js';
import { freeTcpPort } from './ports.js';
import { Program } from './program.js';
import { until } from './until.js';

const UP = fileURLToPath(new URL('../../../deploy/local/up', import.meta.url));
/** It installs packages and builds the page where that was not done yet. */
const START_MS = 170_000;
/** Abuja's ports are so much higher than those of Lagos. */
const SECOND = 100;

export class TwoCities {
  /**
   * @param {Program} program
   * @param {string} folder
   * @param {{ page: number, http: number, admin: number }} ports
   */
  constructor(program, folder, ports) {
    this.program = program;
    this.folder = folder;
    this.ports = ports;
    this.origin = `http://127.0.0.1:${ports.page}`;
  }

  static async start() {
    const folder = await mkdtemp(`${tmpdir()}/two-cities-`);
    const [page, api, site] = [await freeTcpPort(), await freeTcpPort(), await freeTcpPort()];
    const [http, admin, udp, tcp, relay] = [
      await freeTcpPort(), await freeTcpPort(), await freeTcpPort(), await freeTcpPort(), await freeTcpPort(),
    ];
    const program = await Program.start(UP, ['--page-port', String(page)], {
      CONVEX_API_PORT: String(api),
      CONVEX_SITE_PORT: String(site),
      EDGE_HTTP__PORT: String(http),
      EDGE_ADMIN__PORT: String(admin),
      EDGE_RTC__UDP_PORT: String(udp),
      EDGE_RTC__TCP_PORT: String(tcp),
      EDGE_RELAY__PORT: String(relay),
      EDGE_WORKER: fileURLToPath(new URL('edge-worker', TARGET)),
      UP_FOLDER: folder,
    });
    const cities = new TwoCities(program, folder, { page, http, admin });
    await cities.until('everything to be up', () => program.lines.some((line) => line.includes('Ctrl-C stops all')), (up) => up, START_MS);
    return cities;
  }

  /** Where clients reach a city's worker. @param {'lagos' | 'abuja'} city */
  server(city) {
    return `127.0.0.1:${this.ports.http + (city === 'lagos' ? 0 : SECOND)}`;
  }

  /** People connected to a city's worker. @param {'lagos' | 'abuja'} city */
  async participants(city) {
    const port = this.ports.admin + (city === 'lagos' ? 0 : SECOND);
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^edge_joins_total\{outcome="joined"\} (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  /**
   * @template T
   * @param {string} what
   * @param {() => T | Promise<T>} probe
   * @param {(value: T) => unknown} accept
   * @param {number} [timeoutMs]
   */
  until(what, probe, accept, timeoutMs = 20_000) {
    return until(what, () => {
      if (!this.program.running) throw new Error(this.program.tail());
      return probe();
    }, accept, { timeoutMs, explain: () => this.program.tail() });
  }

  /** Stops the local Convex's clockwork: it keeps its connections and answers nobody. Answers with what lets it go on. */
  async silenceConvex() {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (!words.includes('src/main.ts') || !words.includes(this.folder)) continue;
      process.kill(Number(pid), 'SIGSTOP');
      return () => process.kill(Number(pid), 'SIGCONT');
    }
    throw new Error('the local Convex does not run');
  }

  /** The exit code. */
  async stop() {
    const code = await this.program.stop();
    await rm(this.folder, { recursive: true, force: true });
    return code;
  }
}
