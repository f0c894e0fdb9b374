// @ts-check
/** Two people meet through the meeting page. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { MeetingServer, Person } from './lib/meeting-page.js';
import { BOUNDED, Stage } from './lib/stage.js';

const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 800 };
const ROOM = 'market-day';
/** Pictures of the call, for a person to look at. */
const ARTEFACTS = fileURLToPath(new URL('./artefacts/', import.meta.url));

const stage = Stage.forThisFile();
/** @type {MeetingServer[]} */
const servers = [];

before(() => mkdir(ARTEFACTS, { recursive: true }));
after(() => Promise.all(servers.map((server) => server.stop())));

/** @param {Parameters<typeof MeetingServer.start>[1]} [options] */
async function meetingServer(options) {
  const server = await MeetingServer.start(stage.worker, options);
  servers.push(server);
  return server;
}

/** @param {string} name */
async function person(name) {
  const page = await stage.page();
  await page.context().grantPermissions(['camera', 'microphone', 'clipboard-read', 'clipboard-write']);
  await page.setViewportSize(DESKTOP);
  return new Person(page, stage.worker, name);
}

test('two people meet through the page', BOUNDED, async () => {
  const { origin } = await meetingServer();
  const ada = await person('Ada');
  const bayo = await person('Bayo');

  // One opens the room, the other follows the invitation.
  await ada.join(origin, ROOM);
  await ada.isIn();
  const invite = await ada.copiesInvite();
  assert(invite.includes(ROOM), invite);
  await bayo.join(invite);
  await bayo.isIn();
  await Promise.all([ada.counts(2), bayo.counts(2)]);
  await Promise.all([ada.seesMove('bayo'), bayo.seesMove('ada')]);

  // Chat.
  await ada.opensChat();
  await bayo.opensChat();
  await ada.says('Good morning from Lagos');
  await bayo.reads('Good morning from Lagos');
  await bayo.says('Good morning from Kano');
  await ada.reads('Good morning from Kano');

  // Views and pictures, with the chat out of the way.
  for (const someone of [ada, bayo]) await someone.at('toggle-chat').click();
  await ada.at('view-speaker').click();
  await ada.seesMove('bayo');
  await ada.at('view-grid').click();
  await ada.seesMove('bayo');
  await bayo.seesMove('ada');
  await bayo.photograph(`${ARTEFACTS}call-phone.png`, PHONE);
  await bayo.photograph(`${ARTEFACTS}call-desktop.png`, DESKTOP);

  // A screen.
  await ada.page.bringToFront();
  await ada.at('toggle-screen').click();
  await bayo.seesMove('ada', 'screen_share');
  await bayo.photograph(`${ARTEFACTS}screen-phone.png`, PHONE);
  await bayo.photograph(`${ARTEFACTS}screen-desktop.png`, DESKTOP);
  await ada.at('toggle-screen').click();
  await bayo.waits('for the screen to go', () => bayo.page.locator('[data-source="screen_share"]').count(), (count) => count === 0);

  // Leaving and coming back.
  await bayo.at('leave').click();
  await bayo.at('rejoin').waitFor();
  await ada.counts(1);
  await bayo.at('rejoin').click();
  await bayo.isIn();
  await Promise.all([ada.counts(2), bayo.counts(2)]);
  await Promise.all([ada.seesMove('bayo'), bayo.seesMove('ada')]);
  for (const someone of [ada, bayo]) await someone.page.context().close();
});

test('whoever brings a token that the server refuses is told so', BOUNDED, async () => {
  const { origin } = await meetingServer({ secret: 'another secret that the worker does not know' });
  const eve = await person('Eve');
  await eve.join(origin, ROOM);
  await eve.at('error').waitFor();
  assert.equal(await eve.at('error').getAttribute('data-reason'), 'token-refused');
  await eve.photograph(`${ARTEFACTS}refused-phone.png`, PHONE);
  await eve.page.context().close();
});
