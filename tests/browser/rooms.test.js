// @ts-check
/** Participants and more than one room: forwarded to another one, and moved there, on one shard and between two. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoomServiceClient } from 'livekit-server-sdk';
import { KEY, SECRET } from './lib/edge-worker.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** With rooms that end with their last participant, so that each test begins with an empty worker. */
const onShards = (/** @type {number} */ shards) => ({
  shards, stage: Stage.forThisFile({ EDGE_RTC__SHARDS: String(shards), EDGE_ROOM__DEPARTURE_TIMEOUT_S: '0' }),
});
/** Two rooms are on one shard, or each on its own. */
const STAGES = [onShards(1), onShards(2)];

const CAMERA = { width: 640, height: 360, frameRate: 15, simulcast: true };
/** LiveKit's number. */
const FORWARDED = 1;

/** @param {Stage} stage */
const api = (stage) => new RoomServiceClient(stage.worker.url, KEY, SECRET);

/** @typedef {import('./lib/participant.js').Participant} Participant */

/**
 * @param {Stage} stage
 * @param {string} room
 * @param {string} identity
 * @param {import('./lib/pages.js').Version} [version]
 * @param {Parameters<Participant['join']>[0]} [options]
 */
async function joined(stage, room, identity, version = '2.23.0', options = {}) {
  const participant = await stage.participant(room, identity, version);
  await participant.join(options);
  return participant;
}

/**
 * Waits for people in a room, as the app sees it.
 * @param {Stage} stage
 * @param {string} room
 * @param {string[]} identities
 */
function present(stage, room, ...identities) {
  return stage.worker.until(
    `${identities} in ${room}`,
    () => api(stage).listParticipants(room),
    (list) => String(list.map(({ identity }) => identity).sort()) === String([...identities].sort()),
  );
}

for (const { shards, stage } of STAGES) {
  test(`somebody forwarded is seen and heard in the other room, as long as it stays (${shards} shards)`, BOUNDED, async () => {
    const service = api(stage);
    const [room, destination] = ['stage', 'gallery'];
    const ada = await joined(stage, room, 'ada');
    const bayo = await joined(stage, destination, 'bayo', shards === 1 ? '2.15.5' : '2.18.8');
    await ada.publishCamera(CAMERA);
    await service.forwardParticipant(room, 'ada', destination);
    await service.forwardParticipant(room, 'ada', destination);
    const [there] = (await present(stage, destination, 'ada', 'bayo')).filter(({ identity }) => identity === 'ada');
    const here = await service.getParticipant(room, 'ada');
    assert.notEqual(there.sid, here.sid);
    assert(there.kindDetails.includes(FORWARDED), `${there.kindDetails}`);
    assert.deepEqual(there.tracks.map(({ sid }) => sid), here.tracks.map(({ sid }) => sid));
    await bayo.seesVideoOf('ada', 'camera', CAMERA);

    // What it publishes later, mutes, and tells of itself follows.
    await ada.publishMicrophone();
    await bayo.hears('ada');
    await ada.turn('microphone', 'off');
    await bayo.seesNothingOf('ada', 'microphone');
    await ada.turn('microphone', 'on');
    await bayo.hears('ada');
    await service.updateParticipant(room, 'ada', { metadata: 'in the chair' });
    await stage.worker.until(
      'bayo sees the change',
      () => bayo.page.evaluate(() => window.call.open().remoteParticipants.get('ada')?.metadata),
      (metadata) => metadata === 'in the chair',
    );
    // Who comes late asks for a keyframe through the link.
    const chidi = await joined(stage, destination, 'chidi');
    await chidi.seesVideoOf('ada', 'camera', CAMERA);
    await chidi.wish('ada', 'LOW');
    await chidi.seesVideoOf('ada', 'camera', { width: 320, height: 180 });

    // Removed there, it stays here, and may be forwarded again.
    await service.removeParticipant(destination, 'ada');
    await bayo.sees('that ada is gone', ({ participants }) => !participants.some(({ identity }) => identity === 'ada'));
    assert.equal((await ada.seen()).state, 'connected');
    await service.forwardParticipant(room, 'ada', destination);
    await bayo.seesVideoOf('ada', 'camera', CAMERA);
    await ada.leave();
    await present(stage, destination, 'bayo', 'chidi');
    await bayo.sees('that ada left', ({ participants }) => !participants.some(({ identity }) => identity === 'ada'));
    for (const { pageErrors } of await Promise.all([bayo, chidi].map((it) => it.seen()))) assert.deepEqual(pageErrors, []);
    await stage.dismiss(ada, bayo, chidi);
  });
}

test('forwarding makes the room, and what cannot be is refused', BOUNDED, async () => {
  const [, { stage }] = STAGES;
  const service = api(stage);
  const ada = await joined(stage, 'studio', 'ada');
  await ada.publishMicrophone();
  await service.forwardParticipant('studio', 'ada', 'new');
  await present(stage, 'new', 'ada');
  const bayo = await joined(stage, 'new', 'bayo');
  await bayo.hears('ada');
  const forward = (/** @type {[string, string, string]} */ ...names) => service.forwardParticipant(...names);
  await assert.rejects(forward('studio', 'nobody', 'new'), { status: 404, message: 'participant does not exist' });
  await assert.rejects(forward('nowhere', 'ada', 'new'), { status: 404, message: 'requested room does not exist' });
  await assert.rejects(forward('new', 'ada', 'newer'), { status: 412, code: 'failed_precondition' });
  await assert.rejects(forward('studio', 'ada', 'studio'), {
    status: 400, message: 'destination room cannot be the same as source room ',
  });
  await service.createRoom({ name: 'narrow', maxParticipants: 1 });
  const chidi = await joined(stage, 'narrow', 'chidi');
  await assert.rejects(forward('studio', 'ada', 'narrow'), { status: 429, code: 'resource_exhausted' });
  const other = await joined(stage, 'taken', 'ada');
  await assert.rejects(forward('studio', 'ada', 'taken'), { status: 409, code: 'already_exists' });
  assert.equal((await other.seen()).state, 'connected');
  await service.deleteRoom('new');
  await bayo.sees('the end of the room', ({ state }) => state === 'disconnected');
  assert.equal((await ada.seen()).state, 'connected');
  await service.deleteRoom('studio');
  await stage.dismiss(ada, bayo, chidi, other);
});

for (const { shards, stage } of STAGES) {
  for (const { version, options } of /** @type {const} */ ([
    { version: '2.15.5', options: {} },
    { version: '2.18.8', options: {} },
    { version: '2.23.0', options: {} },
    { version: '2.23.0', options: { singlePeerConnection: false } },
  ])) {
    const connections = version === '2.15.5' || 'singlePeerConnection' in options ? 2 : 1;
    test(`${version} with ${connections} connection(s) moves to another room (${shards} shards)`, BOUNDED, async () => {
      await stage.worker.until('rooms of other tests end', () => api(stage).listRooms(), (rooms) => rooms.length === 0);
      const ada = await joined(stage, 'hall', 'ada', version, options);
      const bayo = await joined(stage, 'balcony', 'bayo');
      const chidi = await joined(stage, 'hall', 'chidi');
      for (const participant of [ada, bayo, chidi]) {
        await participant.publishMicrophone();
        await participant.publishCamera(CAMERA);
      }
      await ada.seesVideoOf('chidi', 'camera', CAMERA);
      const before = await api(stage).getParticipant('hall', 'ada');
      await api(stage).moveParticipant('hall', 'ada', 'balcony');
      await ada.sees('the move', ({ events }) => events.some(({ name, about }) => name === 'moved' && about === 'balcony'));
      await meets(ada, bayo);
      await chidi.sees('that ada is gone', ({ participants }) => participants.length === 0);
      await present(stage, 'hall', 'chidi');
      await present(stage, 'balcony', 'ada', 'bayo');
      const after = await api(stage).getParticipant('balcony', 'ada');
      const seen = await ada.seen();
      const reconnects = seen.events.filter(({ name }) => /reconnecting/i.test(name)).length;
      if (shards === 1) {
        assert.deepEqual([after.sid, reconnects], [before.sid, 0], 'over the same connections');
        assert.deepEqual(after.tracks.map(({ sid }) => sid).sort(), before.tracks.map(({ sid }) => sid).sort());
        assert.deepEqual(seen.participants.map(({ identity }) => identity), ['bayo']);

        // It goes on from there: comes back after a mishap, mutes, changes what it publishes, and goes home.
        await ada.simulate('signal-reconnect');
        await ada.sees('that it is back', ({ events }) => events.some(({ name }) => /^reconnected|signalReconnect/i.test(name)));
        assert.equal((await api(stage).getParticipant('balcony', 'ada')).sid, before.sid);
        await ada.turn('microphone', 'off');
        await bayo.seesNothingOf('ada', 'microphone');
        await ada.turn('microphone', 'on');
        await meets(ada, bayo);
        await api(stage).moveParticipant('balcony', 'ada', 'hall');
        await meets(ada, chidi);
        assert.equal((await api(stage).getParticipant('hall', 'ada')).sid, before.sid);
      }
      for (const { pageErrors } of await Promise.all([ada, bayo, chidi].map((it) => it.seen()))) assert.deepEqual(pageErrors, []);
      await stage.dismiss(ada, bayo, chidi);
    });
  }
}

/**
 * Both hear and see each other.
 * @param {Participant} one
 * @param {Participant} other
 */
async function meets(one, other) {
  for (const [from, to] of [[one, other], [other, one]]) {
    await to.hears(from.identity);
    await to.seesVideoOf(from.identity, 'camera', CAMERA);
  }
}
