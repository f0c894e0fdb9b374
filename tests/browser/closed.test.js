// @ts-check
/** Networks that let little through: who is behind one is in the call all the same. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CERTIFIED, TRUSTING } from './lib/certified.js';
import { LabStage, missing } from './lib/lab.js';

const skip = missing();
if (skip) console.log(skip);
const stage = LabStage.forThisFile(skip);
const BOUNDED = { timeout: 180_000, skip };

const VERSION = '2.23.0';
const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** From asking to join to a connection that carries media. */
const IN_MS = 5_000;
/** The same to the first sound and picture, where all else has to fail before. */
const SEEN_MS = 8_000;

/**
 * The ways that a participant's connections use: `udp`, `tcp`, or by TURN `relay/` and what carries that.
 * @param {import('./lib/participant.js').Participant} participant
 * @returns {Promise<string[]>}
 */
function ways({ page }) {
  return page.evaluate(async () => {
    const { publisher, subscriber } = /** @type {any} */ (window.call.open()).engine.pcManager;
    const reports = await Promise.all([publisher, subscriber].filter(Boolean).map((transport) => transport._pc.getStats()));
    return reports.flatMap((/** @type {Map<string, any>} */ report) => {
      const transport = [...report.values()].find(({ type }) => type === 'transport');
      const pair = report.get(transport?.selectedCandidatePairId);
      if (!pair) return [];
      const local = report.get(pair.localCandidateId);
      if (local?.candidateType === 'relay') return [`relay/${local.relayProtocol}`];
      return [String(report.get(pair.remoteCandidateId)?.protocol)];
    });
  });
}

test('sd_2 where UDP does not get through, one is in over TCP within five seconds, with sound and picture both ways', BOUNDED, async (t) => {
  const room = 'closed';
  const bayo = await stage.participant(room, 'bayo', VERSION, 'network=4g');
  await bayo.join();
  await bayo.publishCamera(CAMERA);
  await bayo.publishMicrophone();
  const ada = await stage.participant(room, 'ada', VERSION, 'delay=30ms', 'udp=off');

  const begun = performance.now();
  await ada.join();
  const joined = performance.now() - begun;
  await ada.hears('bayo');
  t.diagnostic(`in after ${joined.toFixed(0)} ms, heard after ${(performance.now() - begun).toFixed(0)} ms`);
  await ada.publishCamera(CAMERA);
  await ada.publishMicrophone();
  await Promise.all([bayo.hears('ada'), ada.seesVideoOf('bayo', 'camera', CAMERA), bayo.seesVideoOf('ada', 'camera', CAMERA)]);
  assert(joined < IN_MS, `in after ${joined.toFixed(0)} ms`);

  const used = await ways(ada);
  assert(used.length > 0 && used.every((way) => way === 'tcp'), `ada is in over ${used}`);
  const links = await stage.lab.links();
  const up = links.find(({ name, way }) => name === 'ada' && way === 'up');
  assert((up?.dropped.firewall ?? 0) > 0, 'UDP was tried and dropped');
  t.diagnostic(await stage.lab.table());
  await stage.dismiss(ada, bayo);
});

test('IC-3 where only TCP to port 443 passes, one is in by TURN over TLS within eight seconds, with sound and picture both ways', BOUNDED, async (t) => {
  // Without media over TCP at that port, which such a network might let pass as well.
  const turns = (/** @type {string} */ hub) => ({ EDGE_TURN__TLS: 'true', EDGE_TURN__HOST: hub, EDGE_RTC__TCP_PORT: '0' });
  await callBy443(t, turns, 'relay/tls');
});

test('SD-2 where only TCP to port 443 passes, one is in over TCP at that port within eight seconds, with sound and picture both ways', BOUNDED, async (t) => {
  await callBy443(t, () => ({ EDGE_RTC__TCP_PORT: '443' }), 'tcp');
});

/**
 * A call of somebody on a good network with somebody on one that only lets TCP to port 443 through, where the worker
 * has a certificate.
 * @param {import('node:test').TestContext} t
 * @param {(hub: string) => NodeJS.ProcessEnv} further settings of the worker
 * @param {string} way the only one that is used
 */
async function callBy443(t, further, way) {
  const closed = new LabStage({
    settings: (hub) => ({ EDGE_HTTP__PORT: '443', ...CERTIFIED, ...further(hub) }),
    url: (hub) => `wss://${hub}`,
    flags: TRUSTING,
  });
  t.after(() => closed.clear());
  await closed.set();
  const bayo = await closed.participant('closed', 'bayo', VERSION, 'network=4g');
  await bayo.join();
  await bayo.publishCamera(CAMERA);
  await bayo.publishMicrophone();
  const ada = await closed.participant('closed', 'ada', VERSION, 'delay=30ms', 'tcp=443');

  const begun = performance.now();
  const since = () => performance.now() - begun;
  await ada.join();
  const joined = since();
  await ada.hears('bayo');
  const heard = since();
  await ada.seesVideoOf('bayo', 'camera', CAMERA);
  const seen = since();
  t.diagnostic(`in after ${joined.toFixed(0)} ms, hears after ${heard.toFixed(0)} ms, sees after ${seen.toFixed(0)} ms`);
  await ada.publishCamera(CAMERA);
  await ada.publishMicrophone();
  await Promise.all([bayo.hears('ada'), bayo.seesVideoOf('ada', 'camera', CAMERA)]);
  assert(seen < SEEN_MS, `seen after ${seen.toFixed(0)} ms`);

  const used = await ways(ada);
  assert(used.length > 0 && used.every((its) => its === way), `ada is in over ${used}`);
  const links = await closed.lab.links();
  const up = links.find(({ name, way: direction }) => name === 'ada' && direction === 'up');
  assert((up?.dropped.firewall ?? 0) > 0, 'other ways were tried and dropped');
  t.diagnostic(await closed.lab.table());
  await closed.dismiss(ada, bayo);
}
