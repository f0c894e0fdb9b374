// @ts-check
/** The server SDK of LiveKit against a running worker: every method of RoomService, tokens, and webhooks. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AccessToken, DataPacket_Kind, EgressClient, RoomServiceClient } from 'livekit-server-sdk';
import { launchChromium } from './lib/chromium.js';
import { EdgeWorker, KEY, SECRET } from './lib/edge-worker.js';
import { Pages } from './lib/pages.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';
import { call } from './lib/twirp.js';
import { Receiver } from './lib/webhooks.js';

const stage = new Stage();
const receiver = new Receiver(KEY, SECRET);
/** Nothing of the code under test: where its events wait. */
let spool = '';
/** @type {RoomServiceClient} */
let service;

/** Settings of the worker under test. */
const settings = () => ({ EDGE_WEBHOOK__URLS: `["${receiver.url}"]`, EDGE_WEBHOOK__SPOOL: spool });

before(async () => {
  spool = await mkdtemp(join(tmpdir(), 'edge-webhooks-'));
  await receiver.open();
  stage.worker = await EdgeWorker.start(settings());
  stage.pages = await Pages.serve();
  stage.browser = await launchChromium();
  service = new RoomServiceClient(stage.worker.url, KEY, SECRET);
});

after(async () => {
  await stage.clear();
  await receiver.close();
  await rm(spool, { recursive: true, force: true });
});

/**
 * Waits for events of a room, in this order and no others.
 * @param {string} room
 * @param {string[]} names
 */
async function told(room, names) {
  const events = await stage.worker.until(
    `webhooks of ${room}: ${names}`,
    () => receiver.eventsOf(room),
    (list) => list.length >= names.length,
  );
  assert.deepEqual(events.map(({ event }) => event), names);
  return events;
}

test('RL-1 rooms are made, listed, changed and deleted', BOUNDED, async () => {
  const made = await service.createRoom({ name: 'halls', emptyTimeout: 60, maxParticipants: 7, metadata: 'first' });
  assert.match(made.sid, /^RM_/);
  assert.deepEqual([made.emptyTimeout, made.departureTimeout, made.maxParticipants], [60, 20, 7]);
  const again = await service.createRoom({ name: 'halls', departureTimeout: 5 });
  assert.deepEqual([again.sid, again.departureTimeout, again.maxParticipants], [made.sid, 5, 7]);
  assert.deepEqual((await service.listRooms(['halls'])).map(({ sid }) => sid), [made.sid]);
  assert((await service.listRooms()).some(({ name }) => name === 'halls'));
  const changed = await service.updateRoomMetadata('halls', 'second');
  assert.deepEqual([changed.sid, changed.metadata], [made.sid, 'second']);
  await service.deleteRoom('halls');
  assert.deepEqual(await service.listRooms(['halls']), []);
  await assert.rejects(service.deleteRoom('halls'), {
    status: 404,
    code: 'not_found',
    message: 'requested room does not exist',
  });
  const [started, finished] = await told('halls', ['room_started', 'room_finished']);
  assert.equal(started.room?.sid, made.sid);
  assert.equal(finished.room?.metadata, 'second');
});

test('TW-4 a client with another secret, and a service without a backend', BOUNDED, async () => {
  const stranger = new RoomServiceClient(stage.worker.url, KEY, 'another secret of thirty-two chars');
  await assert.rejects(stranger.listRooms(), { status: 401 });
  await assert.rejects(new EgressClient(stage.worker.url, KEY, SECRET).listEgress(), {
    status: 500,
    code: 'internal',
    message: 'egress not connected (redis required)',
  });
});

test('every method on a room with people in it', BOUNDED, async () => {
  const room = 'parlour';
  const ada = await stage.participant(room, 'ada', '2.23.0');
  const bayo = await stage.participant(room, 'bayo', '2.15.5');
  await ada.join();
  await bayo.join();
  await ada.publishMicrophone();
  const { sid: micSid } = await ada.page.evaluate(() => {
    const publication = [...window.call.open().localParticipant.trackPublications.values()][0];
    return { sid: publication.trackSid };
  });
  await bayo.hears('ada');

  // GetParticipant and ListParticipants.
  const listed = await service.listParticipants(room);
  assert.deepEqual(listed.map(({ identity }) => identity).sort(), ['ada', 'bayo']);
  const found = await service.getParticipant(room, 'ada');
  assert.deepEqual(found.tracks.map(({ sid }) => sid), [micSid]);
  assert.equal(found.permission?.canPublish, true);
  await assert.rejects(service.getParticipant(room, 'nobody'), { status: 404, message: 'participant does not exist' });
  assert.deepEqual(await service.listParticipants('nowhere'), []);

  // MutePublishedTrack: MU-2, MU-3.
  const muted = await service.mutePublishedTrack(room, 'ada', micSid, true);
  assert.deepEqual([muted.sid, muted.muted], [micSid, true]);
  await ada.sees('its own microphone muted', ({ events }) => events.some(({ name }) => name === 'trackMuted'));
  await bayo.seesNothingOf('ada', 'microphone');
  await assert.rejects(service.mutePublishedTrack(room, 'ada', micSid, false), {
    status: 412,
    code: 'failed_precondition',
    message: 'remote unmute not enabled',
  });
  await assert.rejects(service.mutePublishedTrack(room, 'ada', 'TR_none', true), { message: 'track is not found' });
  await ada.turn('microphone', 'on');
  await bayo.hears('ada');

  // UpdateSubscriptions on behalf of bayo.
  await service.updateSubscriptions(room, 'bayo', [micSid], false);
  await bayo.sees('the microphone go', (seen) => !trackOf(seen, 'ada', 'microphone')?.subscribed);
  await service.updateSubscriptions(room, 'bayo', [micSid], true);
  await bayo.hears('ada');

  // UpdateParticipant: MD-2.
  const updated = await service.updateParticipant(room, 'ada', {
    name: 'Ada L.', metadata: 'in the chair', attributes: { hand: 'up' },
  });
  assert.deepEqual([updated.name, updated.metadata, updated.attributes], ['Ada L.', 'in the chair', { hand: 'up' }]);
  await bayo.worker.until(
    'bayo sees the change',
    () => bayo.page.evaluate(() => {
      const other = window.call.open().remoteParticipants.get('ada');
      return [other?.name, other?.metadata, other?.attributes.hand];
    }),
    ([name, metadata, hand]) => name === 'Ada L.' && metadata === 'in the chair' && hand === 'up',
  );
  await assert.rejects(service.updateParticipant(room, 'ada', { metadata: 'x'.repeat(600_000) }), {
    status: 400, code: 'invalid_argument',
  });
  // Permission replaces the old one as a whole: bayo may no longer publish.
  const silenced = await service.updateParticipant(room, 'bayo', { permission: { canSubscribe: true } });
  assert.deepEqual([silenced.permission?.canSubscribe, silenced.permission?.canPublish], [true, false]);
  await bayo.sees('that it may not', ({ events }) => events.some(({ name }) => name === 'participantPermissionsChanged'));

  // SendData: to everybody, to one, with a topic; sender empty.
  const text = (/** @type {string} */ line) => new TextEncoder().encode(line);
  await service.sendData(room, text('for all'), DataPacket_Kind.RELIABLE, { topic: 'news' });
  await service.sendData(room, text('for bayo'), DataPacket_Kind.LOSSY, { destinationIdentities: ['bayo'] });
  await bayo.sees('both messages', ({ messages }) => messages.length === 2);
  const { messages } = await ada.sees('one message', (seen) => seen.messages.length > 0);
  assert.deepEqual(messages, [{ from: '', topic: 'news', text: 'for all' }]);
  const nonce = Buffer.alloc(16, 7).toString('base64');
  const once = { room, data: Buffer.from('once').toString('base64'), nonce };
  for (const _ of [1, 2]) assert.equal((await call(stage.worker, 'SendData', once, { roomAdmin: true, room })).status, 200);
  await service.sendData(room, text('last'), DataPacket_Kind.RELIABLE, {});
  const all = await ada.sees('the last message', (seen) => seen.messages.some((message) => message.text === 'last'));
  assert.equal(all.messages.filter((message) => message.text === 'once').length, 1, 'RS-7 tried twice, delivered once');

  // UpdateRoomMetadata reaches clients at once.
  await service.updateRoomMetadata(room, 'about light');
  await ada.worker.until(
    'ada sees the metadata',
    () => ada.page.evaluate(() => window.call.open().metadata),
    (metadata) => metadata === 'about light',
  );

  // PerformRpc, answered, failed, unknown, and nobody there.
  await ada.page.evaluate(() => {
    const room = window.call.open();
    room.registerRpcMethod('greet', async ({ payload, callerIdentity }) => `hello ${payload} from ${callerIdentity}!`);
    room.registerRpcMethod('fail', async () => {
      throw new LivekitClient.RpcError(101, 'not today', 'tomorrow');
    });
    room.registerRpcMethod('never', () => new Promise(() => {}));
  });
  const rpc = (/** @type {string} */ method, more = {}) =>
    call(stage.worker, 'PerformRpc', { room, destinationIdentity: 'ada', method, payload: 'app', ...more }, { roomAdmin: true, room });
  assert.deepEqual(await rpc('greet'), { status: 200, body: { payload: 'hello app from !' } });
  const failed = await rpc('fail');
  assert.deepEqual([failed.status, failed.body.meta], [412, { rpc_code: '101', rpc_data: 'tomorrow' }]);
  const unknown = await rpc('nothing');
  assert.deepEqual([unknown.status, unknown.body.meta.rpc_code], [404, '1400']);
  const late = await rpc('never', { responseTimeoutMs: 500 });
  assert.deepEqual([late.status, late.body.meta.rpc_code], [408, '1502']);
  assert.equal((await rpc('greet', { destinationIdentity: 'nobody' })).status, 404);
  assert.equal((await bayo.seen()).messages.length, 4, 'nobody else hears of calls');

  // ForwardParticipant: there too, as long as it is here.
  await service.forwardParticipant(room, 'ada', 'porch');
  assert.deepEqual((await service.listParticipants('porch')).map(({ identity }) => identity), ['ada']);

  // RemoveParticipant: T9, the token is of no more use.
  await service.removeParticipant(room, 'bayo');
  await bayo.sees('that it is out', ({ state }) => state === 'disconnected');
  const answer = await fetch(
    `http://127.0.0.1:${stage.worker.ports.http}/rtc/validate?access_token=${bayo.token}`,
  );
  assert.equal(answer.status, 401);

  // DeleteRoom: everybody is told, and the room is gone.
  await service.deleteRoom(room);
  await ada.sees('that the room is gone', ({ state }) => state === 'disconnected');
  assert.deepEqual(await service.listRooms([room]), []);

  const events = await stage.worker.until(
    'the last webhook',
    () => receiver.eventsOf(room),
    (list) => list.at(-1)?.event === 'room_finished',
  );
  const names = events.map(({ event, participant }) => [event, participant?.identity].filter(Boolean).join(' '));
  // WH-6: each beginning before its end.
  const order = (/** @type {string[]} */ ...expected) => {
    const places = expected.map((name) => names.indexOf(name));
    assert(places.every((place, index) => place > (places[index - 1] ?? -1)), `${expected} in ${names}`);
  };
  order('room_started', 'participant_joined ada', 'track_published ada', 'track_unpublished ada',
    'participant_left ada', 'room_finished');
  order('room_started', 'participant_joined bayo', 'participant_left bayo', 'room_finished');
  const published = events.find(({ event }) => event === 'track_published');
  assert.equal(published?.track?.sid, micSid);
  await stage.dismiss(ada, bayo);
});

test('somebody moved to another room is in a call there', BOUNDED, async () => {
  await service.createRoom({ name: 'balcony' });
  const ada = await stage.participant('hall', 'ada', '2.23.0');
  const bayo = await stage.participant('balcony', 'bayo', '2.23.0');
  await ada.join();
  await bayo.join();
  await ada.publishMicrophone();
  await service.moveParticipant('hall', 'ada', 'balcony');
  await ada.sees('the move', ({ events }) => events.some(({ name, about }) => name === 'moved' && about === 'balcony'));
  await bayo.hears('ada');
  assert.deepEqual((await service.listParticipants('hall')).map(({ identity }) => identity), []);
  assert.deepEqual((await service.listParticipants('balcony')).map(({ identity }) => identity).sort(), ['ada', 'bayo']);
  await stage.dismiss(ada, bayo);
});

test('AU-2 tokens with all their claims are understood', BOUNDED, async () => {
  const page = await stage.participant('claims', 'grace', '2.23.0');
  const token = new AccessToken(KEY, SECRET, {
    identity: 'grace', name: 'Grace H.', metadata: 'admiral', attributes: { ship: 'none' }, ttl: 600,
  });
  token.addGrant({
    roomJoin: true, room: 'claims', roomCreate: true, canPublish: true, canSubscribe: true, canPublishData: false,
    canPublishSources: [/* microphone */ 2], canUpdateOwnMetadata: true, hidden: false,
  });
  token.roomConfig = /** @type {any} */ ({ name: '', emptyTimeout: 44, departureTimeout: 4, maxParticipants: 9, metadata: 'by token', toJson: () => ({ emptyTimeout: 44, departureTimeout: 4, maxParticipants: 9, metadata: 'by token' }) });
  await page.join(undefined, await token.toJwt());
  const grace = await service.getParticipant('claims', 'grace');
  assert.deepEqual([grace.name, grace.metadata, grace.attributes], ['Grace H.', 'admiral', { ship: 'none' }]);
  assert.deepEqual(
    [grace.permission?.canPublishData, grace.permission?.canUpdateMetadata, grace.permission?.canPublishSources],
    [false, true, [2]],
  );
  const [room] = await service.listRooms(['claims']);
  assert.deepEqual(
    [room.emptyTimeout, room.departureTimeout, room.maxParticipants, room.metadata], [44, 4, 9, 'by token'],
  );
  await stage.dismiss(page);
});

test('WH-4 a receiver that fails first is told again, in order, each event under one id', BOUNDED, async () => {
  receiver.failures = 3;
  const tried = receiver.tries.length;
  await service.createRoom({ name: 'patience' });
  await service.deleteRoom('patience');
  const events = await told('patience', ['room_started', 'room_finished']);
  const [first] = events;
  const tries = receiver.tries.slice(tried).filter((id) => id === first.id);
  assert(tries.length >= 2, 'the same id on every try');
  assert.equal(new Set(receiver.taken.map(({ id }) => id)).size, receiver.taken.length, 'and taken once');
  assert(events.every(({ id, createdAt }) => id.startsWith('EV_') && createdAt > 1_700_000_000n));
});

test('WH-4 what is not delivered survives a restart of the worker', BOUNDED, async () => {
  await receiver.close();
  await service.createRoom({ name: 'memory', metadata: 'kept' });
  await service.deleteRoom('memory');
  const { ports } = stage.worker;
  assert.equal(await stage.worker.stop(), 0);
  assert.deepEqual(receiver.eventsOf('memory'), []);
  stage.worker = await EdgeWorker.start(settings(), ports);
  await receiver.open();
  const [started, finished] = await told('memory', ['room_started', 'room_finished']);
  assert.equal(started.room?.sid, finished.room?.sid);
  assert.equal(finished.room?.metadata, 'kept');
  const metrics = await (await fetch(`http://127.0.0.1:${ports.admin}/metrics`)).text();
  assert.match(metrics, /^edge_webhooks_delivered_total [1-9]/m);
  await stage.worker.until(
    'nothing to wait any more',
    async () => (await (await fetch(`http://127.0.0.1:${ports.admin}/metrics`)).text()).match(/^edge_webhooks_queued (\d+)/m)?.[1],
    (queued) => queued === '0',
  );
  assert.deepEqual(receiver.complaints, [], 'every request was signed and of the right form');
});
