// A meeting as a form holds it while somebody makes or changes it, and what of it the
// control plane is told: all of a new one, of another only what was changed.

import type { Choices, Details, Kind, Recurrence } from './plane';

export interface Draft {
  title: string;
  description: string;
  /** As a field for dates and times has it: local, to the minute. */
  start: string;
  minutes: number;
  pattern: Recurrence['pattern'];
  waitingRoom: boolean;
  /** Empty is none, or the one it has. */
  password: string;
  /** Of a meeting that has one: take it away. */
  open: boolean;
  asked: ReadonlySet<string>;
}

const MINUTE = 60_000;
const SOON = 10 * MINUTE;

export function blank(now: number): Draft {
  return {
    title: '', description: '', start: forField(now + SOON), minutes: 60, pattern: 'weekly', waitingRoom: true, password: '', open: false,
    asked: new Set(),
  };
}

export function draftOf(meeting: Details): Draft {
  return {
    ...blank(meeting.startsAt),
    title: meeting.title, description: meeting.description, start: forField(meeting.startsAt),
    minutes: Math.round((meeting.endsAt - meeting.startsAt) / MINUTE), pattern: meeting.recurrence?.pattern ?? 'weekly',
    waitingRoom: meeting.settings.waitingRoom, asked: new Set(meeting.invited.map(({ userId }) => userId)),
  };
}

/** What keeps the draft from being sent. */
export function flawOf(draft: Draft, kind: Kind): string | null {
  if (draft.title.trim() === '') return 'Give the meeting a title.';
  return kind === 'instant' || Number.isFinite(atOf(draft)) ? null : 'Say when the meeting begins.';
}

/** All that a new meeting is made of. */
export function choicesOf(draft: Draft, kind: Kind): Choices & { kind: Kind; title: string; waitingRoom: boolean } {
  const { title, description, minutes, pattern, waitingRoom, password, asked } = draft;
  const startsAt = atOf(draft);
  return {
    kind, title: title.trim(), waitingRoom,
    ...(description.trim() === '' ? {} : { description: description.trim() }),
    ...(kind === 'instant' ? {} : { startsAt, endsAt: startsAt + minutes * MINUTE }),
    ...(kind === 'recurring' ? { recurrence: { pattern, interval: 1 } } : {}),
    ...(waitingRoom ? { lobbyBypass: 'nobody' as const } : {}),
    ...(password === '' ? {} : { password }),
    ...(asked.size === 0 ? {} : { invited: [...asked] }),
  };
}

/** What of `meeting` the draft changes. */
export function changesOf(draft: Draft, meeting: Details): Choices {
  const was = draftOf(meeting);
  const { title, description, start, minutes, pattern, waitingRoom, password, asked } = draft;
  const moved = start !== was.start && meeting.status === 'scheduled';
  const startsAt = moved ? atOf(draft) : meeting.startsAt;
  const { recurrence } = meeting;
  return {
    ...(title.trim() === was.title ? {} : { title: title.trim() }),
    ...(description.trim() === was.description ? {} : { description: description.trim() }),
    ...(moved ? { startsAt } : {}),
    ...(moved || minutes !== was.minutes ? { endsAt: startsAt + minutes * MINUTE } : {}),
    // Days of the week mean nothing to a rule of another kind.
    ...(recurrence && pattern !== was.pattern ? { recurrence: { ...lasting(recurrence), pattern, interval: recurrence.interval } } : {}),
    ...(waitingRoom === was.waitingRoom ? {} : waitingRoom ? { waitingRoom, lobbyBypass: 'nobody' as const } : { waitingRoom }),
    ...(draft.open && meeting.settings.hasPassword ? { password: null } : password === '' ? {} : { password }),
    ...(same(asked, was.asked) ? {} : { invited: [...asked] }),
  };
}

function lasting({ endDate, occurrences }: Recurrence): Pick<Recurrence, 'endDate' | 'occurrences'> {
  return { ...(endDate === undefined ? {} : { endDate }), ...(occurrences === undefined ? {} : { occurrences }) };
}

function same(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((value) => other.has(value));
}

function atOf({ start }: Draft): number {
  return new Date(start).getTime();
}

function forField(at: number): string {
  const time = new Date(at - new Date(at).getTimezoneOffset() * MINUTE);
  return time.toISOString().slice(0, 16);
}
