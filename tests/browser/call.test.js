// @ts-check
/** A whole call between two browsers and a late third, each version of the client against each. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overhear } from './lib/overheard.js';
import { VERSIONS } from './lib/pages.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** Two layers, of which the better one is wished for unless someone says otherwise. */
const ADA_CAMERA = { width: 640, height: 360, frameRate: 15, simulcast: true };
const BAYO_CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };
/** The fake screen is four by three. In layers, as clients share it unless told otherwise. */
const SCREEN = { width: 480, height: 360, frameRate: 5, simulcast: true };

/** The others have one, over which they offer themselves. @type {readonly string[]} */
const WITH_TWO_CONNECTIONS = ['2.15.5'];

/** What no participant of an undisturbed call should ever hear from its client. */
const DISTURBANCES = ['reconnecting', 'signalReconnecting', 'trackSubscriptionFailed', 'mediaDevicesError'];

const stage = Stage.forThisFile();

for (const first of VERSIONS) {
  for (const second of VERSIONS) test(`a call between ${first} and ${second}`, BOUNDED, (t) => call(t, first, second));
}

/**
 * @param {import('node:test').TestContext} t
 * @param {import('./lib/pages.js').Version} first
 * @param {import('./lib/pages.js').Version} second
 */
async function call(t, first, second) {
  const room = `${first} and ${second}`;
  const ada = await stage.participant(room, 'ada', first);
  const bayo = await stage.participant(room, 'bayo', second);
  const both = [ada, bayo];
  const heard = both.map(({ page }) => overhear(page));
  /** Ends the call at the first thing that fails: what follows would only fail for the same reason. */
  let whole = true;
  /** @param {string} name @param {() => Promise<void>} play */
  const scene = async (name, play) => {
    if (!whole) return;
    whole = false;
    await t.test(name, async () => {
      await play();
      whole = true;
    });
  };

  await scene('both join and learn of each other', async () => {
    await ada.join();
    await bayo.join();
    await ada.sees('bayo', ({ participants }) => participants.some(({ identity }) => identity === 'bayo'));
    await bayo.sees('ada', ({ participants }) => participants.some(({ identity, name }) => identity === 'ada' && name === 'ada'));
  });

  await scene('both see moving video of the wished size and hear sound', async () => {
    await Promise.all([ada.publishCamera(ADA_CAMERA), bayo.publishCamera(BAYO_CAMERA)]);
    await Promise.all([ada.publishMicrophone(), bayo.publishMicrophone()]);
    await Promise.all([bayo.seesVideoOf('ada', 'camera', ADA_CAMERA), ada.seesVideoOf('bayo', 'camera', BAYO_CAMERA)]);
    await Promise.all([ada.hears('bayo'), bayo.hears('ada')]);
  });

  await scene('chat and data reach the other, both ways, and never their sender', async () => {
    await Promise.all(both.map((speaker) => speaker.say(`hello from ${speaker.identity}`)));
    for (const reliable of [true, false]) {
      const reach = reliable ? 'reliable' : 'lossy';
      await Promise.all(both.map((sender) => sender.send(`${reach} from ${sender.identity}`, { reliable, topic: 'note' })));
    }
    const [toAda, toBayo] = await Promise.all(
      both.map((listener) =>
        listener.sees('a line of chat and two messages', ({ chat, messages }) => chat.length >= 1 && messages.length >= 2),
      ),
    );
    assert.deepEqual(toAda.chat, [{ from: 'bayo', text: 'hello from bayo' }]);
    assert.deepEqual(toBayo.chat, [{ from: 'ada', text: 'hello from ada' }]);
    assert.deepEqual(messagesOf(toAda), ['lossy from bayo', 'reliable from bayo']);
    assert.deepEqual(messagesOf(toBayo), ['lossy from ada', 'reliable from ada']);
  });

  await scene('a muted microphone falls silent for the other, until it is on again', async () => {
    await ada.turn('microphone', 'off');
    await bayo.seesNothingOf('ada', 'microphone');
    await ada.turn('microphone', 'on');
    await bayo.sees('ada unmuted', (seen) => trackOf(seen, 'ada', 'microphone')?.muted === false);
    await bayo.hears('ada');
  });

  await scene('a camera turned off stands still for the other, until it is on again', async () => {
    await bayo.turn('camera', 'off');
    await ada.seesNothingOf('bayo', 'camera');
    await bayo.turn('camera', 'on');
    await ada.sees('bayo unmuted', (seen) => trackOf(seen, 'bayo', 'camera')?.muted === false);
    await ada.seesVideoOf('bayo', 'camera', BAYO_CAMERA);
  });

  await scene('a shared screen plays beside the camera', async () => {
    await ada.shareScreen(SCREEN);
    await bayo.seesVideoOf('ada', 'screen_share', SCREEN);
    await bayo.seesVideoOf('ada', 'camera', ADA_CAMERA);
  });

  await scene('whoever comes late gets everything', async () => {
    const chidi = await stage.participant(room, 'chidi', second);
    await chidi.join();
    await chidi.publishCamera(BAYO_CAMERA);
    await Promise.all([
      chidi.seesVideoOf('ada', 'camera', ADA_CAMERA),
      chidi.seesVideoOf('ada', 'screen_share', SCREEN),
      chidi.seesVideoOf('bayo', 'camera', BAYO_CAMERA),
      chidi.hears('ada'),
      chidi.hears('bayo'),
      ...both.map((earlier) => earlier.seesVideoOf('chidi', 'camera', BAYO_CAMERA)),
    ]);
    await chidi.leave();
    await ada.sees('chidi gone', ({ participants }) => participants.every(({ identity }) => identity !== 'chidi'));
    await stage.dismiss(chidi);
  });

  await scene('a screen no longer shared is gone, and the camera is not', async () => {
    await ada.stopScreen();
    await bayo.sees('no screen', (seen) => !trackOf(seen, 'ada', 'screen_share'));
    await bayo.seesVideoOf('ada', 'camera', ADA_CAMERA);
  });

  await scene('who leaves is gone at once, and can come back', async () => {
    await bayo.leave();
    await ada.sees('bayo gone', ({ participants }) => participants.length === 0, 3_000);
    await bayo.join();
    await bayo.publishCamera(BAYO_CAMERA);
    await bayo.publishMicrophone();
    await Promise.all([bayo.seesVideoOf('ada', 'camera', ADA_CAMERA), ada.seesVideoOf('bayo', 'camera', BAYO_CAMERA)]);
    await Promise.all([ada.hears('bayo'), bayo.hears('ada')]);
  });

  await scene('SP-1 only who has two connections is offered anything', async () => {
    [first, second].forEach((version, whose) => {
      assert(Number(heard[whose].get('join')) > 0, 'nothing was overheard');
      assert.equal(heard[whose].has('offer'), WITH_TWO_CONNECTIONS.includes(version), `${version} heard ${[...heard[whose].keys()]}`);
    });
  });

  await scene('nothing disturbed the call', async () => {
    for (const { events, pageErrors } of await Promise.all(both.map((participant) => participant.seen()))) {
      assert.deepEqual(events.filter(({ name }) => DISTURBANCES.includes(name)), []);
      assert.deepEqual(pageErrors, []);
    }
  });

  await stage.dismiss(...both);
}

/** @param {import('./lib/participant.js').Seen} seen */
function messagesOf({ messages }) {
  for (const { from, topic, text } of messages) assert.deepEqual([topic, text.endsWith(` ${from}`)], ['note', true]);
  return messages.map(({ text }) => text).sort();
}
