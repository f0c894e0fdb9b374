// What a trial call shows of the network: whether UDP, TCP and TLS pass, and how
// much. Judges what a browser noted; making the call is left to `trial`.

/** `untold`: it was not tried, or the browser keeps it to itself. */
export type Verdict = 'works' | 'blocked' | 'not-offered' | 'untold';

/** An entry of a connection's statistics; each browser leaves something out. */
export type Entry = Record<string, unknown>;

/** So many questions without an answer are no accident. */
const ASKED_IN_VAIN = 3;

/** Whether packets pass directly to the server by UDP or by TCP, from all statistics that were taken. */
export function directVerdict(protocol: 'udp' | 'tcp', snapshots: Entry[][]): Verdict {
  let verdict: Verdict = 'not-offered';
  for (const entries of snapshots) {
    const byId = new Map(entries.map((entry) => [entry.id, entry]));
    const offered = new Set(entries.filter((entry) => entry.type === 'remote-candidate' && entry.protocol === protocol).map(({ id }) => id));
    if (offered.size > 0 && verdict === 'not-offered') verdict = 'untold';
    for (const pair of entries) {
      if (pair.type !== 'candidate-pair' || !offered.has(pair.remoteCandidateId)) continue;
      // A relay speaks UDP to the server whatever the network lets through.
      if (byId.get(pair.localCandidateId)?.candidateType === 'relay') continue;
      if (amount(pair.responsesReceived) > 0 || pair.state === 'succeeded') return 'works';
      if (pair.state === 'failed' || amount(pair.requestsSent) >= ASKED_IN_VAIN) verdict = 'blocked';
    }
  }
  return verdict;
}

/** The addresses that a description of the server names, as statistics would: browsers leave out those they never try. */
export function offeredIn(sdp: string): Entry[] {
  return [...sdp.matchAll(/^a=candidate:\S+ 1 (udp|tcp) /gim)].slice(0, MOST_OFFERED)
    .map(([, protocol], index) => ({ id: `offered ${index}`, type: 'remote-candidate', protocol: protocol?.toLowerCase() }));
}

const MOST_OFFERED = 64;

/** What follows once the trial ran its time: UDP is always tried, TCP when UDP does not pass. */
export function conclude(udp: Verdict, tcp: Verdict): { udp: Verdict; tcp: Verdict } {
  const concluded = udp === 'untold' ? 'blocked' : udp;
  return { udp: concluded, tcp: tcp === 'untold' && concluded !== 'works' ? 'blocked' : tcp };
}

/** How a relay is reached. */
export type RelayWay = 'udp' | 'tcp' | 'tls';

/** A server that the join answer names. */
export interface IceServer {
  urls: string[];
  username: string;
  credential: string;
}

/** The relays that are offered, one for each way; more of the same say nothing new. */
export function relaysOf(servers: IceServer[]): Map<RelayWay, IceServer> {
  const relays = new Map<RelayWay, IceServer>();
  for (const server of servers) {
    for (const url of server.urls) {
      const way = wayOf(url);
      if (way !== null && !relays.has(way)) relays.set(way, { ...server, urls: [url] });
    }
  }
  return relays;
}

/** RFC 7065: `turn` is UDP unless told, `turns` is TLS. */
function wayOf(url: string): RelayWay | null {
  const [scheme, ...rest] = url.toLowerCase().split(':');
  const transport = /[?&]transport=(\w+)/.exec(rest.join(':'))?.[1];
  if (scheme === 'turns') return transport === 'udp' ? null : 'tls';
  if (scheme === 'turn') return transport === 'tcp' ? 'tcp' : 'udp';
  return null;
}

/** A way is open if any kind of it is; it is closed if all that are offered are. */
export function together(verdicts: Verdict[]): Verdict {
  const order: Verdict[] = ['works', 'untold', 'blocked', 'not-offered'];
  return order.find((verdict) => verdicts.includes(verdict)) ?? 'not-offered';
}

/** Bytes and when they were counted. */
export interface Count {
  bytes: number;
  at: number;
}

/** Too short a time says nothing. */
const LEAST_SPAN_MS = 1_500;

/** The pace between two counts in bit/s; null where there is none to tell. */
export function pace(first: Count | undefined, last: Count | undefined): number | null {
  if (!first || !last || last.at - first.at < LEAST_SPAN_MS || last.bytes <= first.bytes) return null;
  return ((last.bytes - first.bytes) * 8000) / (last.at - first.at);
}

/** The best of it: a server begins with little, and goes on to more as it passes. */
export function bestPace(counts: Count[]): number | null {
  const paces = counts.flatMap((first, index) => {
    const last = counts.slice(index).find(({ at }) => at - first.at >= LEAST_SPAN_MS);
    return pace(first, last) ?? [];
  });
  return paces.length === 0 ? null : Math.max(...paces);
}

/** The media bytes of one direction in some statistics. */
export function mediaBytes(kind: 'inbound-rtp' | 'outbound-rtp', entries: Entry[]): number {
  const field = kind === 'inbound-rtp' ? 'bytesReceived' : 'bytesSent';
  return entries.filter(({ type }) => type === kind).reduce((sum, entry) => sum + amount(entry[field]), 0);
}

/** What was found out. */
export interface Findings {
  /** The way by which calls are arranged, and what is said when it fails. */
  signalling: Verdict;
  trouble: string | null;
  udp: Verdict;
  tcp: Verdict;
  tls: Verdict;
  /** Bit/s that went and came; at least these pass. */
  up: number | null;
  down: number | null;
  cities: { name: string; roundTripMs: number | null }[];
}

/** What to make of it, in a sentence. */
export function adviceOf({ signalling, udp, tcp, tls, up, down }: Findings): string {
  if (signalling === 'blocked') return 'You can’t join from this network now. Switch off a VPN or blocker, or try another network.';
  const ways = [udp, tcp, tls];
  if (!ways.includes('works')) {
    return ways.includes('blocked') ? 'Sound and pictures don’t get through here. Try another network, mobile data for example.' : 'It can’t be told whether sound and pictures get through. Join and see.';
  }
  const least = Math.min(up ?? Infinity, down ?? Infinity);
  if (least === Infinity) return 'You can join. How much this network carries could not be measured.';
  if (least < SOUND_BPS) return 'You can join, with sound at best. Choose the data saver.';
  if (least < PICTURES_BPS) return 'You can join. Choose low use of data: sound and small pictures fit.';
  return 'You can join with sound and pictures.';
}

/** Below this, a picture takes what speech needs. */
const SOUND_BPS = 150_000;
/** A middle picture, with the others' voices. */
const PICTURES_BPS = 350_000;

export function paceWords(bps: number | null): string {
  if (bps === null) return 'could not be measured';
  return bps < 995_000 ? `${Math.round(bps / 1000)} kbit/s` : `${(bps / 1e6).toFixed(1)} Mbit/s`;
}

function amount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
