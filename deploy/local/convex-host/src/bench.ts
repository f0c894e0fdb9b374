// How many syncs of 20 events a second the host takes, with 10,000 documents in it:
// real requests over the port, signed, from several nodes at once.

import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startHost } from './host.ts';

const DOCUMENTS = 10_000;
const EVENTS = 20;
const NODES = 10;
const SYNCS = 600;
const ROOMS = 50;
/** What the stand-in must hold so that tests with it are not about its speed. */
const WANTED = 60;

interface Event { type: 'joined' | 'left'; room: string; sid: string; at: number }

const state = mkdtempSync(join(tmpdir(), 'convex-host-bench-'));
const host = await startHost({
  functions: fileURLToPath(new URL('../trial', import.meta.url)), state, host: '127.0.0.1', apiPort: 0, sitePort: 0,
  people: [], pages: [], trustForwarded: false, crons: false,
});

/** Half of the events are joins of new people, half let the same ones go. */
function eventsOf(node: string, firstSeq: number, many: number): Event[] {
  return Array.from({ length: many }, (_, n) => {
    const seq = firstSeq + n;
    const person = Math.floor((seq - 1) / 2);
    return { type: seq % 2 === 1 ? 'joined' : 'left', room: `room-${person % ROOMS}`, sid: `${node}-${person}`, at: Date.now() };
  });
}

async function sync(node: string, firstSeq: number, many: number): Promise<void> {
  const body = JSON.stringify({ node, firstSeq, events: eventsOf(node, firstSeq, many) });
  const signature = createHmac('sha256', 'trial key of the trial sync').update(body).digest('hex');
  const answer = await fetch(`${host.siteUrl}/sync`, { method: 'POST', headers: { 'X-Signature': signature }, body });
  const { ackSeq } = (await answer.json()) as { ackSeq: number };
  if (ackSeq !== firstSeq + many - 1) throw new Error(`${node} was acknowledged up to ${ackSeq} instead of ${firstSeq + many - 1}`);
}

const nodes = Array.from({ length: NODES }, (_, n) => ({ name: `node-${n}`, next: 1 }));
for (const node of nodes) {
  while (node.next < (DOCUMENTS * 2) / NODES) {
    await sync(node.name, node.next, 200);
    node.next += 200;
  }
}

const took: number[] = [];
let left = SYNCS;
const started = performance.now();
await Promise.all(nodes.map(async (node) => {
  while (left-- > 0) {
    const asked = performance.now();
    await sync(node.name, node.next, EVENTS);
    took.push(performance.now() - asked);
    node.next += EVENTS;
  }
}));
const seconds = (performance.now() - started) / 1000;
took.sort((a, b) => a - b);
const perSecond = SYNCS / seconds;
console.log(`${SYNCS} syncs of ${EVENTS} events from ${NODES} nodes, ${DOCUMENTS} documents at the start:`);
console.log(`${perSecond.toFixed(0)} a second; half within ${took[SYNCS >> 1]!.toFixed(0)} ms, 99 of 100 within ${took[Math.floor(SYNCS * 0.99)]!.toFixed(0)} ms (${WANTED} a second are wanted)`);
await host.close();
rmSync(state, { recursive: true });
process.exitCode = perSecond >= WANTED ? 0 : 1;
