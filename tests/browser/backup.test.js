// @ts-check
/** A camera in a codec that not everybody has: who lacks it sees it too, and the others go on seeing it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { trackOf } from './lib/participant.js';
import { BOUNDED, Stage } from './lib/stage.js';

/** @typedef {import('./lib/participant.js').Participant} Participant */

const CAMERA = { width: 640, height: 360, frameRate: 15, simulcast: false };
/** The client's names for what a backup is meant for. */
const POLICIES = /** @type {const} */ ({ regression: 2, simulcast: 1 });

const stage = Stage.forThisFile();
const OLDEST = VERSIONS[0];
const NEWEST = VERSIONS[VERSIONS.length - 1];

for (const [codec, policy, publisher, viewer] of /** @type {const} */ ([
  ['av1', 'simulcast', NEWEST, OLDEST],
  ['vp9', 'regression', OLDEST, NEWEST],
  ['vp9', 'regression', NEWEST, OLDEST],
])) {
  test(`PB-8 DY-5 SB-10 ${codec} of ${publisher}, seen by ${viewer} that lacks it (${policy})`, BOUNDED, async () => {
    const room = `${codec} of ${publisher} for ${viewer}`;
    const ada = await stage.participant(room, 'ada', publisher);
    const chi = await stage.participant(room, 'chi', viewer);
    const bayo = await stage.participant(room, 'bayo', viewer);
    await bayo.page.evaluate(lacks, codec.toUpperCase());
    for (const each of [ada, chi]) await each.join();
    await ada.publishCamera({ ...CAMERA, codec, policy: POLICIES[policy] });
    await chi.seesVideoOf('ada', 'camera', CAMERA);
    assert.equal(await codecOf(chi), `video/${codec}`);

    await bayo.join();
    await bayo.seesVideoOf('ada', 'camera', CAMERA);
    assert.equal(await codecOf(bayo), 'video/vp8');
    if (policy === 'regression') {
      await chi.sees('the backup too', (seen) => shown(seen) === 'video/vp8');
      await ada.sees('that nobody needs the first codec', ({ published }) => {
        const layers = published.find(({ source }) => source === 'camera')?.layers ?? [];
        return layers.length > 0 && layers.every(({ active }) => !active);
      });
    }
    await chi.seesVideoOf('ada', 'camera', CAMERA);
    assert.equal(await codecOf(chi), policy === 'simulcast' ? `video/${codec}` : 'video/vp8');

    // One camera, for everybody, which goes off and on as one.
    for (const each of [bayo, chi]) {
      const { participants } = await each.seen();
      const cameras = participants.find(({ identity }) => identity === 'ada')?.tracks ?? [];
      assert.equal(cameras.length, 1);
    }
    await ada.turn('camera', 'off');
    for (const each of [bayo, chi]) await each.seesNothingOf('ada', 'camera');
    await ada.turn('camera', 'on');
    for (const each of [bayo, chi]) await each.seesVideoOf('ada', 'camera', CAMERA);
    await stage.dismiss(ada, bayo, chi);
  });
}

/**
 * Has the browser not know a codec, in offers that it is made and that it makes.
 * @param {string} codec
 */
function lacks(codec) {
  const { setRemoteDescription, createOffer } = RTCPeerConnection.prototype;
  /** @param {RTCSessionDescriptionInit} description */
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const { type, sdp } = description;
    const unknown = type === 'offer' ? sdp?.replaceAll(` ${codec}/90000`, ' unknown/90000') : sdp;
    return /** @type {any} */ (setRemoteDescription).call(this, { type, sdp: unknown });
  };
  /** @param {any[]} options */
  RTCPeerConnection.prototype.createOffer = function (...options) {
    const known = RTCRtpReceiver.getCapabilities('video')?.codecs.filter(({ mimeType }) => mimeType !== `video/${codec}`);
    for (const transceiver of this.getTransceivers()) {
      const receives = transceiver.direction === 'recvonly' && transceiver.receiver.track.kind === 'video';
      if (receives && known) transceiver.setCodecPreferences(known);
    }
    return /** @type {any} */ (createOffer).apply(this, options);
  };
}

/** @param {Participant} viewer */
async function codecOf(viewer) {
  return shown(await viewer.seen());
}

/** @param {import('./lib/participant.js').Seen} seen */
function shown(seen) {
  return trackOf(seen, 'ada', 'camera')?.codec.toLowerCase();
}
