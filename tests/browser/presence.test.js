// @ts-check
/** What people see of each other besides pictures: who speaks, how well they are connected, what they call themselves. */

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { joinWith, knows, noted, presence, publishTone, turnTone } from './lib/presence.js';
import { BOUNDED, Stage } from './lib/stage.js';

const stage = Stage.forThisFile();

/** Of full amplitude: about -12 dBov. */
const LOUD = 0.35;

for (const version of VERSIONS) test(`presence in ${version}`, BOUNDED, (t) => meet(t, version));

/**
 * @param {import('node:test').TestContext} t
 * @param {import('./lib/pages.js').Version} version
 */
async function meet(t, version) {
  const ada = await stage.participant(version, 'ada', version);
  const bayo = await stage.participant(version, 'bayo', version);
  const both = [ada, bayo];
  await joinWith(ada);
  await publishTone(ada, LOUD);
  await joinWith(bayo);
  await publishTone(bayo, 0);
  for (const someone of both) {
    await knows(someone, 'the other', ({ people }) =>
      ['ada', 'bayo'].every((who) => who === someone.identity || people[who]?.tracks[0]?.subscribed));
  }

  await t.test('AS-2 AS-3 who makes sound is an active speaker to both, who is silent is not', async () => {
    for (const someone of both) {
      await knows(someone, 'that ada speaks', ({ speakers, people }) => speakers[0] === 'ada' && people.ada.speaking);
    }
    await pause(1_500);
    for (const someone of both) {
      const { speakers, people } = await presence(someone);
      assert.deepEqual(speakers, ['ada']);
      assert(people.ada.level > 0 && people.ada.level <= 1, `level ${people.ada.level}`);
      assert.equal(people.bayo.speaking, false);
      assert((await noted(someone, 'activeSpeakersChanged')).length > 0);
    }
    await turnTone(ada, 0);
    for (const someone of both) await knows(someone, 'that nobody speaks', ({ speakers }) => speakers.length === 0);
    await turnTone(bayo, LOUD);
    for (const someone of both) await knows(someone, 'that bayo speaks', ({ speakers }) => speakers[0] === 'bayo');
    await turnTone(bayo, 0);
  });

  await t.test('CQ-1 both see both connections excellent', async () => {
    for (const someone of both) {
      await knows(someone, 'good connections', ({ people }) =>
        people.ada.quality === 'excellent' && people.bayo.quality === 'excellent', 30_000);
    }
  });

  await t.test('a track is told to be received once', async () => {
    // Clients pass over what they are told of a track before they know that they publish it.
    assert.equal((await noted(ada, 'localTrackSubscribed')).length, 1);
  });

  await t.test('MD-1 a new name, metadata and attributes come back to their owner and show at the other side', async () => {
    await ada.page.evaluate(async () => {
      const { localParticipant } = window.call.open();
      await localParticipant.setName('Ada Obi');
      await localParticipant.setMetadata('{"hand":"up"}');
      await localParticipant.setAttributes({ language: 'yo', seat: '1' });
      await localParticipant.setAttributes({ seat: '' });
    });
    for (const someone of both) {
      await knows(someone, "ada's new name", ({ people: { ada: seen } }) =>
        seen.name === 'Ada Obi' && seen.metadata === '{"hand":"up"}' && seen.attributes.language === 'yo' && !('seat' in seen.attributes));
    }
    const { people } = await presence(bayo);
    assert.equal(people.bayo.name, 'bayo');
  });

  await t.test('MD-1 who may not change itself is told so', async () => {
    const chidi = await stage.participant(version, 'chidi', version);
    await joinWith(chidi, { canUpdateOwnMetadata: false });
    const error = await chidi.page.evaluate(() =>
      window.call.open().localParticipant.setName('Boss').then(() => '', (/** @type {Error} */ { message }) => message));
    assert(error && !error.includes('timed out'), error);
    const { people } = await presence(bayo);
    assert.notEqual(people.chidi?.name, 'Boss');
    await stage.dismiss(chidi);
  });

  await t.test('a publisher withholds its track from somebody and gives it back', async () => {
    const allow = (/** @type {boolean} */ all) => ada.page.evaluate((everybody) => {
      window.call.open().localParticipant.setTrackSubscriptionPermissions(everybody, []);
    }, all);
    await allow(false);
    await knows(bayo, 'nothing of the track', ({ people: { ada: seen } }) =>
      seen.tracks[0].permission === 'not_allowed' && !seen.tracks[0].subscribed);
    await allow(true);
    await knows(bayo, 'the track again', ({ people: { ada: seen } }) =>
      seen.tracks[0].permission === 'allowed' && seen.tracks[0].subscribed);
    await turnTone(ada, LOUD);
    await knows(bayo, 'that ada speaks', ({ speakers }) => speakers.includes('ada'));
    await turnTone(ada, 0);
  });

  await t.test('a hidden recorder shows the room as recorded and itself to nobody', async () => {
    const tape = await stage.participant(version, 'tape', version);
    await joinWith(tape, { recorder: true, hidden: true, canPublish: false });
    for (const someone of both) await knows(someone, 'that it is recorded', ({ recording }) => recording);
    assert(!('tape' in (await presence(ada)).people));
    await knows(tape, 'both', ({ people }) => people.ada?.tracks[0]?.subscribed && people.bayo?.tracks[0]?.subscribed);
    await tape.leave();
    for (const someone of both) await knows(someone, 'that it is not recorded', ({ recording }) => !recording);
    await stage.dismiss(tape);
  });

  await t.test('a host marked as recorder is seen and heard like anybody', async () => {
    const host = await stage.participant(version, 'host', version);
    await joinWith(host, { recorder: true });
    await publishTone(host, LOUD);
    for (const someone of both) {
      await knows(someone, 'that the host speaks', ({ recording, speakers, people }) =>
        recording && speakers.includes('host') && people.host.tracks[0].subscribed);
    }
    await stage.dismiss(host);
  });

  await stage.dismiss(...both);
}
