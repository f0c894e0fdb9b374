// How many syncs of 20 events a second the host takes with 10,000 documents in it:
// the project's functions in a process of their own, signed requests over the port,
// from several nodes at once.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PretendNode, setSecrets } from './pretend-node.ts';

/** A visit leaves five documents: a span, two tracks, a quality, a message. */
const VISITS = 2_000;
const EVENTS_OF_A_VISIT = 6;
const EVENTS = 20;
const NODES = 10;
const SYNCS = 600;
/** People in one room, who come and go one after another. */
const PER_ROOM = 30;
/** What the stand-in must hold so that tests with it are not about its speed. */
const WANTED = 60;
/** A host that got less than this part of a core was held up by others, and is judged by the time it got. */
const OWN = 0.9;
/** As much as one sync may carry. */
const MOST = 200;

const master = setSecrets(process.env);
const state = mkdtempSync(join(tmpdir(), 'convex-host-bench-'));
const options = ['--functions', '../../../convex', '--state', state, '--api-port', '0', '--site-port', '0', '--no-crons'];
const cwd = fileURLToPath(new URL('..', import.meta.url));
const host = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', ...options], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
const site = await address();

async function address(): Promise<string> {
  let said = '';
  for await (const chunk of host.stdout.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    const told = /HTTP actions (http:\S+),/.exec(said)?.[1];
    if (told) return told;
  }
  throw new Error(`the host ended before it was ready: ${said}`);
}

/** Processor time of the host in seconds, as Linux tells it. */
function cpuOfHost(): number {
  const fields = readFileSync(`/proc/${host.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** What somebody's visit makes a node tell, over and over: they come, send, are heard of, write, go. */
function* visits(node: string): Generator<object, never> {
  const start = Date.now() - 3_600_000;
  for (let person = 0; ; person++) {
    const room = `ROOM-${node}-${Math.floor(person / PER_ROOM)}`;
    const [sid, identity] = [`PA_${node}_${person}`, `person_${person}`];
    const at = start + person * 100;
    const told = { at, room, sid };
    yield { type: 'joined', ...told, roomSid: `RM_${room}`, identity, name: `Person ${person}`, region: node, client: { browser: 'Chrome', os: 'Android' }, joinMs: 600 };
    yield { type: 'track_published', ...told, track: `TR_${person}_A`, source: 'microphone', kind: 'audio' };
    yield { type: 'track_published', ...told, track: `TR_${person}_V`, source: 'camera', kind: 'video' };
    yield { type: 'quality', ...told, fromMs: at, toMs: at + 60_000, score: 4, lossPercent: 1, jitterMs: 9, roundTripMs: 60, sentKbps: 400, receivedKbps: 900, drops: 0 };
    yield { type: 'chat', ...told, identity, messageId: `M_${node}_${person}`, text: 'Good morning, everybody.', sentAt: at, to: [] };
    yield { type: 'left', at: at + 90_000, room, sid, identity, reason: 'client' };
  }
}

const nodes = Array.from({ length: NODES }, (_, n) => ({ node: new PretendNode(site, `node-${n}`, master), events: visits(`node-${n}`) }));
const send = ({ node, events }: (typeof nodes)[number], many: number) => node.sync(Array.from({ length: many }, () => events.next().value));

for (const { node } of nodes) await node.register();
for (let sent = 0; sent < VISITS * EVENTS_OF_A_VISIT; sent += MOST * NODES) for (const one of nodes) await send(one, MOST);

const took: number[] = [];
let left = SYNCS;
const started = performance.now();
const cpuBefore = cpuOfHost();
await Promise.all(nodes.map(async (one) => {
  while (left-- > 0) {
    const asked = performance.now();
    await send(one, EVENTS);
    took.push(performance.now() - asked);
  }
}));
const seconds = (performance.now() - started) / 1000;
const cpuSeconds = cpuOfHost() - cpuBefore;
const perSecond = SYNCS / seconds;
took.sort((a, b) => a - b);
console.log(`${SYNCS} syncs of ${EVENTS} events from ${NODES} nodes; ${VISITS * 5} documents before:`);
console.log(`${perSecond.toFixed(0)} a second; half within ${took[SYNCS >> 1]!.toFixed(0)} ms, 99 of 100 within ${took[Math.floor(SYNCS * 0.99)]!.toFixed(0)} ms (${WANTED} a second are wanted)`);
// On a machine that is busy with other things only this says what the host itself is good for.
const perCore = SYNCS / cpuSeconds;
console.log(`${((cpuSeconds / SYNCS) * 1000).toFixed(1)} ms of the host’s processor time each, ${perCore.toFixed(0)} in a second of it; it had ${((cpuSeconds / seconds) * 100).toFixed(0)} % of a core`);
host.kill('SIGTERM');
await once(host, 'exit');
rmSync(state, { recursive: true });
process.exitCode = Math.max(perSecond, cpuSeconds < OWN * seconds ? perCore : 0) >= WANTED ? 0 : 1;
