// @ts-check
/** An app takes permissions away in mid-call and gives them back: the connections stay. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoomServiceClient } from 'livekit-server-sdk';
import { KEY, SECRET } from './lib/edge-worker.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** One of each way that clients negotiate: over two connections, and over one. */
const VERSIONS = /** @type {const} */ (['2.15.5', '2.23.0']);
const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** All but what a case takes away. */
const ALL = { canPublish: true, canPublishData: true, canSubscribe: true };

const stage = Stage.forThisFile();

for (const version of VERSIONS) {
  test(`MD-4 who may not subscribe any more, and then may again, keeps its connections, with ${version}`, BOUNDED, async () => {
    const service = new RoomServiceClient(stage.worker.url, KEY, SECRET);
    const ada = await stage.participant(version, 'ada', version);
    const bayo = await stage.participant(version, 'bayo', version);
    for (const participant of [ada, bayo]) {
      await participant.join();
      await participant.publishCamera(CAMERA);
      await participant.publishMicrophone();
    }
    await Promise.all([ada.seesVideoOf('bayo', 'camera', CAMERA), bayo.seesVideoOf('ada', 'camera', CAMERA), ada.hears('bayo')]);
    const before = await connections(ada, 'mark');
    assert.equal(before.length, version === '2.15.5' ? 2 : 1);
    const { sid, events: earlier } = await ada.seen();

    await service.updateParticipant(version, 'ada', { permission: { ...ALL, canSubscribe: false } });
    await ada.sees('nothing of bayo', (seen) =>
      !trackOf(seen, 'bayo', 'camera')?.subscribed && !trackOf(seen, 'bayo', 'microphone')?.subscribed);
    await bayo.seesVideoOf('ada', 'camera', CAMERA);
    await service.updateParticipant(version, 'ada', { permission: ALL });
    await Promise.all([ada.seesVideoOf('bayo', 'camera', CAMERA), bayo.seesVideoOf('ada', 'camera', CAMERA), ada.hears('bayo')]);

    assert.deepEqual(await connections(ada, 'look'), before);
    const { sid: now, events, pageErrors } = await ada.seen();
    assert.equal(now, sid);
    assert.deepEqual(pageErrors, []);
    const disturbed = events.slice(earlier.length).filter(({ name }) => /connecting|reconnected|disconnected/i.test(name));
    assert.deepEqual(disturbed, []);
    await stage.dismiss(ada, bayo);
  });
}

/**
 * What tells a participant's connections from any others: a mark on the objects themselves, their ICE and their DTLS.
 * @param {import('./lib/participant.js').Participant} participant
 * @param {'mark' | 'look'} mode
 */
function connections({ page }, mode) {
  return page.evaluate(async (how) => {
    const { publisher, subscriber } = /** @type {any} */ (window.call.open()).engine.pcManager;
    const own = [publisher, subscriber].filter(Boolean).map((transport) => transport._pc);
    return Promise.all(own.map(async (connection, at) => {
      if (how === 'mark') connection.mark = `the ${at + 1}th`;
      const report = [...(await connection.getStats()).values()];
      const transport = report.find(({ type }) => type === 'transport');
      return {
        mark: String(connection.mark),
        state: String(connection.connectionState),
        ufrag: String(transport.iceLocalUsernameFragment),
        pair: String(transport.selectedCandidatePairId),
        certificate: String(transport.remoteCertificateId),
      };
    }));
  }, mode);
}
