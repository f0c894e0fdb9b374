// @ts-check
/**
 * One participant in a call, for tests to drive through `window.call`: no interface, no framework, only the client
 * of the version that the page was loaded for. What a test may ask is `seen()`; what it may do is every other method.
 */

import { encryptedBy } from './encryption.js';
import { FrameWatch, firstFrame } from './frames.js';
import { localTracks, remoteTracks } from './tracks.js';

const { ConnectionState, Room, RoomEvent, Track, VideoQuality } = LivekitClient;

/** Chat of the client's component library travels as text streams under this topic. */
const CHAT_TOPIC = 'lk.chat';
/** Enough for any test here; a room that floods the page must not eat its memory. */
const MAX_NOTED = 2_000;

/** @typedef {import('livekit-client-2.23.0').Room} ClientRoom */
/** @typedef {import('livekit-client-2.23.0').RemoteTrackPublication} RemoteTrackPublication */
/** @typedef {{ at: number, name: string, about: string }} Noted an event of the room, and whom or what it was about */
/** @typedef {{ from: string, text: string }} ChatLine */
/** @typedef {{ from: string, topic: string | undefined, text: string }} Message a data packet */
/** @typedef {{ width: number, height: number, frameRate?: number, simulcast: boolean, codec?: "vp8" | "h264" | "vp9" | "av1", policy?: number }} VideoWish */
/** @typedef {'camera' | 'microphone' | 'screen_share'} Source */
/** @typedef {'LOW' | 'MEDIUM' | 'HIGH'} Quality */

export class Call {
  /** @type {ClientRoom | null} */
  room = null;
  /** @type {Noted[]} */
  events = [];
  /** @type {ChatLine[]} */
  chat = [];
  /** @type {Message[]} */
  messages = [];
  /** @type {string[]} */
  pageErrors = [];
  /** @type {Map<string, FrameWatch>} */
  watches = new Map();
  /** Milliseconds since `join` was called. */
  timing = { startedAt: 0, connectedMs: 0, firstFrameMs: 0 };

  constructor() {
    addEventListener('error', (event) => this.pageErrors.push(event.message));
    addEventListener('unhandledrejection', (event) => this.pageErrors.push(String(event.reason)));
  }

  /**
   * Joins a room as a new participant; whatever an earlier call on this page left behind is forgotten.
   * @param {string} url
   * @param {string} token
   * @param {{
   *   patienceMs?: number, autoSubscribe?: boolean, adaptiveStream?: boolean, dynacast?: boolean, singlePeerConnection?: boolean, secret?: string, relayed?: boolean,
   * }} [options]
   */
  async join(url, token, options = {}) {
    const { autoSubscribe = true, secret, relayed = false, patienceMs, ...roomOptions } = options;
    const room = new Room({ ...roomOptions, ...(secret ? await encryptedBy(secret) : {}) });
    this.room = room;
    this.events = [];
    this.chat = [];
    this.messages = [];
    this.watches.clear();
    this.listen(room);

    this.timing = { startedAt: performance.now(), connectedMs: 0, firstFrameMs: 0 };
    await room.connect(url, token, {
      autoSubscribe,
      ...(relayed && { rtcConfig: { iceTransportPolicy: 'relay' } }),
      ...(patienceMs && { peerConnectionTimeout: patienceMs, websocketTimeout: patienceMs }),
    });
    if (secret) await room.setE2EEEnabled(true);
    this.timing.connectedMs = performance.now() - this.timing.startedAt;
  }

  async leave() {
    await this.open().disconnect();
    document.querySelectorAll('audio, video').forEach((element) => element.remove());
  }

  /**
   * @param {VideoWish} wish
   * @param {number} camera which of the fake cameras
   */
  async publishCamera({ width, height, frameRate, simulcast, codec = 'vp8', policy }, camera) {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const { deviceId } = devices.filter(({ kind }) => kind === 'videoinput')[camera];
    await this.open().localParticipant.setCameraEnabled(
      true,
      // Firefox names no device before it has given one, and has but one.
      { ...(deviceId && { deviceId: { exact: deviceId } }), resolution: { width, height, frameRate } },
      { simulcast, videoCodec: codec, backupCodecPolicy: policy },
    );
  }

  async publishMicrophone() {
    await this.open().localParticipant.setMicrophoneEnabled(true);
  }

  /** @param {VideoWish} wish */
  async shareScreen({ width, height, frameRate, simulcast }) {
    await this.open().localParticipant.setScreenShareEnabled(
      true,
      { resolution: { width, height, frameRate } },
      { simulcast },
    );
  }

  async stopScreen() {
    await this.open().localParticipant.setScreenShareEnabled(false);
  }

  /**
   * Mutes and unmutes what is published already.
   * @param {Source} source
   * @param {'on' | 'off'} state
   */
  async turn(source, state) {
    const local = this.open().localParticipant;
    const on = state === 'on';
    await (source === 'camera' ? local.setCameraEnabled(on) : local.setMicrophoneEnabled(on));
  }

  /**
   * Lets the client and the server play a mishap.
   * @param {string} scenario
   */
  async simulate(scenario) {
    await this.open().simulateScenario(/** @type {any} */ (scenario));
  }

  /** @param {string} text */
  async say(text) {
    await this.open().localParticipant.sendText(text, { topic: CHAT_TOPIC });
  }

  /**
   * @param {string} text
   * @param {{ reliable: boolean, topic?: string, destinationIdentities?: string[] }} options
   */
  async send(text, options) {
    await this.open().localParticipant.publishData(new TextEncoder().encode(text), options);
  }

  /**
   * Wishes for a layer of someone's camera.
   * @param {string} identity
   * @param {Quality} quality
   */
  wish(identity, quality) {
    this.publication(identity, 'camera').setVideoQuality(VideoQuality[quality]);
  }

  /**
   * Shows whatever video there is in this size, or not at all.
   * @param {{ width: number, height: number } | 'hidden'} size
   */
  show(size) {
    for (const video of document.querySelectorAll('video')) {
      const { style } = video;
      style.display = size === 'hidden' ? 'none' : 'block';
      if (size !== 'hidden') [style.width, style.height] = [`${size.width}px`, `${size.height}px`];
    }
  }

  /**
   * Has the worker take this participant's link for so wide; 0 ends that.
   * @param {number} bitsPerSecond
   */
  async imagineLink(bitsPerSecond) {
    await this.open().simulateScenario('subscriber-bandwidth', bitsPerSecond);
  }

  /**
   * Notes every decoded frame of someone's track from here on, so that `frames` can tell of them: also those that
   * the client does not show, because the track is muted or gone.
   * @param {string} identity
   * @param {Source} source
   */
  watch(identity, source) {
    const track = this.publication(identity, source).track?.mediaStreamTrack;
    if (!track) throw new Error(`${identity} has no ${source} to watch`);
    this.watches.set(`${identity}/${source}`, new FrameWatch(track.clone()));
  }

  /**
   * The frames decoded since the watch began.
   * @param {string} identity
   * @param {Source} source
   */
  frames(identity, source) {
    const watch = this.watches.get(`${identity}/${source}`);
    if (!watch) throw new Error(`nobody watches ${identity}'s ${source}`);
    return watch.frames;
  }

  /** The page's clock, which `frames` and `seen().events` are told in. */
  now() {
    return performance.now();
  }

  /** Everything this participant sees and sends now. */
  async seen() {
    const room = this.room;
    return {
      state: room?.state ?? ConnectionState.Disconnected,
      identity: room?.localParticipant.identity ?? null,
      sid: room?.localParticipant.sid ?? null,
      timing: this.timing,
      participants: room ? await Promise.all([...room.remoteParticipants.values()].map(remoteTracks)) : [],
      published: room ? await localTracks(room.localParticipant) : [],
      chat: this.chat,
      messages: this.messages,
      events: this.events,
      pageErrors: this.pageErrors,
    };
  }

  /** @returns {ClientRoom} */
  open() {
    if (!this.room) throw new Error('join first');
    return this.room;
  }

  /**
   * @param {string} identity
   * @param {Source} source
   * @returns {RemoteTrackPublication}
   */
  publication(identity, source) {
    const publication = this.open().remoteParticipants.get(identity)?.getTrackPublication(/** @type {any} */ (source));
    if (!publication) throw new Error(`${identity} publishes no ${source}`);
    return /** @type {RemoteTrackPublication} */ (publication);
  }

  /** @param {ClientRoom} room */
  listen(room) {
    for (const name of Object.values(RoomEvent)) {
      room.on(/** @type {any} */ (name), (/** @type {unknown[]} */ ...told) => {
        note(this.events, { at: performance.now(), name, about: told.map(brief).filter(Boolean).join(' ') });
      });
    }
    room.on(RoomEvent.TrackSubscribed, (track) => {
      // Sound is mixed, and so measured, only while something plays it.
      document.body.append(track.attach());
      if (track.kind === Track.Kind.Video) this.timeFirstFrame(track.mediaStreamTrack);
    });
    room.on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()));
    room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
      note(this.messages, { from: participant?.identity ?? '', topic, text: new TextDecoder().decode(payload) });
    });
    room.registerTextStreamHandler(CHAT_TOPIC, async (reader, { identity }) => {
      note(this.chat, { from: identity, text: await reader.readAll() });
    });
  }

  /** @param {MediaStreamTrack} track */
  async timeFirstFrame(track) {
    const { startedAt } = this.timing;
    const at = await firstFrame(track);
    if (at && this.timing.startedAt === startedAt && !this.timing.firstFrameMs) {
      this.timing.firstFrameMs = at - startedAt;
    }
  }
}

/**
 * @template T
 * @param {T[]} list
 * @param {T} entry
 */
function note(list, entry) {
  if (list.length < MAX_NOTED) list.push(entry);
}

/**
 * What an event was about, in a word, if it has one.
 * @param {any} told
 * @returns {string}
 */
function brief(told) {
  if (['string', 'number', 'boolean'].includes(typeof told)) return String(told);
  return told?.identity ?? told?.source ?? told?.message ?? '';
}

window.call = new Call();
