// @ts-check
/** One room over three nodes, a browser on each: to its people, and to the app, it is one room. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataPacket_Kind, RoomServiceClient } from 'livekit-server-sdk';
import { KEY, SECRET } from './lib/edge-worker.js';
import { trackOf } from './lib/participant.js';
import { joinWith, knows } from './lib/presence.js';
import { BOUNDED, Stage } from './lib/stage.js';
import { call } from './lib/twirp.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */

const CITIES = ['kano', 'lagos', 'abuja'];
const VERSION = '2.23.0';
const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** Three layers. */
const LAYERED = { width: 1280, height: 720, frameRate: 20, simulcast: true };
/** @type {[import('./lib/participant.js').Quality, { width: number, height: number }][]} */
const WISHES = [
  ['LOW', { width: 320, height: 180 }],
  ['MEDIUM', { width: 640, height: 360 }],
  ['HIGH', { width: 1280, height: 720 }],
  ['LOW', { width: 320, height: 180 }],
];
/** The browser raises its bitrate step by step until the best layer fits. */
const RAMP_MS = 30_000;
/** Less is wanted for good after five seconds, and another node waits a little longer than that. */
const TURNED_OFF_MS = 20_000;

const stage = Stage.forThisFile({}, CITIES);

/**
 * Somebody on each node, in the order of the cities.
 * @param {string} room
 * @param {string[]} identities
 */
function seats(room, identities) {
  return Promise.all(identities.map((identity, city) => stage.participant(room, identity, VERSION, stage.workers[city])));
}

/** @param {Participant[]} participants */
async function publish(...participants) {
  await Promise.all(participants.map((participant) => participant.publishCamera(CAMERA)));
  await Promise.all(participants.map((participant) => participant.publishMicrophone()));
}

/**
 * Everybody sees and hears everybody else.
 * @param {Participant[]} participants
 */
async function meet(...participants) {
  for (const viewer of participants) {
    for (const { identity } of participants.filter((other) => other !== viewer)) {
      await Promise.all([viewer.seesVideoOf(identity, 'camera', CAMERA), viewer.hears(identity)]);
    }
  }
}

test('a call over three nodes', BOUNDED, async (t) => {
  const all = await seats('three nodes', ['ada', 'bayo', 'chidi']);
  const [ada, bayo, chidi] = all;
  const early = [ada, bayo];

  await t.test('two see and hear each other, and whoever comes late on the third node gets everything', async () => {
    for (const participant of early) await joinWith(participant);
    await publish(...early);
    await meet(...early);
    await joinWith(chidi);
    await publish(chidi);
    await meet(...all);
  });

  await t.test('everybody is shown where they are', async () => {
    for (const viewer of all) {
      const regions = await viewer.page.evaluate(() => {
        const room = window.call.open();
        const everybody = [room.localParticipant, ...room.remoteParticipants.values()];
        // Not told by the client's types, but by the server.
        return Object.fromEntries(everybody.map((it) => [it.identity, /** @type {any} */ (it).participantInfo?.region]));
      });
      assert.deepEqual(regions, { ada: 'kano', bayo: 'lagos', chidi: 'abuja' });
    }
  });

  await t.test('chat and data reach all others', async () => {
    await Promise.all(all.map((speaker) => speaker.say(`hello from ${speaker.identity}`)));
    for (const reliable of [true, false]) {
      await Promise.all(all.map((sender) => sender.send(`${reliable} from ${sender.identity}`, { reliable })));
    }
    for (const listener of all) {
      const others = all.filter((other) => other !== listener).map(({ identity }) => identity);
      const { chat, messages } = await listener.sees('what the others say', (seen) =>
        seen.chat.length >= others.length && seen.messages.length >= 2 * others.length);
      assert.deepEqual(chat.map(({ text }) => text).sort(), others.map((who) => `hello from ${who}`));
      assert.deepEqual(
        messages.map(({ text }) => text).sort(),
        [false, true].flatMap((reliable) => others.map((who) => `${reliable} from ${who}`)),
      );
    }
  });

  await t.test('a muted microphone and a stopped camera are silent and still on all nodes, until they are on again', async () => {
    await ada.turn('microphone', 'off');
    await ada.turn('camera', 'off');
    for (const viewer of [bayo, chidi]) {
      await Promise.all([viewer.seesNothingOf('ada', 'microphone'), viewer.seesNothingOf('ada', 'camera')]);
    }
    await ada.turn('microphone', 'on');
    await ada.turn('camera', 'on');
    for (const viewer of [bayo, chidi]) {
      await Promise.all([viewer.hears('ada'), viewer.seesVideoOf('ada', 'camera', CAMERA)]);
    }
  });

  await t.test('a new name, metadata and attributes show on all nodes', async () => {
    await bayo.page.evaluate(async () => {
      const { localParticipant } = window.call.open();
      await localParticipant.setName('Bayo A.');
      await localParticipant.setMetadata('in the chair');
      await localParticipant.setAttributes({ hand: 'up' });
    });
    for (const viewer of all) {
      await knows(viewer, "bayo's new name", ({ people }) =>
        people.bayo.name === 'Bayo A.' && people.bayo.metadata === 'in the chair' && people.bayo.attributes.hand === 'up');
    }
  });

  await t.test('who leaves is gone on all nodes at once', async () => {
    await chidi.leave();
    for (const viewer of early) {
      await viewer.sees('chidi gone', ({ participants }) => participants.every(({ identity }) => identity !== 'chidi'), 3_000);
    }
    for (const { pageErrors } of await Promise.all(all.map((participant) => participant.seen()))) {
      assert.deepEqual(pageErrors, []);
    }
  });
  await stage.dismiss(...all);
});

test('the wished layer crosses, and one that nobody wishes for on any node is not sent', BOUNDED, async () => {
  const all = await seats('layers', ['ada', 'bayo', 'chidi']);
  const [ada, bayo, chidi] = all;
  await ada.join({ dynacast: true });
  await bayo.join();
  await chidi.join();
  await ada.publishCamera(LAYERED);
  await sends(ada, ['f', 'h', 'q'], RAMP_MS);
  await chidi.track('ada', 'camera');
  await chidi.wish('ada', 'LOW');
  for (const [wish, size] of WISHES) {
    await bayo.wish('ada', wish);
    await bayo.seesVideoOf('ada', 'camera', size);
  }
  await chidi.seesVideoOf('ada', 'camera', WISHES[0][1]);
  await sends(ada, ['q'], TURNED_OFF_MS);
  await chidi.wish('ada', 'MEDIUM');
  await sends(ada, ['h', 'q'], RAMP_MS);
  await chidi.seesVideoOf('ada', 'camera', WISHES[1][1]);
  await bayo.seesVideoOf('ada', 'camera', WISHES[0][1]);
  await stage.dismiss(...all);
});

test('the app has its say at any node about anybody on any other', BOUNDED, async () => {
  const room = 'parlour';
  const all = await seats(room, ['ada', 'bayo', 'chidi']);
  for (const participant of all) await participant.join();
  await Promise.all(all.map((participant) => participant.publishMicrophone()));
  for (const participant of all) {
    await participant.sees('both others', ({ participants }) => participants.length === 2);
    await participant.page.evaluate(() =>
      window.call.open().registerRpcMethod('greet', async ({ payload }) => `hello ${payload}`));
  }
  for (const [at, worker] of stage.workers.entries()) {
    const service = new RoomServiceClient(worker.url, KEY, SECRET);
    // Whoever is on the next node, and on the one after that.
    const [near, far] = [all[(at + 1) % all.length], all[(at + 2) % all.length]];
    const here = all[at];

    assert.deepEqual((await service.listRooms([room])).map(({ numParticipants }) => numParticipants), [3]);
    const listed = await service.listParticipants(room);
    assert.deepEqual(listed.map(({ identity }) => identity).sort(), ['ada', 'bayo', 'chidi']);
    assert.equal((await service.getParticipant(room, near.identity)).region, CITIES[(at + 1) % CITIES.length]);

    const { published } = await near.seen();
    const muted = await service.mutePublishedTrack(room, near.identity, published[0].sid, true);
    assert.equal(muted.muted, true);
    await near.sees('its own microphone muted', (seen) => seen.published[0].muted);
    await far.sees(`${near.identity} muted`, (seen) => trackOf(seen, near.identity, 'microphone')?.muted);

    const updated = await service.updateParticipant(room, far.identity, { metadata: `by ${here.identity}` });
    assert.equal(updated.metadata, `by ${here.identity}`);
    for (const viewer of all) {
      await knows(viewer, 'the change', ({ people }) => people[far.identity].metadata === `by ${here.identity}`);
    }

    const text = `news at ${CITIES[at]}`;
    await service.sendData(room, new TextEncoder().encode(text), DataPacket_Kind.RELIABLE, {});
    for (const listener of all) {
      await listener.sees('the news', ({ messages }) => messages.some((message) => message.text === text));
    }

    const body = { room, destinationIdentity: far.identity, method: 'greet', payload: 'app' };
    assert.deepEqual(await call(worker, 'PerformRpc', body, { roomAdmin: true, room }), {
      status: 200, body: { payload: 'hello app' },
    });
    await service.updateRoomMetadata(room, text);
    for (const viewer of all) {
      await viewer.worker.until(
        'the metadata', () => viewer.page.evaluate(() => window.call.open().metadata), (metadata) => metadata === text);
    }
  }
  for (const { messages } of await Promise.all(all.map((participant) => participant.seen()))) {
    assert.equal(messages.length, CITIES.length, 'each message arrives once');
  }

  const [ada, bayo, chidi] = all;
  const service = new RoomServiceClient(stage.workers[0].url, KEY, SECRET);
  await service.removeParticipant(room, 'chidi');
  await chidi.sees('that it is out', ({ state }) => state === 'disconnected');
  for (const viewer of [ada, bayo]) await viewer.sees('chidi gone', ({ participants }) => participants.length === 1);
  await new RoomServiceClient(stage.workers[2].url, KEY, SECRET).deleteRoom(room);
  for (const viewer of [ada, bayo]) await viewer.sees('that the room is gone', ({ state }) => state === 'disconnected');
  assert.deepEqual(await service.listRooms([room]), []);
  await stage.dismiss(...all);
});

test('what is encrypted from browser to browser is, over nodes, too', BOUNDED, async () => {
  const both = await seats('encrypted', ['ada', 'bayo']);
  for (const participant of both) await participant.join({ secret: 'known to both' });
  await publish(...both);
  await meet(...both);
  const [ada, bayo] = both;
  assert.equal(trackOf(await ada.seen(), 'bayo', 'camera')?.encrypted, true);
  await bayo.send('for ada', { reliable: true });
  await ada.sees('the message', ({ messages }) => messages.some(({ text }) => text === 'for ada'));
  await stage.dismiss(...both);
});

/**
 * Waits until exactly these layers are sent.
 * @param {Participant} publisher
 * @param {string[]} rids
 * @param {number} timeoutMs
 */
async function sends(publisher, rids, timeoutMs) {
  await publisher.sees(
    `itself send ${rids.join(', ')}`,
    ({ published }) => {
      const layers = published.find(({ source }) => source === 'camera')?.layers ?? [];
      return layers.filter(({ active }) => active).map(({ rid }) => rid).sort().join() === rids.join();
    },
    timeoutMs,
  );
}
