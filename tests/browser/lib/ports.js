// @ts-check
/** Ports that nobody uses, so that tests run beside a worker at its default ports and beside each other. */

import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** One UDP port per shard, and no machine these tests are meant for has more cores than this. */
const SHARD_PORTS = 16;
/** Below the range that the kernel hands out itself, so that no browser takes one of them meanwhile. */
const UDP_FROM = 20_000;
const UDP_TO = 32_000;

/** @returns {Promise<number>} */
export function freeTcpPort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/** @returns {Promise<number>} */
export async function freeUdpPort() {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = UDP_FROM + Math.floor(Math.random() * (UDP_TO - UDP_FROM));
    if (await isFreeUdpPort(port)) return port;
  }
  throw new Error(`no free UDP port between ${UDP_FROM} and ${UDP_TO}`);
}

/** The first of enough free UDP ports in a row for every shard to have its own. */
export async function freeUdpPorts() {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = UDP_FROM + Math.floor(Math.random() * (UDP_TO - UDP_FROM - SHARD_PORTS));
    const row = Array.from({ length: SHARD_PORTS }, (_, shard) => first + shard);
    if ((await Promise.all(row.map(isFreeUdpPort))).every(Boolean)) return first;
  }
  throw new Error(`no ${SHARD_PORTS} free UDP ports in a row between ${UDP_FROM} and ${UDP_TO}`);
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFreeUdpPort(port) {
  return new Promise((resolve) => {
    const socket = createSocket('udp4').once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
