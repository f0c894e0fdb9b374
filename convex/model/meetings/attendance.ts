// Who attended a meeting, and how it went: computed once, when it has ended, from the spans of connections. Pure;
// reading and storing is for `meetings/reports.ts`.
import { lengthOf, union } from "./spans";
import type { Span } from "./spans";

/** Whoever comes later than this after the start is late: slow buses and slow networks are no fault. */
export const GRACE_MS = 5 * 60_000;

/** Somebody who was expected. */
export interface Expected {
  userId: string;
  name: string;
}

/** A connection with its owner, if known. */
export interface OwnedSpan extends Span {
  userId: string | null;
  identity: string;
  name: string;
}

/** How somebody attended. `unattributed` is somebody whose identity says not who they are. */
export type Attendance = "present" | "late" | "absent" | "unattributed";

/** One line of the register. */
export interface Line {
  userId: string | null;
  identity: string | null;
  name: string;
  attendance: Attendance;
  expected: boolean;
  firstJoinAt: number | null;
  lastLeaveAt: number | null;
  presentMs: number;
  lateMs: number;
  connections: number;
}

/** The register: everybody expected and everybody who came, by name. */
export function register(
  startsAt: number,
  endedAt: number,
  expected: readonly Expected[],
  spans: readonly OwnedSpan[],
): Line[] {
  const owners = new Map<string, OwnedSpan[]>();
  for (const span of spans) {
    const owner = span.userId === null ? `identity ${span.identity}` : `user ${span.userId}`;
    owners.set(owner, [...(owners.get(owner) ?? []), span]);
  }
  const invited = new Map(expected.map((person) => [person.userId, person]));
  const came = [...owners.values()].map((own) => lineOf(startsAt, endedAt, own, invited));
  const present = new Set(came.map((line) => line.userId));
  const absent = [...invited.values()].filter((person) => !present.has(person.userId)).map(absentLine);
  return [...came, ...absent].sort((a, b) => a.name.localeCompare(b.name) || a.presentMs - b.presentMs);
}

function lineOf(
  startsAt: number,
  endedAt: number,
  own: readonly OwnedSpan[],
  invited: ReadonlyMap<string, Expected>,
): Line {
  const stretches = union(own, endedAt);
  const first = stretches[0]?.start ?? endedAt;
  const owner = own[0];
  const userId = owner?.userId ?? null;
  const lateMs = Math.max(0, first - startsAt);
  const attended = lateMs > GRACE_MS ? "late" : "present";
  return {
    userId,
    identity: userId === null ? (owner?.identity ?? null) : null,
    name: (userId === null ? undefined : invited.get(userId)?.name) ?? owner?.name ?? "",
    attendance: userId === null ? "unattributed" : attended,
    expected: userId !== null && invited.has(userId),
    firstJoinAt: first,
    lastLeaveAt: stretches[stretches.length - 1]?.end ?? endedAt,
    presentMs: lengthOf(stretches),
    lateMs: lateMs > GRACE_MS ? lateMs : 0,
    connections: own.length,
  };
}

function absentLine(person: Expected): Line {
  return {
    userId: person.userId,
    identity: null,
    name: person.name,
    attendance: "absent",
    expected: true,
    firstJoinAt: null,
    lastLeaveAt: null,
    presentMs: 0,
    lateMs: 0,
    connections: 0,
  };
}

/** When a meeting was planned, and when it was noted to begin and end. */
export interface Times {
  plannedStart: number;
  plannedEnd: number;
  start: number | null;
  end: number | null;
}

/**
 * From when to when a meeting really lasted. What was noted may be hours late, when the deployment was out of reach:
 * then the people who were there tell, within what was planned.
 */
export function lasted(times: Times, spans: readonly Span[]): { startedAt: number; endedAt: number } {
  const first = Math.min(Infinity, ...spans.map(({ start }) => start));
  const last = Math.max(-Infinity, ...spans.map(({ end }) => end ?? -Infinity));
  const startedAt = Math.min(times.start ?? times.plannedStart, Math.max(times.plannedStart, first));
  const endedAt = Math.min(times.end ?? times.plannedEnd, Math.max(times.plannedEnd, last));
  return { startedAt, endedAt: Math.max(startedAt, endedAt) };
}

/** What somebody did besides being there. */
export interface Deeds {
  messages: number;
  hands: number;
  answers: number;
  microphoneMs: number;
  cameraMs: number;
  screenMs: number;
}

/** Nothing yet. */
export const NO_DEEDS: Readonly<Deeds> = {
  messages: 0,
  hands: 0,
  answers: 0,
  microphoneMs: 0,
  cameraMs: 0,
  screenMs: 0,
};

/**
 * How much somebody took part, 0 to 100: half for being there all the time,
 * the rest for speaking, showing themselves, writing, asking and answering.
 * Each counts up to a measure, so that nobody gains by chattering.
 */
export function engagement(presentMs: number, lastedMs: number, deeds: Deeds): number {
  if (lastedMs <= 0 || presentMs <= 0) return 0;
  const share = (part: number, whole: number) => (whole <= 0 ? 0 : Math.min(1, part / whole));
  const score =
    50 * share(presentMs, lastedMs) +
    15 * share(deeds.microphoneMs + deeds.screenMs, 0.2 * lastedMs) +
    10 * share(deeds.cameraMs, 0.5 * lastedMs) +
    10 * share(deeds.messages, 5) +
    5 * share(deeds.hands, 2) +
    10 * share(deeds.answers, 3);
  return Math.round(score);
}
