// @ts-check
/** A worker that is told to stop says goodbye to everyone first. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { BOUNDED, Stage } from './lib/stage.js';

const stage = Stage.forThisFile();

test('everyone is told that the worker stops, and it ends cleanly', BOUNDED, async () => {
  const participants = await Promise.all(VERSIONS.map((version) => stage.participant('last call', version, version)));
  for (const participant of participants) await participant.join();
  const [code] = await Promise.all([
    stage.worker.stop(),
    ...participants.map((participant) => participant.sees('the end', ({ state }) => state === 'disconnected', 5_000)),
  ]);
  assert.equal(code, 0, stage.worker.program.tail());
  for (const { identity, events } of await Promise.all(participants.map((participant) => participant.seen()))) {
    const end = events.find(({ name }) => name === 'disconnected');
    // livekit.DisconnectReason.SERVER_SHUTDOWN
    assert.equal(end?.about, '3', `${identity} heard another reason`);
  }
});
