// A trial call before the real one: two participants of this browser meet in a
// room of their own, one sends a made-up picture, the other watches it. What the
// statistics of that mean is left to `ways`.

import { Room, RoomEvent, Track, VideoPresets } from 'livekit-client';
import { fromConnectError, type Failure } from './failures';
import { forget, nearestFirst, type Candidate } from './nearest';
import { bestPace, conclude, directVerdict, mediaBytes, offeredIn, relaysOf, together, type Count, type Entry, type Findings, type IceServer, type RelayWay, type Verdict } from './ways';

/** How long the picture is sent: its pace needs a few seconds to rise. */
const WATCH_MS = 8_000;
const LOOK_MS = 500;
/** The beginning of a picture says nothing of the pace. */
const RISE_MS = 2_000;
const CONNECT_MS = 15_000;
const RELAY_MS = 8_000;
/** Enough for a middle picture; more would only cost. */
const MOST_BPS = 600_000;

/** What a trial needs: a token for who sends and one for who watches, and the servers that take them. */
export interface Passes {
  sending: string;
  watching: string;
  servers: Candidate[];
  /** All that are worth knowing the distance of, should that be more. */
  cities?: Candidate[];
}

/** Gives them, or throws a [`Failure`]. */
export type AskForPasses = (stop: AbortSignal) => Promise<Passes>;

export async function tryConnection(ask: AskForPasses, stop: AbortSignal): Promise<Findings> {
  const findings: Findings = { signalling: 'untold', trouble: null, udp: 'untold', tcp: 'untold', tls: 'untold', up: null, down: null, cities: [] };
  let passes;
  try {
    passes = await ask(stop);
  } catch (failure) {
    return { ...findings, trouble: (failure as Failure).title };
  }
  const { sending, watching, servers, cities = servers } = passes;
  // One asks for a check to know how it is now.
  for (const { url } of [...cities, ...servers]) forget(url);
  findings.cities = (await nearestFirst(cities)).map(({ region, roundTripMs }) => ({ name: region, roundTripMs }));
  const [nearest] = await nearestFirst(servers);
  if (nearest === undefined) return findings;
  const { url } = nearest;
  const sender = new Room({ dynacast: false });
  const watcher = new Room();
  const picture = new Picture();
  const end = () => void Promise.all([sender.disconnect(), watcher.disconnect()]).catch(() => undefined);
  stop.addEventListener('abort', end, { once: true });
  const snapshots: Entry[][] = [];
  const sent: Count[] = [];
  const received: Count[] = [];
  const look = async () => {
    const [mine, theirs] = await Promise.all([entriesOf(sender), entriesOf(watcher)]);
    for (const entries of [...mine, ...theirs]) if (entries.length > 0 && snapshots.length < MOST_SNAPSHOTS) snapshots.push(entries);
    const at = performance.now();
    sent.push({ bytes: mine.reduce((sum, entries) => sum + mediaBytes('outbound-rtp', entries), 0), at });
    received.push({ bytes: theirs.reduce((sum, entries) => sum + mediaBytes('inbound-rtp', entries), 0), at });
  };
  let signalled = false;
  let ran = false;
  sender.once(RoomEvent.SignalConnected, () => { signalled = true; });
  const looking = setInterval(() => void look().catch(() => undefined), LOOK_MS);
  try {
    const joined = Promise.all([sender.connect(url, sending), watcher.connect(url, watching)]);
    await within(CONNECT_MS, joined);
    await within(CONNECT_MS, sender.localParticipant.publishTrack(picture.track, {
      source: Track.Source.Camera, simulcast: true, videoSimulcastLayers: [VideoPresets.h180], videoCodec: 'vp8', videoEncoding: { maxBitrate: MOST_BPS, maxFramerate: 15 },
    }));
    ran = true;
    await later(RISE_MS, stop);
    sent.length = 0;
    received.length = 0;
    await later(WATCH_MS - RISE_MS, stop);
    await look();
    findings.up = bestPace(sent);
    findings.down = bestPace(received);
  } catch (error) {
    if (!stop.aborted) {
      const failure = fromConnectError(error, undefined);
      findings.trouble = failure.title;
      ran ||= error instanceof Late || failure.reason === 'media-blocked';
    }
  } finally {
    clearInterval(looking);
    await look().catch(() => undefined);
    picture.stop();
  }
  const relays = relaysOf(iceServersOf(sender));
  end();
  findings.signalling = signalled ? 'works' : 'blocked';
  if (!signalled) return findings;
  const verdicts = new Map(await Promise.all([...relays].map(async ([way, server]): Promise<[RelayWay, Verdict]> => [way, await relayVerdict(server, stop)])));
  const relayed = (way: RelayWay) => verdicts.get(way) ?? 'not-offered';
  const seen = { udp: directVerdict('udp', snapshots), tcp: directVerdict('tcp', snapshots) };
  const direct = ran ? conclude(seen.udp, seen.tcp) : seen;
  return {
    ...findings,
    udp: together([direct.udp, relayed('udp')]),
    tcp: together([direct.tcp, relayed('tcp')]),
    tls: relayed('tls'),
  };
}

/** Two connections, twice a second, for the longest time that a trial takes. */
const MOST_SNAPSHOTS = 400;

/** Everything both connections of a call noted. */
async function entriesOf(room: Room): Promise<Entry[][]> {
  const connections = room.engine.pcManager;
  if (!connections) return [];
  return Promise.all([connections.publisher, connections.subscriber].map(async (connection) => {
    const stats = await connection?.getStats();
    const sdp = connection?.getRemoteDescription()?.sdp ?? '';
    return [...(stats ? (stats as unknown as Map<string, Entry>).values() : []), ...offeredIn(sdp)];
  }));
}

function iceServersOf(room: Room): IceServer[] {
  return (room.engine.latestJoinResponse?.iceServers ?? []).map(({ urls, username, credential }) => ({ urls: [...urls], username, credential }));
}

/** A relay that gives an address was reached; the address itself is not used. */
async function relayVerdict(server: IceServer, stop: AbortSignal): Promise<Verdict> {
  if (stop.aborted) return 'untold';
  let connection: RTCPeerConnection;
  try {
    connection = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: 'relay' });
  } catch {
    return 'untold';
  }
  try {
    const relayed = new Promise<Verdict>((settle) => {
      connection.addEventListener('icecandidate', ({ candidate }) => {
        if (candidate === null) settle('blocked');
        else if (/ typ relay /.test(`${candidate.candidate} `)) settle('works');
      });
      setTimeout(() => settle('blocked'), RELAY_MS);
    });
    connection.createDataChannel('relay');
    await connection.setLocalDescription(await connection.createOffer());
    return await relayed;
  } catch {
    return 'untold';
  } finally {
    connection.close();
  }
}

/** A picture that no encoder makes small: fresh noise, fifteen times a second. */
class Picture {
  readonly track: MediaStreamTrack;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor() {
    const { width, height } = VideoPresets.h360;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const drawing = canvas.getContext('2d');
    const noise = new ImageData(64, 64);
    this.timer = setInterval(() => {
      crypto.getRandomValues(noise.data);
      for (let y = 0; y < height; y += 64) {
        for (let x = 0; x < width; x += 64) {
          drawing?.putImageData(noise, x, y);
        }
      }
    }, 66);
    const [track] = canvas.captureStream(15).getVideoTracks();
    if (track === undefined) throw new Error('this browser makes no pictures of a canvas');
    this.track = track;
  }

  stop() {
    clearInterval(this.timer);
    this.track.stop();
  }
}

class Late extends Error {}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, refuse) => { timer = setTimeout(() => refuse(new Late(`nothing within ${ms / 1000} s`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function later(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((settle, refuse) => {
    const timer = setTimeout(settle, ms);
    stop.addEventListener('abort', () => { clearTimeout(timer); refuse(new Error('stopped')); }, { once: true });
  });
}
