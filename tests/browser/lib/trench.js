// @ts-check
/** A wire between two nodes' relay ports that can be cut: datagrams go through it, or are lost without a word. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** @typedef {import('node:dgram').Socket} Socket */

export class Trench {
  cut = false;
  /** What went through so far. */
  bytes = 0;
  /** Where the other one finds each port that dials: a link may be several connections. @type {Map<number, Socket>} */
  far = new Map();

  /**
   * @param {Socket} near where the one that dials sends to
   * @param {number} to the other one's port
   */
  constructor(near, to) {
    this.near = near;
    this.to = to;
    this.port = near.address().port;
    near.on('message', (datagram, { port }) => {
      this.bytes += datagram.length;
      if (!this.cut) this.farOf(port).send(datagram, to, '127.0.0.1');
    });
  }

  /** @param {number} to */
  static async dig(to) {
    const near = createSocket('udp4');
    near.bind(0, '127.0.0.1');
    await once(near, 'listening');
    return new Trench(near, to);
  }

  /** @param {number} from */
  farOf(from) {
    const known = this.far.get(from);
    if (known) return known;
    const far = createSocket('udp4');
    far.on('message', (datagram) => {
      this.bytes += datagram.length;
      if (!this.cut) this.near.send(datagram, from, '127.0.0.1');
    });
    this.far.set(from, far);
    return far;
  }

  close() {
    this.near.close();
    for (const far of this.far.values()) far.close();
  }
}
