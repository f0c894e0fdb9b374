// What a call costs: reads the server's reports of the bytes that went to and fro,
// adds them up over reconnections, and reckons what an hour will take. Nothing of
// a report is trusted: other people in the room can send packets too.

import { PROFILES, type Profile } from './profile';

/** The attribute that asks for reports, and their topic. */
export const USAGE = 'tof.usage';

export const BECAUSES = ['asked', 'room', 'measured'] as const;
/** Why the server sends no more than it does. */
export type Because = (typeof BECAUSES)[number];

/** Bytes at IP level as this participant sees them, since it joined. */
export interface Report {
  sent: number;
  received: number;
  /** Null where the word is none we know. */
  profile: Profile | null;
  because: Because | null;
}

/** Four short fields; whoever sends more is not the server. */
const LONGEST_REPORT = 512;

/** A report, or null where the payload is none. */
export function readReport(payload: Uint8Array): Report | null {
  if (payload.byteLength > LONGEST_REPORT) return null;
  let told: unknown;
  try {
    told = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return null;
  }
  if (typeof told !== 'object' || told === null || Array.isArray(told)) return null;
  const { sent, received, profile, because } = told as Record<string, unknown>;
  if (!isBytes(sent) || !isBytes(received)) return null;
  return {
    sent,
    received,
    profile: PROFILES.find((known) => known === profile) ?? null,
    because: BECAUSES.find((known) => known === because) ?? null,
  };
}

function isBytes(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Who counted: the server counts all, the browser what it can tell of its own connections. */
export type Source = 'server' | 'browser';

export interface Reading {
  source: Source;
  sent: number;
  received: number;
  /** Milliseconds on any clock that only moves on. */
  at: number;
}

/** What the call took so far. */
export interface Meter {
  sent: number;
  received: number;
  source: Source | null;
  /** The last reading, to count on from. */
  last: Reading | null;
  /** When the call began. */
  since: number;
  /** Totals of the last minute, oldest first. */
  samples: { at: number; total: number }[];
}

/** More than any line of a person in a call carries: what grows faster was made up. */
const FASTEST_BYTES_PER_MS = 25_000;
/** Readings come late and in bunches. */
const SLACK_BYTES = 25_000_000;
/** Three reports and a bit: the browser's own count takes over. */
const SERVER_SILENT_MS = 20_000;
const WINDOW_MS = 60_000;
const MOST_SAMPLES = 64;
/** A shorter time says too little of an hour. */
const LEAST_SPAN_MS = 10_000;

export function newMeter(at: number): Meter {
  return { sent: 0, received: 0, source: null, last: null, since: at, samples: [] };
}

/** The meter with a reading in; the same one where the reading can't be. */
export function feed(meter: Meter, reading: Reading): Meter {
  const { last } = meter;
  const { source, at } = reading;
  if (last !== null && at < last.at) return meter;
  if (last?.source === 'server' && source === 'browser' && at - last.at < SERVER_SILENT_MS) return meter;
  const grown = growth(meter, reading);
  if (grown.sent + grown.received > (at - (last?.at ?? meter.since)) * FASTEST_BYTES_PER_MS + SLACK_BYTES) return meter;
  // The server counted from the beginning; what the browser made of it so far is forgotten.
  const anew = source === 'server' && meter.source === 'browser';
  const sent = grown.sent + (anew ? 0 : meter.sent);
  const received = grown.received + (anew ? 0 : meter.received);
  const kept = anew ? [] : meter.samples.filter((sample) => at - sample.at <= WINDOW_MS).slice(1 - MOST_SAMPLES);
  // Once the server has counted, a return to it goes on from there.
  return { ...meter, sent, received, source: anew || meter.source === null ? source : meter.source, last: reading, samples: [...kept, { at, total: sent + received }] };
}

/** What came on top since the last reading. */
function growth({ last, source: counted }: Meter, { source, sent, received }: Reading): { sent: number; received: number } {
  if (last === null || (source === 'server' && counted === 'browser')) return { sent, received };
  // Another counter: where it stands says nothing of what was since.
  if (last.source !== source) return { sent: 0, received: 0 };
  // Less than before: counted from nothing again, after coming in anew.
  if (sent < last.sent || received < last.received) return { sent, received };
  return { sent: sent - last.sent, received: received - last.received };
}

/** Bytes an hour at the pace of the last minute; null until there is a pace. */
export function perHour({ samples }: Meter): number | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.at - first.at < LEAST_SPAN_MS) return null;
  return ((last.total - first.total) / (last.at - first.at)) * 3_600_000;
}

/** A short figure in units of a thousand, as data is sold. */
export function bytesWords(bytes: number): string {
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} kB`;
  if (bytes < 999_500_000) return `${shortest(bytes / 1e6)} MB`;
  return `${shortest(bytes / 1e9)} GB`;
}

function shortest(value: number): string {
  return value < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

/** What a bundle of data costs where nobody says otherwise; prices differ by network and bundle. */
export const NAIRA_PER_GB = 500;

/** The price that the page was told, or the default. */
export function readPrice(told: string | null | undefined): number {
  const price = Number(told);
  return told?.trim() && Number.isFinite(price) && price >= 0 && price <= 1_000_000 ? price : NAIRA_PER_GB;
}

/** What so many bytes cost. */
export function nairaWords(bytes: number, pricePerGb: number): string {
  const naira = (bytes / 1e9) * pricePerGb;
  if (naira > 0 && naira < 0.1) return 'under ₦0.1';
  return `₦${naira < 9.95 ? naira.toFixed(1) : Math.round(naira).toLocaleString('en')}`;
}
