// @ts-check
/** One edge worker in development mode, on ports of its own. */

import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AccessToken } from 'livekit-server-sdk';
import { freeTcpPort, freeUdpPorts } from './ports.js';
import { Program } from './program.js';
import { until } from './until.js';

/** Where `tests/run` builds to. */
export const TARGET = new URL('../../../target/debug/', import.meta.url);
/** A release build can be put in its place. */
const BINARY = process.env.EDGE_WORKER ?? fileURLToPath(new URL('edge-worker', TARGET));
/** The peer on an independent WebRTC implementation. */
const RUST_PEER = process.env.RUST_PEER ?? fileURLToPath(new URL('rust-peer', TARGET));

/** What development mode always uses. */
export const KEY = 'devkey';
export const SECRET = 'secret';

/** One for everything a worker listens on. */
async function freePorts() {
  return { http: await freeTcpPort(), udp: await freeUdpPorts(), tcp: await freeTcpPort(), admin: await freeTcpPort() };
}

export class EdgeWorker {
  /**
   * @param {Program} program
   * @param {{ http: number, udp: number, tcp: number, admin: number }} ports
   */
  constructor(program, ports) {
    this.program = program;
    this.ports = ports;
    this.url = `ws://127.0.0.1:${ports.http}`;
  }

  /**
   * @param {NodeJS.ProcessEnv} [environment] further settings
   * @param {{ http: number, udp: number, tcp: number, admin: number }} [taken] those of a worker that ended
   */
  static async start(environment = {}, taken = undefined) {
    const ports = taken ?? await freePorts();
    const program = await Program.start(BINARY, ['dev'], {
      EDGE_HTTP__PORT: String(ports.http),
      EDGE_RTC__UDP_PORT: String(ports.udp),
      EDGE_RTC__TCP_PORT: String(ports.tcp),
      EDGE_ADMIN__PORT: String(ports.admin),
      ...environment,
    });
    const worker = new EdgeWorker(program, ports);
    await worker.until('the worker says it is ready', () => worker.ready(), (ready) => ready);
    return worker;
  }

  /** @returns {Promise<boolean>} */
  async ready() {
    if (!this.program.running) throw new Error(`the worker did not start\n${this.program.tail()}`);
    const answer = await fetch(`http://127.0.0.1:${this.ports.admin}/readyz`).catch(() => null);
    return answer?.ok ?? false;
  }

  /**
   * What the worker needs of the machine, measured over `ms`.
   * @param {number} ms
   * @returns {Promise<{ cpuPercent: number, memoryMiB: number }>} 100 % is one core
   */
  async load(ms) {
    const before = await this.program.cpuMs();
    const started = performance.now();
    await pause(ms);
    const cpuMs = (await this.program.cpuMs()) - before;
    return { cpuPercent: (100 * cpuMs) / (performance.now() - started), memoryMiB: await this.program.memoryMiB() };
  }

  /**
   * A token to join `room` with, signed as an app would.
   * @param {string} room
   * @param {string} identity
   * @param {string} [secret]
   */
  async token(room, identity, secret = SECRET) {
    const token = new AccessToken(KEY, secret, { identity, name: identity, ttl: '1h' });
    token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true });
    return token.toJwt();
  }

  /**
   * A participant that is no browser; it ends by itself after `seconds`.
   * @param {string} room
   * @param {string} identity
   * @param {number} seconds
   */
  async rustPeer(room, identity, seconds) {
    const token = await this.token(room, identity);
    return Program.start(RUST_PEER, [
      '--url', this.url, '--token', token, '--publish', 'audio,video', '--seconds', String(seconds),
    ]);
  }

  /**
   * Waits, and shows the worker's last lines if it waited in vain.
   * @template T
   * @param {string} what
   * @param {() => T | Promise<T>} probe
   * @param {(value: T) => unknown} accept
   * @param {number} [timeoutMs]
   * @returns {Promise<T>}
   */
  until(what, probe, accept, timeoutMs) {
    return until(what, probe, accept, { timeoutMs, explain: () => this.program.tail() });
  }

  stop() {
    return this.program.stop();
  }
}
