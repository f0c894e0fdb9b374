// @ts-check
/** One address before several workers: each connection goes to the next one in turn that takes it. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** How long a worker may take to take a connection: as long as one across a country that has to ask twice. */
const PATIENCE_MS = 1_000;

/** @typedef {import('node:net').Socket} Socket */

export class Balancer {
  /** Whose turn it is. */
  turn = 0;
  /** Ports to which nothing gets through, and from which nothing does. @type {Set<number>} */
  silent = new Set();
  /** @type {Map<number, Set<Socket>>} */
  sockets = new Map();

  /**
   * @param {import('node:net').Server} server
   * @param {number[]} ports of the workers
   */
  constructor(server, ports) {
    this.server = server;
    this.ports = ports;
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    this.url = `ws://127.0.0.1:${port}`;
    server.on('connection', (client) => this.take(client));
  }

  /** @param {number[]} ports */
  static async before(ports) {
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Balancer(server, ports);
  }

  /** @param {Socket} client */
  async take(client) {
    // An error is told by the close that follows it.
    client.on('error', () => {});
    const first = this.turn;
    this.turn = (this.turn + 1) % this.ports.length;
    for (let at = 0; at < this.ports.length; at += 1) {
      const port = this.ports[(first + at) % this.ports.length];
      const worker = this.silent.has(port) ? await pause(PATIENCE_MS, null) : await reach(port);
      if (!worker) continue;
      if (client.destroyed) return worker.destroy();
      for (const [from, into] of [[client, worker], [worker, client]]) {
        this.hold(port, from);
        from.on('close', () => this.silent.has(port) || into.destroy());
        from.pipe(into);
      }
      return undefined;
    }
    return client.destroy();
  }

  /**
   * Nothing gets through to a worker or from it any more, not even that a connection ends.
   * @param {number} port
   */
  blackhole(port) {
    this.silent.add(port);
    for (const socket of this.sockets.get(port) ?? []) socket.unpipe().pause();
  }

  /**
   * What comes gets through again; connections of before are gone.
   * @param {number} port
   */
  restore(port) {
    this.silent.delete(port);
    for (const socket of this.sockets.get(port) ?? []) if (socket.isPaused()) socket.destroy();
  }

  /**
   * @param {number} port
   * @param {Socket} socket
   */
  hold(port, socket) {
    const sockets = this.sockets.get(port) ?? new Set();
    this.sockets.set(port, sockets.add(socket));
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  }

  close() {
    this.server.close();
    for (const sockets of this.sockets.values()) for (const socket of sockets) socket.destroy();
  }
}

/**
 * A connection to a worker, if it takes one.
 * @param {number} port
 * @returns {Promise<Socket | null>}
 */
function reach(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (/** @type {Socket | null} */ found) => {
      clearTimeout(patience);
      if (!found) socket.destroy();
      resolve(found);
    };
    const patience = setTimeout(settle, PATIENCE_MS, null);
    socket.once('connect', () => settle(socket));
    socket.once('error', () => settle(null));
  });
}
