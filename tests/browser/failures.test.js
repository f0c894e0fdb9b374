// @ts-check
/** One address before three nodes, and the nodes fail: whoever was on them is back through the same address. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Balancer } from './lib/balancer.js';
import { Undisturbed, backAfter, cityOf, distribution } from './lib/comeback.js';
import { Stage } from './lib/stage.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */

const CITIES = ['kano', 'lagos', 'abuja'];
const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** Each client is on each node. */
const CLIENTS = /** @type {const} */ ([['ada', '2.15.5'], ['bayo', '2.23.0'], ['chidi', '2.23.0'], ['dami', '2.15.5']]);
/** How often a node fails in each way; more for a distribution. */
const ROUNDS = Number(process.env.ROUNDS ?? 2);
const KILLED_MS = 5_000;
const BLACKHOLED_MS = 12_000;
/** What others may miss. Pictures come each 67 ms; the machine has its own pauses, as browsers start over. */
const FROZEN_MS = 2_000;
/** A machine that stalls looks like a node that comes back late, but not every time. */
const TRIES = 3;
const BOUNDED = { timeout: 60_000 + ROUNDS * 120_000 };

const stage = new Stage({}, CITIES);
/** @type {Balancer} */
let balancer;
before(async () => {
  await stage.set();
  balancer = await Balancer.before(stage.workers.map(({ ports }) => ports.http));
});
after(async () => {
  balancer?.close();
  await stage.clear();
});

test('who was on a node that is killed is back within five seconds, and the others notice nothing', BOUNDED, (t) =>
  failing(t, 'killed', KILLED_MS, async (index) => {
    stage.workers[index].program.child.kill('SIGKILL');
  }));

test('who was on a node whose host falls silent is back within twelve seconds', BOUNDED, (t) =>
  failing(t, 'silent', BLACKHOLED_MS, async (index) => {
    balancer.blackhole(stage.workers[index].ports.http);
    stage.workers[index].program.child.kill('SIGSTOP');
  }));

/**
 * Lets one node after the other fail, and start again.
 * @param {import('node:test').TestContext} t
 * @param {string} room
 * @param {number} goal
 * @param {(index: number) => Promise<void>} fail
 */
async function failing(t, room, goal, fail) {
  /** @type {Participant[]} */
  const all = [];
  for (const [identity, version] of CLIENTS) {
    const participant = await stage.participant(room, identity, version);
    participant.worker = Object.create(participant.worker, { url: { value: balancer.url } });
    await enter(participant);
    all.push(participant);
  }
  for (const viewer of all) {
    for (const other of all.filter((it) => it !== viewer)) await viewer.seesVideoOf(other.identity, 'camera', CAMERA);
  }
  const sid = await roomOf(all[0]);

  /** @type {number[]} */
  let took = [];
  for (let round = 0; round < ROUNDS * TRIES; round += 1) {
    if (round % ROUNDS === 0) {
      if (round && areInTime(took, goal)) break;
      took = [];
    }
    const cities = await Promise.all(all.map(cityOf));
    while (new Set(cities).size === 1) {
      await all[0].leave();
      await enter(all[0]);
      cities[0] = await cityOf(all[0]);
    }
    const city = busiest(cities);
    const index = CITIES.indexOf(city);
    const lost = all.filter((_, at) => cities[at] === city);
    const others = all.filter((_, at) => cities[at] !== city);
    const undisturbed = others.length > 1 ? [
      await Undisturbed.watch(others[0], others[1].identity),
      await Undisturbed.watch(others[1], others[0].identity),
    ] : [];
    const since = performance.now();
    await fail(index);
    const times = await backAfter(lost, all, since);
    const pauses = await Promise.all(undisturbed.map((watched) => watched.check()));
    t.diagnostic(`${city}: ${lost.map(({ identity, page }, at) => `${identity} ${Math.round(times[at])}`)} ms; pauses of others ${pauses.map(Math.round)} ms`);
    took.push(...times);
    for (const participant of lost) assert.equal(await roomOf(participant), sid, 'it is the same room');
    assert(pauses.every((ms) => ms < FROZEN_MS), `the others saw nothing for ${pauses} ms`);
    await restart(index);
  }
  t.diagnostic(`${room}: ${distribution(took)}`);
  assert(areInTime(took, goal), `too late: ${took.map(Math.round)}`);
  await stage.dismiss(...all);
}

/**
 * Whether 95 % are.
 * @param {number[]} took
 * @param {number} goal
 */
function areInTime(took, goal) {
  return took.filter((ms) => ms > goal).length <= took.length * 0.05;
}

/** @param {Participant} participant */
async function enter(participant) {
  await participant.join();
  await participant.publishCamera(CAMERA);
  await participant.publishMicrophone();
}

/** @param {Participant} participant */
function roomOf(participant) {
  return participant.page.evaluate(() => window.call.open().getSid());
}

/**
 * Where most people are, if two others are elsewhere; for want of such a place, where anybody is.
 * @param {string[]} cities of everybody
 */
function busiest(cities) {
  const people = (/** @type {string} */ city) => cities.filter((it) => it === city).length;
  const fit = cities.filter((city) => people(city) <= cities.length - 2);
  return (fit.length ? fit : cities).reduce((most, city) => (people(city) > people(most) ? city : most));
}

/**
 * The node is back where it was, as another one.
 * @param {number} index
 */
async function restart(index) {
  const { fleet } = stage;
  assert(fleet);
  const { program, ports } = fleet.nodes[index];
  program.child.kill('SIGKILL');
  await program.exited;
  assert(!program.lines.some((line) => line.includes('panicked')), program.tail());
  fleet.nodes[index] = await fleet.startNode(CITIES[index], ports);
  balancer.restore(ports.http);
  for (const at of CITIES.keys()) await fleet.sees(at, CITIES.filter((_, other) => other !== at));
}
