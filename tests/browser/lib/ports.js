// @ts-check
/** Ports that nobody uses, so that tests run beside a worker at its default ports and beside each other. */

import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** One UDP port per shard, and no machine these tests are meant for has more cores than this. */
const SHARD_PORTS = 16;
/** Below the range that the kernel hands out itself, so that nobody takes one of them meanwhile. */
const FROM = 20_000;
const TO = 32_000;

/** @returns {Promise<number>} */
export function freeTcpPort() {
  return free('TCP', isFreeTcpPort);
}

/** @returns {Promise<number>} */
export function freeUdpPort() {
  return free('UDP', isFreeUdpPort);
}

/**
 * @param {string} what
 * @param {(port: number) => Promise<boolean>} isFree
 */
async function free(what, isFree) {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free ${what} port between ${FROM} and ${TO}`);
}

/** The first of enough free UDP ports in a row for every shard to have its own. */
export async function freeUdpPorts() {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = FROM + Math.floor(Math.random() * (TO - FROM - SHARD_PORTS));
    const row = Array.from({ length: SHARD_PORTS }, (_, shard) => first + shard);
    if ((await Promise.all(row.map(isFreeUdpPort))).every(Boolean)) return first;
  }
  throw new Error(`no ${SHARD_PORTS} free UDP ports in a row between ${FROM} and ${TO}`);
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFreeTcpPort(port) {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
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
