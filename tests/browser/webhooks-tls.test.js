// @ts-check
/** Webhooks over HTTPS: only a receiver whose certificate the machine trusts is told anything. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoomServiceClient } from 'livekit-server-sdk';
import { EdgeWorker, KEY, SECRET } from './lib/edge-worker.js';
import { AUTHORITY, Receiver } from './lib/webhooks.js';

test('a receiver over HTTPS is told if somebody vouches for it, and else not', { timeout: 60_000 }, async (t) => {
  const receiver = new Receiver(KEY, SECRET, 'https');
  await receiver.open();
  t.after(() => receiver.close());
  // The certificates that programs on Linux trust can be named by this variable; another one's own stands for all others.
  for (const [trusted, room] of [[undefined, 'strange'], [AUTHORITY, 'known']]) {
    const worker = await EdgeWorker.start({
      EDGE_WEBHOOK__URLS: `["${receiver.url}"]`, ...(trusted ? { SSL_CERT_FILE: trusted } : {}),
    });
    t.after(() => worker.stop());
    const service = new RoomServiceClient(worker.url, KEY, SECRET);
    await service.createRoom({ name: String(room) });
    await service.deleteRoom(String(room));
    const metric = async (/** @type {RegExp} */ line) => {
      const metrics = await (await fetch(`http://127.0.0.1:${worker.ports.admin}/metrics`)).text();
      return Number(metrics.match(line)?.[1] ?? 0);
    };
    if (trusted) {
      const told = await worker.until('events', () => receiver.eventsOf('known'), (list) => list.length >= 2);
      assert.deepEqual(told.map(({ event }) => event), ['room_started', 'room_finished']);
    } else {
      const failed = () => metric(/^edge_webhook_failed_tries_total\{reason="connection"\} (\d+)/m);
      await worker.until('a failed try', failed, (count) => count > 0);
      assert.equal(await metric(/^edge_webhooks_delivered_total (\d+)/m), 0);
      assert.deepEqual(receiver.tries, []);
    }
  }
  assert.deepEqual(receiver.complaints, []);
});
