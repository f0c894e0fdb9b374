// @ts-check
/** A call goes on while strangers throw garbage at the worker's ports. */

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { BOUNDED, Stage } from './lib/stage.js';

const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** The same garbage each time, so that what it breaks can be broken again. */
const SEED = 20_260_401;
const DATAGRAMS = 4_000;
const SOCKETS = 40;

const stage = Stage.forThisFile();

test('bad I6 W6 A7 a call goes on while garbage comes in at both ports', BOUNDED, async () => {
  const ada = await stage.participant('garbage', 'ada', '2.23.0');
  const bayo = await stage.participant('garbage', 'bayo', '2.15.5');
  const both = [ada, bayo];
  for (const participant of both) {
    await participant.join();
    await participant.publishCamera(CAMERA);
  }
  const look = () => Promise.all([ada.seesVideoOf('bayo', 'camera', CAMERA), bayo.seesVideoOf('ada', 'camera', CAMERA)]);
  await look();

  const random = randomBytes(SEED);
  const shards = Array.from({ length: 2 }, (_, shard) => stage.worker.ports.udp + shard);
  await Promise.all([throwDatagrams(random, shards), throwSignals(random), look()]);
  await look();

  for (const { events, pageErrors } of await Promise.all(both.map((participant) => participant.seen()))) {
    assert.deepEqual(events.filter(({ name }) => /reconnect|disconnected/i.test(name)), []);
    assert.deepEqual(pageErrors, []);
  }
});

/**
 * Random datagrams, some of which begin like STUN, DTLS and RTP.
 * @param {(length: number) => Buffer} random
 * @param {number[]} ports
 */
async function throwDatagrams(random, ports) {
  const socket = createSocket('udp4');
  for (let sent = 0; sent < DATAGRAMS; sent += 1) {
    const datagram = random(1 + (sent % 1_400));
    const looks = [0x00, 0x01, 0x14, 0x16, 0x80, 0x90, 0xbf, 0xff];
    datagram[0] = looks[sent % looks.length];
    await new Promise((resolve) => socket.send(datagram, ports[sent % ports.length], '127.0.0.1', () => resolve(null)));
  }
  socket.close();
}

/**
 * Garbage instead of HTTP, and instead of messages on a WebSocket that a valid token opened.
 * @param {(length: number) => Buffer} random
 */
async function throwSignals(random) {
  for (let thrown = 0; thrown < SOCKETS; thrown += 1) {
    await send(random(2_000));
    const token = await stage.worker.token('elsewhere', `stranger-${thrown}`);
    const key = random(16).toString('base64');
    const upgrade =
      `GET /rtc?access_token=${token} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`;
    await send(Buffer.concat([Buffer.from(upgrade), frame(random(100))]), random(500));
  }
}

/**
 * Sends, and waits until the worker had enough of it or has answered.
 * @param {Buffer[]} parts
 */
async function send(...parts) {
  const socket = connect(stage.worker.ports.http, '127.0.0.1');
  socket.on('error', () => {});
  for (const part of parts) {
    socket.write(part);
    await Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => {});
  }
  socket.destroy();
}

/**
 * A binary WebSocket message, masked as a client's must be.
 * @param {Buffer} payload of fewer than 126 bytes
 */
function frame(payload) {
  return Buffer.concat([Buffer.from([0x82, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/**
 * @param {number} seed
 * @returns {(length: number) => Buffer}
 */
function randomBytes(seed) {
  let state = seed >>> 0;
  const next = () => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  };
  return (length) => Buffer.from(Array.from({ length }, next));
}
