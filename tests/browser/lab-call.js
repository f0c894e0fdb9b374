// @ts-check
/** `tests/lab call`: a call of real browsers behind links, to watch and to change while it runs. */

import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LabStage, missing } from './lib/lab.js';
import { VERSIONS } from './lib/pages.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */
/** @typedef {import('./lib/participant.js').Seen} Seen */

const NAMES = ['ada', 'bayo', 'chidi', 'dayo'];
const CAMERA = { width: 640, height: 360, frameRate: 20, simulcast: true };
const EVERY_MS = 2_000;

const USAGE = `usage: tests/lab call [OPTION...]

  --network, --down, --up, --delay, --jitter, --loss, --burst, --reorder, --queue, --set
                      the link of ada, who is watched; as for tests/lab run. --set reaches everybody
                      it names: --set bayo.network=edge
  --people N          2 to ${NAMES.length} (2); all but ada are on 4g
  --version V         of livekit-client: ${VERSIONS.join(', ')}
  --seconds N         how long (60)

While it runs, type changes such as ada.down.rate=5mbit or ada.blackhole=on; end it with Ctrl-D.`;

/** Options of a link, by the condition they set. */
const LINK = {
  network: 'network', down: 'down.rate', up: 'up.rate', delay: 'delay', jitter: 'jitter',
  loss: 'loss', burst: 'burst', reorder: 'reorder', queue: 'queue',
};

const { values } = parseArgs({
  options: {
    ...Object.fromEntries(Object.keys(LINK).map((name) => [name, { type: /** @type {const} */ ('string') }])),
    set: { type: 'string', multiple: true, default: [] },
    people: { type: 'string', default: '2' },
    version: { type: 'string', default: VERSIONS.at(-1) },
    seconds: { type: 'string', default: '60' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit();
}
const skip = missing();
if (skip) {
  console.error(skip);
  process.exit(3);
}

const stage = new LabStage();
try {
  await stage.set();
  await call();
} finally {
  await stage.clear();
}
process.exit();

async function call() {
  const given = /** @type {Record<string, string | undefined>} */ (values);
  const link = Object.entries(LINK).flatMap(([option, key]) => (given[option] ? [`${key}=${given[option]}`] : []));
  const names = NAMES.slice(0, Math.max(2, Number(values.people)));
  /** @type {Participant[]} */
  const people = [];
  for (const name of names) {
    const changes = name === 'ada' ? link : ['network=4g'];
    people.push(await stage.participant('lab', name, /** @type {any} */ (values.version), ...changes));
  }
  if (values.set?.length) await stage.lab.set(...values.set);

  const started = performance.now();
  const since = () => `${((performance.now() - started) / 1_000).toFixed(1).padStart(6)} s`;
  for (const person of people) {
    await person.join();
    console.log(`${since()}  ${person.identity} is in`);
    await person.publishMicrophone();
    await person.publishCamera(CAMERA);
  }

  let over = false;
  createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const changes = line.trim().split(/\s+/).filter(Boolean);
      if (changes[0] === 'set') changes.shift();
      if (changes.length) await stage.lab.set(...changes).then(() => console.log(`${since()}  ${changes.join(' ')}`), console.error);
    })
    // Where there is nobody to type, time alone ends it.
    .on('close', () => (over = over || Boolean(process.stdin.isTTY)));

  let before = await look(people);
  while (!over && performance.now() - started < Number(values.seconds) * 1_000) {
    await pause(EVERY_MS);
    const now = await look(people);
    for (const person of people) console.log(`${since()}  ${progress(person.identity, before, now)}`);
    before = now;
  }
  console.log(`\n${await stage.lab.table()}`);
}

/** @param {Participant[]} people */
async function look(people) {
  const seen = await Promise.all(people.map(async (person) => /** @type {const} */ ([person.identity, await person.seen()])));
  return { at: performance.now(), seen: new Map(seen), links: await stage.lab.links() };
}

/**
 * One line on how somebody fares: the link, then what arrives of each other.
 * @param {string} identity
 * @param {Awaited<ReturnType<typeof look>>} before
 * @param {Awaited<ReturnType<typeof look>>} now
 */
function progress(identity, before, now) {
  const ms = now.at - before.at;
  /** @param {'down' | 'up'} way */
  const rate = (way) => {
    /** @param {typeof now} look */
    const row = ({ links }) => links.find(({ name, way: theirs }) => name === identity && theirs === way);
    const kbit = (((row(now)?.delivered_bytes ?? 0) - (row(before)?.delivered_bytes ?? 0)) * 8) / ms;
    return `${way} ${kbit.toFixed(0).padStart(5)} kbit/s`;
  };
  const others = (now.seen.get(identity)?.participants ?? []).map(({ identity: other, tracks }) => {
    /** @param {string} source @param {string} name */
    const counter = (source, name) => tracks.find((track) => track.source === source)?.counters[name] ?? 0;
    /** @param {string} source @param {string} name */
    const grown = (source, name) => {
      const earlier = before.seen.get(identity)?.participants.find((one) => one.identity === other);
      return counter(source, name) - (earlier?.tracks.find((track) => track.source === source)?.counters[name] ?? 0);
    };
    const samples = grown('microphone', 'totalSamplesReceived');
    const concealed = grown('microphone', 'concealedSamples') - grown('microphone', 'silentConcealedSamples');
    const picture = `${counter('camera', 'frameWidth')}x${counter('camera', 'frameHeight')}`;
    const frames = ((grown('camera', 'framesDecoded') * 1_000) / ms).toFixed(0);
    const share = samples ? `${((100 * concealed) / samples).toFixed(1)} %` : 'no sound';
    return `${other} ${picture} at ${frames} fps, ${share} concealed`;
  });
  return `${identity.padEnd(6)} ${rate('down')}  ${rate('up')}  ${now.seen.get(identity)?.state}: ${others.join('; ') || 'nobody'}`;
}
