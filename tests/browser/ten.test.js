// @ts-check
/** Ten participants in one room: three browsers and seven peers on an independent WebRTC implementation. */

import { after, test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { BOUNDED, Stage } from './lib/stage.js';

const CAMERA = { width: 320, height: 180, frameRate: 10, simulcast: false };
const RUST_PEERS = 7;
/** The Rust peers end by themselves, should this test be killed. */
const SECONDS = 120;
/** Ten people joining two cores at once take their time. */
const PATIENCE_MS = 60_000;
const ROOM = 'ten';

const stage = Stage.forThisFile();
/** @type {import('./lib/program.js').Program[]} */
const peers = [];

after(() => Promise.all(peers.map((peer) => peer.stop())));

test('ten participants all see and hear the nine others', BOUNDED, async (t) => {
  for (let peer = 0; peer < RUST_PEERS; peer += 1) peers.push(await stage.worker.rustPeer(ROOM, `rust-${peer}`, SECONDS));
  const browsers = await Promise.all(VERSIONS.map((version) => stage.participant(ROOM, `browser-${version}`, version)));
  for (const browser of browsers) {
    await browser.join();
    await browser.publishCamera(CAMERA);
    await browser.publishMicrophone();
  }

  await t.test('every Rust peer receives eighteen tracks', async () => {
    for (const peer of peers) {
      await stage.worker.until(
        `${peer.tail().split('\n')[0]} to receive 18 tracks`,
        () => lastReport(peer),
        (report) => report.tracks_in === 2 * 9 && report.packets_in > 0,
        PATIENCE_MS,
      );
    }
  });

  await t.test('every browser has nine others whose sound and pictures arrive', async () => {
    for (const browser of browsers) {
      await browser.sees(
        'nine others',
        ({ participants }) => participants.length === 9 && participants.every(({ tracks }) => hasBoth(tracks, 'packetsReceived')),
        PATIENCE_MS,
      );
    }
  });

  const { cpuPercent, memoryMiB } = await stage.worker.load(5_000);
  t.diagnostic(`the worker with ten participants: ${cpuPercent.toFixed(0)} % of a core, ${memoryMiB.toFixed(0)} MiB`);

  await t.test('the browsers see each other move and hear each other', async () => {
    await Promise.all(
      browsers.flatMap((viewer) =>
        browsers
          .filter((shown) => shown !== viewer)
          .flatMap(({ identity }) => [viewer.seesVideoOf(identity, 'camera', CAMERA), viewer.hears(identity)]),
      ),
    );
  });
});

/**
 * What a Rust peer printed last.
 * @param {import('./lib/program.js').Program} peer
 * @returns {{ tracks_in?: number, packets_in: number }}
 */
function lastReport(peer) {
  if (!peer.running) throw new Error(`a Rust peer ended early\n${peer.tail()}`);
  const line = peer.lines.findLast((printed) => printed.startsWith('{'));
  return line ? JSON.parse(line) : { packets_in: 0 };
}

/**
 * @param {import('./lib/participant.js').SeenTrack[]} tracks
 * @param {string} counter
 */
function hasBoth(tracks, counter) {
  return ['audio', 'video'].every((kind) => tracks.some((track) => track.kind === kind && track.counters[counter] > 0));
}
