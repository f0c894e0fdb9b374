// @ts-check
/** What nobody watches is not sent up, what is shown small is sent small, and what does not fit stops with notice. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */

const CAMERA = { width: 1280, height: 720, frameRate: 20, simulcast: true };
const SMALL = { width: 320, height: 180 };
const MEDIUM = { width: 640, height: 360 };
const LARGE = { width: 1280, height: 720 };

/** Less is wanted for good after five seconds. */
const TURNED_OFF_MS = 12_000;
const TURNED_ON_MS = 3_000;
/** The browser raises its bitrate step by step until the best layer fits. */
const RAMP_MS = 30_000;
/** Too little for any picture; sound goes on whatever comes. */
const THIN = 20_000;

const stage = Stage.forThisFile();

VERSIONS.forEach((version, at) => {
  const viewerVersion = VERSIONS[(at + 1) % VERSIONS.length];

  test(`DY-2 layers that nobody wants are turned off by ${version}`, BOUNDED, async () => {
    const ada = await stage.participant(`dynacast ${version}`, 'ada', version);
    const bayo = await stage.participant(`dynacast ${version}`, 'bayo', viewerVersion);
    await ada.join({ dynacast: true });
    await bayo.join();
    await ada.publishCamera(CAMERA);
    await sends(ada, ['f', 'h', 'q'], RAMP_MS);
    await bayo.seesVideoOf('ada', 'camera', LARGE);

    await bayo.wish('ada', 'LOW');
    await sends(ada, ['q'], TURNED_OFF_MS);
    await bayo.seesVideoOf('ada', 'camera', SMALL);
    await bayo.wish('ada', 'MEDIUM');
    await sends(ada, ['h', 'q'], TURNED_ON_MS);
    await bayo.seesVideoOf('ada', 'camera', MEDIUM);
    await bayo.leave();
    await sends(ada, [], TURNED_OFF_MS);
    await bayo.join();
    await sends(ada, ['f', 'h', 'q'], RAMP_MS);
    await bayo.seesVideoOf('ada', 'camera', LARGE);
    await stage.dismiss(ada, bayo);
  });

  test(`SU-2 the size in which ${viewerVersion} shows a picture is the size it is sent`, BOUNDED, async () => {
    const ada = await stage.participant(`sizes ${version}`, 'ada', version);
    const bayo = await stage.participant(`sizes ${version}`, 'bayo', viewerVersion);
    await ada.join();
    await bayo.join({ adaptiveStream: true });
    await ada.publishCamera(CAMERA);
    await sends(ada, ['f', 'h', 'q'], RAMP_MS);
    await bayo.track('ada', 'camera');
    for (const size of [SMALL, LARGE, MEDIUM, SMALL]) {
      await bayo.show(size);
      await bayo.seesVideoOf('ada', 'camera', size);
    }
    await bayo.show('hidden');
    await standsStill(bayo);
    await bayo.show(MEDIUM);
    await bayo.seesVideoOf('ada', 'camera', MEDIUM);
    await stage.dismiss(ada, bayo);
  });

  test(`CG-3 ${viewerVersion} is told when a picture does not fit, and sound goes on`, BOUNDED, async () => {
    const ada = await stage.participant(`pause ${version}`, 'ada', version);
    const bayo = await stage.participant(`pause ${version}`, 'bayo', viewerVersion);
    await ada.join();
    await bayo.join();
    await Promise.all([ada.publishCamera({ ...CAMERA, ...MEDIUM }), ada.publishMicrophone()]);
    await bayo.seesVideoOf('ada', 'camera', MEDIUM);
    await bayo.imagineLink(THIN);
    await told(bayo, viewerVersion, 'paused');
    await standsStill(bayo);
    await bayo.hears('ada');
    await bayo.imagineLink(0);
    await told(bayo, viewerVersion, 'active');
    await bayo.seesVideoOf('ada', 'camera', MEDIUM);
    await stage.dismiss(ada, bayo);
  });
});

/**
 * Waits until exactly these layers are sent.
 * @param {Participant} publisher
 * @param {string[]} rids
 * @param {number} timeoutMs
 */
async function sends(publisher, rids, timeoutMs) {
  await publisher.sees(
    `itself send ${rids.join(', ') || 'nothing'}`,
    ({ published }) => {
      const layers = published.find(({ source }) => source === 'camera')?.layers ?? [];
      const active = layers.filter(({ active }) => active).map(({ rid }) => rid).sort();
      const largest = Math.max(...layers.filter(({ active }) => active).map(({ counters }) => counters.frameHeight ?? 0));
      // The largest one flows only once the browser believes that it fits.
      return layers.length === 3 && active.join() === rids.join() && (!rids.includes('f') || largest === CAMERA.height);
    },
    timeoutMs,
  );
}

/** @param {Participant} viewer */
async function standsStill(viewer) {
  let before = Number.NaN;
  let quiet = 0;
  await viewer.sees('a picture that stands still', (seen) => {
    const now = trackOf(seen, 'ada', 'camera')?.counters.framesDecoded ?? 0;
    quiet = now === before ? quiet + 1 : 0;
    before = now;
    return quiet >= 10;
  });
}

/**
 * @param {Participant} viewer
 * @param {import('./lib/pages.js').Version} version
 * @param {'active' | 'paused'} state
 */
async function told(viewer, version, state) {
  const { events } = await viewer.sees(`that a picture is ${state}`, (seen) =>
    trackOf(seen, 'ada', 'camera')?.streamState === state,
  );
  // This one notes the state and forgets to tell of it.
  if (version === '2.18.8') return;
  const last = events.findLast(({ name }) => name === 'trackStreamStateChanged');
  assert(last?.about.includes('ada') && last.about.includes(state), last?.about);
}
