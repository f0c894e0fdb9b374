// @ts-check
/** A worker that is told to stop says goodbye to everyone first. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { BOUNDED, Stage } from './lib/stage.js';

const stage = Stage.forThisFile();

/** A whole new join, which is what a goodbye asks for; a connection that merely breaks is resumed first. */
const JOIN_ANEW = 'reconnecting';
const RESUME = 'signalReconnecting';

test('everyone is told that the worker stops, and it ends cleanly', BOUNDED, async () => {
  const participants = await Promise.all(VERSIONS.map((version) => stage.participant('last call', version, version)));
  for (const participant of participants) await participant.join();
  const [code, ...all] = await Promise.all([
    stage.worker.stop(),
    ...participants.map((participant) =>
      participant.sees('that it must join anew', ({ events }) => events.some(({ name }) => name === JOIN_ANEW), 5_000),
    ),
  ]);
  assert.equal(code, 0, stage.worker.program.tail());
  for (const { identity, events } of all) {
    assert(!events.some(({ name }) => name === RESUME), `${identity} was not told, only cut off`);
  }
});
