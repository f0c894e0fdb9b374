// Passes to coming meetings, kept by the browser: with one, somebody comes into a
// meeting although the control plane can't be reached.

import { useConvex } from 'convex/react';
import { useEffect } from 'react';
import type { Pass } from '../join';
import { nearestFirst, nearRegions } from '../nearest';
import { plane, type Summary } from './plane';
import type { Person } from './signin';

export interface Invitation {
  /** Whose it is, as the sign-in calls them. */
  subject: string;
  meetingId: string;
  title: string;
  startsAt: number;
  endsAt: number;
  /** When the pass opens the door. */
  notBefore: number;
  expiresAt: number;
  pass: Pass;
}

const KEPT = 'meeting.invitations';
const DEVICE = 'meeting.device';
/** Passes are given from two days ahead. */
const AHEAD_MS = 48 * 3_600_000;
/** More meetings than a full week has. */
const MOST = 50;

/** What `subject` holds that is still good, the next meeting first. */
export function heldBy(subject: string, now: number): Invitation[] {
  return readKept().filter((one) => one.subject === subject && one.expiresAt > now).sort((a, b) => a.startsAt - b.startsAt);
}

/** The pass to one meeting, if it is held and opens the door now. */
export function passTo(meetingId: string, subject: string, now: number): Pass | null {
  return heldBy(subject, now).find((one) => one.meetingId === meetingId && one.notBefore <= now)?.pass ?? null;
}

/** The pass with its servers in the order of their nearness now; when it was given that was not known. */
export async function fromHere(pass: Pass): Promise<Pass> {
  const nearest = await nearestFirst(pass.urls.map((url) => ({ node: '', region: '', url })));
  return { ...pass, urls: nearest.map(({ url }) => url) };
}

/** Puts away `fresh` in the place of what was held for the same meeting, and throws away what is over. */
export function put(fresh: Invitation, now: number): void {
  const others = readKept().filter((one) => one.expiresAt > now && !(one.meetingId === fresh.meetingId && one.subject === fresh.subject));
  keep([...others, fresh].slice(-MOST));
}

/** Asks for a pass to each coming meeting that has none yet, or was moved. */
export function useInvitations(person: Person, meetings: Summary[] | undefined): void {
  const convex = useConvex();
  const now = Date.now();
  const held = heldBy(person.subject, now);
  const wanted = (meetings ?? [])
    .filter(({ status, invited, startsAt }) => (status === 'scheduled' || status === 'live') && invited && startsAt < now + AHEAD_MS)
    .filter(({ meetingId, startsAt, endsAt }) => !held.some((one) => one.meetingId === meetingId && one.startsAt === startsAt && one.endsAt === endsAt));
  const list = JSON.stringify(wanted.map(({ meetingId, title, startsAt, endsAt }) => ({ meetingId, title, startsAt, endsAt })));
  useEffect(() => {
    for (const meeting of JSON.parse(list) as Pick<Invitation, 'meetingId' | 'title' | 'startsAt' | 'endsAt'>[]) {
      void convex.mutation(plane.invitation, { meetingId: meeting.meetingId, device: deviceId(), regions: nearRegions() }).then((answer) => {
        // A meeting that asks at its door gives none; then it can only be joined by asking.
        if (answer.status !== 'given') return;
        const urls = answer.candidates.length > 0 ? answer.candidates.map(({ url }) => url) : [answer.url];
        const { notBefore, expiresAt, token } = answer;
        put({ ...meeting, subject: person.subject, notBefore, expiresAt, pass: { token, urls } }, Date.now());
      }, () => undefined);
    }
  }, [convex, person.subject, list]);
}

/** This browser, over all its tabs: what is kept for later does not know which tab will use it. */
function deviceId(): string {
  const made = `b${crypto.getRandomValues(new Uint32Array(2)).join('')}`.slice(0, 20);
  try {
    const kept = localStorage.getItem(DEVICE);
    if (kept) return kept;
    localStorage.setItem(DEVICE, made);
  } catch {
    // Storage is refused: the pass will not be kept either.
  }
  return made;
}

function readKept(): Invitation[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? '[]');
    return Array.isArray(kept) ? kept.filter(isInvitation) : [];
  } catch {
    return [];
  }
}

function keep(invitations: Invitation[]): void {
  try {
    localStorage.setItem(KEPT, JSON.stringify(invitations));
  } catch {
    // Storage is refused or full: joining asks the control plane, as ever.
  }
}

function isInvitation(value: unknown): value is Invitation {
  const one = value as Partial<Invitation> | null;
  return typeof one?.subject === 'string' && typeof one.meetingId === 'string' && typeof one.startsAt === 'number'
    && typeof one.expiresAt === 'number' && typeof one.pass?.token === 'string' && Array.isArray(one.pass.urls);
}
