// @ts-check
/** Networks that let little through: who is behind one is in the call all the same. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabStage, missing } from './lib/lab.js';

const skip = missing();
if (skip) console.log(skip);
const stage = LabStage.forThisFile(skip);
const BOUNDED = { timeout: 180_000, skip };

const VERSION = '2.23.0';
const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** From asking to join to a connection that carries media. */
const IN_MS = 5_000;

/**
 * The protocols of the pairs that a participant's connections use.
 * @param {import('./lib/participant.js').Participant} participant
 * @returns {Promise<string[]>}
 */
function protocols({ page }) {
  return page.evaluate(async () => {
    const { publisher, subscriber } = /** @type {any} */ (window.call.open()).engine.pcManager;
    const reports = await Promise.all([publisher, subscriber].filter(Boolean).map((transport) => transport._pc.getStats()));
    return reports.flatMap((/** @type {Map<string, any>} */ report) => {
      const transport = [...report.values()].find(({ type }) => type === 'transport');
      const pair = report.get(transport?.selectedCandidatePairId);
      return pair ? [String(report.get(pair.remoteCandidateId)?.protocol)] : [];
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

  const used = await protocols(ada);
  assert(used.length > 0 && used.every((protocol) => protocol === 'tcp'), `ada is in over ${used}`);
  const links = await stage.lab.links();
  const up = links.find(({ name, way }) => name === 'ada' && way === 'up');
  assert((up?.dropped.firewall ?? 0) > 0, 'UDP was tried and dropped');
  t.diagnostic(await stage.lab.table());
  await stage.dismiss(ada, bayo);
});
