// @ts-check
/** Publishing and watching with nothing but an offer over HTTP, as OBS, GStreamer and bare pages do: WHIP and WHEP. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AccessToken } from 'livekit-server-sdk';
import { KEY, SECRET } from './lib/edge-worker.js';
import { Program } from './lib/program.js';
import { BOUNDED, Stage } from './lib/stage.js';
import { until } from './lib/until.js';

const GSTREAMER = fileURLToPath(new URL('lib/gstreamer.py', import.meta.url));

const stage = Stage.forThisFile();

/**
 * Posts an offer that sends the fake camera (in layers) and microphone.
 * @param {import('playwright-core').Page} page
 * @param {string} token
 * @returns {Promise<Posted>}
 */
function publishes(page, token) {
  return page.evaluate(async ([url, jwt]) => {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
    const peer = new RTCPeerConnection();
    const [sound] = media.getAudioTracks();
    const [picture] = media.getVideoTracks();
    peer.addTransceiver(sound, { direction: 'sendonly', streams: [media] });
    const sendEncodings = [{ rid: 'q', scaleResolutionDownBy: 2 }, { rid: 'h' }];
    peer.addTransceiver(picture, { direction: 'sendonly', streams: [media], sendEncodings });
    return window.post(peer, `${url}/whip/v1`, jwt);
  }, /** @type {const} */ ([http(), token]));
}

/**
 * Posts an offer that receives one picture and one sound, and plays them.
 * @param {import('playwright-core').Page} page
 * @param {string} token
 * @returns {Promise<Posted>}
 */
function watches(page, token) {
  return page.evaluate(async ([url, jwt]) => {
    const peer = new RTCPeerConnection();
    const video = document.body.appendChild(document.createElement('video'));
    const media = new MediaStream();
    video.srcObject = media;
    peer.ontrack = ({ track }) => media.addTrack(track);
    for (const kind of ['audio', 'video']) peer.addTransceiver(kind, { direction: 'recvonly' });
    const posted = await window.post(peer, `${url}/whep/v1`, jwt);
    if (posted.status === 201) video.play().catch(() => {});
    return posted;
  }, /** @type {const} */ ([http(), token]));
}

/** @typedef {{status: number, type: string | null, location: string | null, text: string}} Posted */

function http() {
  return stage.worker.url.replace(/^ws/, 'http');
}

/** A page on which `post` sends an offer and takes the answer. */
async function barePage() {
  const page = await stage.page();
  await page.goto(stage.pages.address('2.23.0'));
  await page.evaluate(() => {
    window.post = async (peer, url, jwt) => {
      await peer.setLocalDescription();
      const headers = { 'Content-Type': 'application/sdp', Authorization: `Bearer ${jwt}` };
      const response = await fetch(url, { method: 'POST', headers, body: peer.localDescription?.sdp });
      const text = await response.text();
      if (response.status === 201) await peer.setRemoteDescription({ type: 'answer', sdp: text });
      window.peer = peer;
      const [type, location] = ['content-type', 'location'].map((name) => response.headers.get(name));
      return { status: response.status, type, location, text };
    };
  });
  return page;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {string} token
 * @param {{type?: string, body?: string}} [options]
 */
async function ask(method, path, token, { type, body } = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...(type ? { 'Content-Type': type } : {}) };
  const response = await fetch(`${http()}${path}`, { method, headers, body });
  return response.status;
}

/** @param {import('playwright-core').Page} page */
function received(page) {
  return page.evaluate(async () => {
    const video = document.querySelector('video');
    let energy = 0;
    for (const report of (await window.peer.getStats()).values()) {
      if (report.type === 'inbound-rtp' && report.kind === 'audio') energy = report.totalAudioEnergy ?? 0;
    }
    return { width: video?.videoWidth ?? 0, time: video?.currentTime ?? 0, energy };
  });
}

test('what is published by WHIP is seen by others and watched by WHEP, until it is deleted', BOUNDED, async () => {
  const room = 'assembly';
  const ada = await stage.participant(room, 'ada', '2.23.0');
  await ada.join();
  const token = await stage.worker.token(room, 'studio');
  const studio = await barePage();
  const published = await publishes(studio, token);
  assert.equal(published.status, 201, published.text);
  assert.equal(published.type, 'application/sdp');
  assert.match(published.location ?? '', /^\/whip\/v1\/PA_/);
  await ada.seesVideoOf('studio', 'camera', { width: 640, height: 360 });
  await ada.hears('studio');

  const hall = await barePage();
  const watched = await watches(hall, await stage.worker.token(room, 'hall'));
  assert.equal(watched.status, 201, watched.text);
  const first = await until('the picture in the hall', () => received(hall), ({ width }) => width === 640);
  await until('it to move, and to sound', () => received(hall), ({ time, energy }) => time > first.time && energy > first.energy);

  // Candidates are not needed and taken; ICE is not restarted; what somebody began nobody else ends.
  const [whip, whep] = [published.location ?? '', watched.location ?? ''];
  const type = 'application/trickle-ice-sdpfrag';
  const other = await stage.worker.token(room, 'hall');
  assert.equal(await ask('PATCH', whip, token, { type, body: 'a=end-of-candidates\r\n' }), 204);
  assert.equal(await ask('PATCH', whip, token, { type, body: 'a=ice-ufrag:other\r\n' }), 422);
  assert.equal(await ask('PATCH', whip, token, { type: 'text/plain', body: '' }), 415);
  assert.equal(await ask('DELETE', whip, other), 404);
  assert.equal(await ask('DELETE', whep, other), 200);
  assert.equal(await ask('DELETE', whip, token), 200);
  await ada.sees('nobody else', ({ participants }) => participants.length === 0);
});

test('who has nothing to watch is told when to look again, and who may not publish is refused', BOUNDED, async () => {
  const room = 'empty hall';
  const page = await barePage();
  const token = await stage.worker.token(room, 'early');
  const watched = await watches(page, token);
  assert.equal(watched.status, 409, watched.text);
  const listener = new AccessToken(KEY, SECRET, { identity: 'listener' });
  listener.addGrant({ roomJoin: true, room, canPublish: false });
  assert.equal((await publishes(await barePage(), await listener.toJwt())).status, 401);
  assert.equal(await ask('POST', '/whip/v1', token, { type: 'application/sdp', body: 'not SDP' }), 400);
  assert.equal(await ask('POST', '/whip/v1', token, { type: 'text/plain', body: 'v=0' }), 415);
  assert.equal(await ask('POST', '/whip/v1', 'no token', { type: 'application/sdp', body: 'v=0' }), 401);
  assert.equal(await ask('POST', '/whip/v1', token, { type: 'application/sdp', body: 'a'.repeat(70_000) }), 413);
  assert.equal(await ask('DELETE', '/whip/v1/PA_nobody', token), 404);
});

/**
 * GStreamer's own WebRTC at one end, until the test is over.
 * @param {import('node:test').TestContext} t
 * @param {'publish' | 'play'} role
 * @param {string} path
 * @param {string} token
 */
async function gstreamer(t, role, path, token) {
  const program = await Program.start(GSTREAMER, [role, `${http()}${path}`, token]);
  t.after(() => program.stop());
  return program;
}

/**
 * What it counts now.
 * @param {Program} program
 * @returns {{state: string, audio: number, video: number}}
 */
function counted(program) {
  const told = program.lines.findLast((line) => line.startsWith('{'));
  return told ? JSON.parse(told) : { state: 'none', audio: 0, video: 0 };
}

test('GStreamer publishes by WHIP and plays by WHEP', BOUNDED, async (t) => {
  const room = 'radio';
  const ada = await stage.participant(room, 'ada', '2.23.0');
  await ada.join();
  const sender = await gstreamer(t, 'publish', '/whip/v1', await stage.worker.token(room, 'studio'));
  await ada.seesVideoOf('studio', 'camera', { width: 640, height: 360 });
  await ada.hears('studio');

  const receiver = await gstreamer(t, 'play', '/whep/v1', await stage.worker.token(room, 'hall'));
  const explain = () => receiver.tail();
  const first = await until('sound and picture in the hall', () => counted(receiver), ({ audio, video }) => audio > 0 && video > 0, { explain });
  await until('both to go on', () => counted(receiver), ({ audio, video }) => audio >= first.audio + 50 && video >= first.video + 15, { explain });

  assert.equal(await receiver.stop(), 0, receiver.tail());
  assert.equal(await sender.stop(), 0, sender.tail());
  await ada.sees('nobody else', ({ participants }) => participants.length === 0);
});
