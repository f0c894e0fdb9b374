// @ts-check
/** What participants on bare pages know of each other besides pictures and sound, and how they change it. */

import { AccessToken } from 'livekit-server-sdk';

/** @typedef {import('./participant.js').Participant} Participant */
/** @typedef {Awaited<ReturnType<typeof presence>>} Presence */

/** What development mode always uses. */
const KEY = 'devkey';
const SECRET = 'secret';

/**
 * Joins with more or fewer grants than usual.
 * @param {Participant} participant
 * @param {import('livekit-server-sdk').VideoGrant} [grant]
 */
export async function joinWith(participant, grant = {}) {
  const { identity, room, worker } = participant;
  const token = new AccessToken(KEY, SECRET, { identity, name: identity, ttl: '1h' });
  token.addGrant({ roomJoin: true, room, canUpdateOwnMetadata: true, ...grant });
  const jwt = await token.toJwt();
  await participant.page.evaluate(([url, text]) => window.call.join(url, text), /** @type {const} */ ([worker.url, jwt]));
}

/**
 * Publishes a tone as its microphone: the fake one beeps too briefly for anybody to be called a speaker.
 * @param {Participant} participant
 * @param {number} loudness of its amplitude; 0 is silence
 */
export function publishTone(participant, loudness) {
  return participant.page.evaluate(async (gain) => {
    const context = new AudioContext();
    const tone = new OscillatorNode(context, { frequency: 300 });
    const volume = new GainNode(context, { gain });
    const out = context.createMediaStreamDestination();
    tone.connect(volume).connect(out);
    tone.start();
    Object.assign(window, { volume });
    const [track] = out.stream.getAudioTracks();
    await window.call.open().localParticipant.publishTrack(track, { source: LivekitClient.Track.Source.Microphone });
  }, loudness);
}

/**
 * @param {Participant} participant
 * @param {number} loudness
 */
export function turnTone(participant, loudness) {
  return participant.page.evaluate((gain) => {
    /** @type {any} */ (window).volume.gain.value = gain;
  }, loudness);
}

/** @param {Participant} participant */
export function presence(participant) {
  return participant.page.evaluate(() => {
    const room = window.call.open();
    const everybody = [room.localParticipant, ...room.remoteParticipants.values()];
    return {
      speakers: room.activeSpeakers.map(({ identity }) => identity),
      recording: room.isRecording,
      people: Object.fromEntries(
        everybody.map((someone) => [
          someone.identity,
          {
            quality: String(someone.connectionQuality),
            speaking: someone.isSpeaking,
            level: someone.audioLevel,
            name: someone.name ?? '',
            metadata: someone.metadata ?? '',
            attributes: { ...someone.attributes },
            tracks: [...someone.trackPublications.values()].map((publication) => ({
              source: String(publication.source),
              subscribed: publication.isSubscribed,
              permission: 'permissionStatus' in publication ? String(publication.permissionStatus) : '',
            })),
          },
        ]),
      ),
    };
  });
}

/**
 * Waits until a participant knows something of the others.
 * @param {Participant} participant
 * @param {string} what
 * @param {(presence: Presence) => unknown} accept
 * @param {number} [timeoutMs]
 */
export function knows(participant, what, accept, timeoutMs) {
  const { identity, worker } = participant;
  return worker.until(`${identity} knows ${what}`, () => presence(participant), accept, timeoutMs);
}

/**
 * The events of one kind that a participant noted, by whom they were about.
 * @param {Participant} participant
 * @param {string} name
 */
export async function noted(participant, name) {
  const { events } = await participant.seen();
  return events.filter((event) => event.name === name).map(({ about }) => about);
}
