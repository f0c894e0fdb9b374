// @ts-check
/** A wire between a client and a worker's signalling port that can be cut in mid-call. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Wire {
  /** @type {Set<import('node:net').Socket>} */
  sockets = new Set();

  /** @param {import('node:net').Server} server */
  constructor(server) {
    this.server = server;
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    this.url = `ws://127.0.0.1:${port}`;
  }

  /** @param {number} port the worker's */
  static async to(port) {
    const server = createServer((client) => {
      const worker = connect(port, '127.0.0.1');
      for (const [from, into] of [[client, worker], [worker, client]]) {
        wire.sockets.add(from);
        // Whatever ends one half ends the other; why is of no interest.
        from.on('error', () => into.destroy());
        from.on('close', () => {
          wire.sockets.delete(from);
          into.destroy();
        });
        from.pipe(into);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const wire = new Wire(server);
    return wire;
  }

  /** Every connection ends without a word. */
  cut() {
    for (const socket of this.sockets) socket.destroy();
  }

  close() {
    this.server.close();
    this.cut();
  }
}
