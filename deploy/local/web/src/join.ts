// From a visit to a room that is joined: asks the page server for a token, unless
// it brings a pass, connects, and sends camera and microphone as soon as the
// server listens. A pass is good at several servers: one that fails is passed by.

import { ConnectionError, ConnectionErrorReason, Room, RoomEvent, type LocalTrack } from 'livekit-client';
import { failure, fromConnectError, fromPublish, fromTokenAnswer, type Failure, type Reason } from './failures';
import { tabId } from './memory';
import { forget } from './nearest';
import { cameraCapture, microphoneCapture, resize } from './preview';

/** Who wants to join where, with what. */
export interface Visit {
  name: string;
  /** What the room is called on the screen; without a pass it is the room. */
  room: string;
  camera: boolean;
  microphone: boolean;
  cameraId: string;
  microphoneId: string;
  /** Running devices of the check; empty when joining again, which starts them anew. */
  tracks: LocalTrack[];
  /** Leave to join that was given already. */
  pass?: Pass;
}

/** A token, and the servers that take it, the best first. */
export interface Pass {
  token: string;
  urls: string[];
}

export function makeRoom(visit: Visit): Room {
  return new Room({
    // Only pictures on screen are asked for, at the size they are shown; only what someone watches is sent.
    adaptiveStream: true,
    dynacast: true,
    videoCaptureDefaults: cameraCapture(visit.cameraId),
    audioCaptureDefaults: microphoneCapture(visit.microphoneId),
  });
}

/** Joins, or throws a [`Failure`]. */
export async function join(room: Room, visit: Visit, onTrouble: (failure: Failure) => void, gone: AbortSignal): Promise<void> {
  if (typeof RTCPeerConnection === 'undefined') throw failure('browser-unsupported');
  const { token, urls } = visit.pass ?? (await askForToken(visit, gone));
  for (const [index, url] of urls.entries()) {
    const last = index === urls.length - 1;
    try {
      return await enter(room, url, token, visit, onTrouble);
    } catch (thrown) {
      forget(url);
      if (last || gone.aborted || !ELSEWHERE.has((thrown as Failure).reason)) throw thrown;
    }
  }
  throw failure('server-unreachable', 'there is no server to go to');
}

/** What another server may do better. */
const ELSEWHERE: ReadonlySet<Reason> = new Set<Reason>([
  'server-unreachable', 'websocket-blocked', 'not-a-server', 'server-broken', 'server-shutdown', 'join-timeout', 'media-blocked', 'room-full',
]);

async function enter(room: Room, url: string, token: string, visit: Visit, onTrouble: (failure: Failure) => void): Promise<void> {
  const send = () => publish(room, visit, onTrouble);
  room.once(RoomEvent.SignalConnected, send);
  const watch = watchOver(room, url, token);
  const connected = room.connect(url, token).catch(async (error) => {
    throw fromConnectError(error, untold(error) ? await askVerdict(url, token) : undefined);
  });
  try {
    await Promise.race([connected, watch.failed]);
  } finally {
    watch.end();
    room.off(RoomEvent.SignalConnected, send);
  }
}

/** When to look whether there is a meeting server at all, and when to give up; both past what the client tries by itself. */
const DOUBT_MS = 4_000;
const PATIENCE_MS = 45_000;

/** The client asks for ever where paths are unknown (404): notices that, and anything else that takes too long. */
function watchOver(room: Room, url: string, token: string): { failed: Promise<never>; end: () => void } {
  const { promise: failed, reject } = deferred();
  let signalling = false;
  const heard = () => { signalling = true; };
  room.once(RoomEvent.SignalConnected, heard);
  const doubt = setTimeout(async () => {
    if (signalling) return;
    if ((await askVerdict(url, token)) === 404 && !signalling) reject(failure('not-a-server', `404 from ${url}`));
  }, DOUBT_MS);
  const patience = setTimeout(() => reject(failure('join-timeout', `not joined within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  return {
    failed,
    end: () => {
      clearTimeout(doubt);
      clearTimeout(patience);
      room.off(RoomEvent.SignalConnected, heard);
    },
  };
}

function deferred(): { promise: Promise<never>; reject: (failure: Failure) => void } {
  let reject: (failure: Failure) => void = () => {};
  const promise = new Promise<never>((_, refuse) => { reject = refuse; });
  return { promise, reject };
}

/** A pass from the page's own server. */
export async function askForToken(visit: Pick<Visit, 'name' | 'room'>, gone: AbortSignal): Promise<Pass> {
  const query = new URLSearchParams({ room: visit.room, name: visit.name, id: tabId() });
  let response: Response;
  try {
    response = await fetch(`/api/token?${query}`, { method: 'POST', signal: gone });
  } catch (error) {
    throw failure('page-unreachable', String(error));
  }
  const answer: unknown = await response.json().catch(() => null);
  const field = (name: string) => {
    const value = typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>)[name] : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  const token = field('token');
  const url = field('url');
  if (!response.ok || !token || !url) throw fromTokenAnswer(response.status, field('reason'), field('error'));
  return { token, urls: [url] };
}

/** A WebSocket that fails does not tell the page why; the server's own check of the token does. */
function untold(error: unknown): boolean {
  return error instanceof ConnectionError && error.reason === ConnectionErrorReason.WebSocket;
}

/** The status of that check, if there is an answer. */
async function askVerdict(url: string, token: string): Promise<number | undefined> {
  const check = new URL(`${url.replace(/^ws/, 'http').replace(/\/$/, '')}/rtc/validate`);
  check.searchParams.set('access_token', token);
  const answer = await fetch(check, { signal: AbortSignal.timeout(3000) }).catch(() => null);
  return answer?.status;
}

function publish(room: Room, visit: Visit, onTrouble: (failure: Failure) => void) {
  const me = room.localParticipant;
  const running = (kind: string) => visit.tracks.find((track) => track.kind === kind && track.mediaStreamTrack.readyState === 'live');
  const audio = running('audio');
  const video = running('video');
  if (audio) me.publishTrack(audio).catch((error) => onTrouble(fromPublish('microphone', error)));
  else if (visit.microphone) me.setMicrophoneEnabled(true).catch((error) => onTrouble(fromPublish('microphone', error)));
  // Its size, which the choice before joining may have changed, decides how it is encoded.
  if (video) resize(video.mediaStreamTrack).then(() => me.publishTrack(video)).catch((error) => onTrouble(fromPublish('camera', error)));
  else if (visit.camera) me.setCameraEnabled(true).catch((error) => onTrouble(fromPublish('camera', error)));
}
