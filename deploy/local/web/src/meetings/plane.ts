// The functions of the control plane that the page calls, with what they take and
// answer: the page's one place that knows their names.

import { makeFunctionReference } from 'convex/server';
import type { Candidate } from '../nearest';

export type Status = 'scheduled' | 'live' | 'ended' | 'cancelled';
export type Kind = 'instant' | 'scheduled' | 'recurring';
export type Role = 'host' | 'co_host' | 'staff' | 'moderator' | 'participant';

/** A meeting in a list. */
export interface Summary {
  meetingId: string;
  title: string;
  kind: Kind;
  status: Status;
  startsAt: number;
  endsAt: number;
  hostName: string;
  role: Role;
  invited: boolean;
  hasPassword: boolean;
  waitingRoom: boolean;
  code: string | null;
}

export interface Named {
  userId: string;
  name: string;
}

/** How a meeting repeats. */
export interface Recurrence {
  pattern: 'daily' | 'weekly' | 'monthly';
  interval: number;
  daysOfWeek?: number[];
  endDate?: number;
  occurrences?: number;
}

/** What hosts choose for a meeting; what is left out stays as it is. */
export type Choices = {
  title?: string;
  description?: string;
  startsAt?: number;
  endsAt?: number;
  invited?: string[];
  waitingRoom?: boolean;
  lobbyBypass?: 'nobody';
  /** Null takes it away. */
  password?: string | null;
  recurrence?: Recurrence;
};

/** A meeting in full. */
export interface Details {
  meetingId: string;
  room: string;
  title: string;
  description: string;
  kind: Kind;
  status: Status;
  startsAt: number;
  endsAt: number;
  startedAt: number | null;
  endedAt: number | null;
  recurrence: Recurrence | null;
  code: string | null;
  link: string | null;
  viewer: { userId: string; name: string; role: Role; invited: boolean; leads: boolean };
  host: Named;
  coHosts: Named[];
  invited: Named[];
  settings: { hasPassword: boolean; waitingRoom: boolean; chat: boolean; screenShare: boolean; locked: boolean; maxParticipants: number };
}

export type JoinAnswer =
  | { status: 'joined'; meetingId: string; role: Role; identity: string; token: string; url: string; candidates: Candidate[]; expiresAt: number }
  | { status: 'waiting'; meetingId: string; askedAt: number }
  | { status: 'denied'; meetingId: string | null; reason: string; message: string; retryAfterMs?: number };

/** A node, and who of a meeting is on it. */
export interface Node {
  node: string;
  region: string;
  url: string;
  alive: boolean;
  draining: boolean;
  people: { identity: string; name: string }[];
}

/** A message of a meeting's chat, as it was kept. */
export interface Said {
  chatId: string;
  name: string;
  text: string;
  sentAt: number;
  private: boolean;
  mine: boolean;
}

export type InvitationAnswer =
  | { status: 'given'; identity: string; token: string; url: string; candidates: Candidate[]; notBefore: number; expiresAt: number }
  | { status: 'refused'; reason: string; message: string };

/** Tokens for a call of the page with itself. */
export type TrialAnswer =
  | { status: 'given'; sending: string; watching: string; url: string; candidates: Candidate[] }
  | { status: 'refused'; message: string; retryAfterMs?: number };

export interface Waiting extends Named {
  askedAt: number;
}

export interface Entry {
  state: 'none' | 'waiting' | 'admitted' | 'denied' | 'left';
  askedAt: number | null;
  ahead: number;
  status: Status;
}

/** One line of the register of a meeting that has ended. */
export interface Line {
  userId: string | null;
  name: string;
  attendance: 'present' | 'late' | 'absent' | 'unattributed';
  expected: boolean;
  firstJoinAt: number | null;
  lastLeaveAt: number | null;
  presentMs: number;
  lateMs: number;
  connections: number;
  messages: number;
  engagement: number;
}

export function isOver({ status }: Pick<Details, 'status'>): boolean {
  return status === 'ended' || status === 'cancelled';
}

type One = { meetingId: string };
type Someone = One & { userId: string };

const query = <Args extends Record<string, unknown>, Answer>(name: string) => makeFunctionReference<'query', Args, Answer>(name);
const mutation = <Args extends Record<string, unknown>, Answer = null>(name: string) => makeFunctionReference<'mutation', Args, Answer>(name);

export const plane = {
  mine: query<{ from: number; to: number }, Summary[]>('meetings/list:mine'),
  cities: query<{ meetingId?: string }, Node[]>('meetings/list:cities'),
  chat: query<One, Said[]>('meetings/list:chat'),
  hands: query<One, { identity: string; name: string; raisedAt: number }[]>('meetings/list:hands'),
  attendance: query<One, Line[]>('meetings/reports:attendanceOf'),
  report: query<One, { madeAt: number; stale: boolean } | null>('meetings/reports:report'),
  meeting: query<One, Details | null>('meetings/list:details'),
  findByCode: query<{ code: string }, { meetingId: string } | null>('meetings/join:findByCode'),
  waiting: query<One, Waiting[]>('meetings/waiting:list'),
  entry: query<One, Entry | null>('meetings/waiting:mine'),

  create: mutation<Choices & { kind: Kind; title: string; waitingRoom: boolean }, { meetingId: string; link: string }>('meetings/life:create'),
  update: mutation<One & { changes: Choices }>('meetings/life:update'),
  start: mutation<One, { room: string }>('meetings/life:start'),
  end: mutation<One>('meetings/life:end'),
  join: mutation<One & { device: string; password?: string; regions?: Record<string, number> }, JoinAnswer>('meetings/join:join'),
  invitation: mutation<One & { device: string; regions?: Record<string, number> }, InvitationAnswer>('meetings/invitations:take'),
  trial: mutation<{ regions?: Record<string, number> }, TrialAnswer>('meetings/trial:begin'),
  leaveDoor: mutation<One>('meetings/waiting:leave'),
  admit: mutation<Someone>('meetings/waiting:admit'),
  deny: mutation<Someone>('meetings/waiting:deny'),
  admitAll: mutation<One, number>('meetings/waiting:admitAll'),
  mute: mutation<Someone & { source: 'camera' | 'microphone' | 'screen_share'; muted: boolean }, number>('meetings/control:mute'),
  muteAll: mutation<One, number>('meetings/control:muteAll'),
  remove: mutation<Someone>('meetings/control:remove'),
  lowerHand: mutation<One & { identity: string }>('meetings/control:lowerHand'),
  lock: mutation<One & { locked: boolean }>('meetings/control:lock'),
};

/** Who stands behind an identity: `<user>#<device>`. */
export function userOf(identity: string): string {
  return identity.split('#')[0] ?? identity;
}

/** The attribute in which a participant carries a raised hand. */
export { HAND } from '../hand';
