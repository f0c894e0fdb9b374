import { expect, test } from 'vitest';
import { blank, changesOf, choicesOf, draftOf, flawOf, type Draft } from './draft';
import type { Choices, Details } from './plane';

const MINUTE = 60_000;
/** Not on the minute, as instant meetings begin. */
const NOON = new Date(2026, 2, 4, 12, 0, 17).getTime();

function meeting(changes: Partial<Details> = {}): Details {
  return {
    meetingId: 'm1', room: 'ROOM-1', title: 'Choir', description: 'Bring your voice.', kind: 'scheduled', status: 'scheduled',
    startsAt: NOON, endsAt: NOON + 50 * MINUTE, startedAt: null, endedAt: null, recurrence: null, code: null, link: null,
    viewer: { userId: 'ada', name: 'Ada', role: 'host', invited: true, leads: true }, host: { userId: 'ada', name: 'Ada' }, coHosts: [],
    invited: [{ userId: 'bayo', name: 'Bayo' }],
    settings: { hasPassword: true, waitingRoom: true, chat: true, screenShare: true, locked: false, maxParticipants: 0 },
    ...changes,
  };
}

test('a form opened and saved changes nothing', () => {
  for (const one of [meeting(), meeting({ status: 'live', kind: 'instant' }), meeting({ kind: 'recurring', recurrence: { pattern: 'monthly', interval: 2 } })]) {
    expect(changesOf(draftOf(one), one)).toEqual({});
  }
});

const HALF_PAST = new Date(2026, 2, 4, 13, 30).getTime();

test.each<[string, Partial<Draft>, Partial<Details>, Choices]>([
  ['the title', { title: ' Choir practice ' }, {}, { title: 'Choir practice' }],
  ['what it is about, to nothing', { description: '' }, {}, { description: '' }],
  ['the length', { minutes: 90 }, {}, { endsAt: NOON + 90 * MINUTE }],
  ['the start, and the end with it', { start: '2026-03-04T13:30' }, {}, { startsAt: HALF_PAST, endsAt: HALF_PAST + 50 * MINUTE }],
  ['no start of what has begun', { start: '2026-03-04T13:30' }, { status: 'live' }, {}],
  ['the waiting room, away', { waitingRoom: false }, {}, { waitingRoom: false }],
  ['the password', { password: 'spoon' }, {}, { password: 'spoon' }],
  ['the password, away', { open: true }, {}, { password: null }],
  ['the guests', { asked: new Set(['chidi', 'bayo']) }, {}, { invited: ['chidi', 'bayo'] }],
  [
    'how it repeats', { pattern: 'daily' }, { kind: 'recurring', recurrence: { pattern: 'weekly', interval: 2, daysOfWeek: [1], occurrences: 9 } },
    { recurrence: { pattern: 'daily', interval: 2, occurrences: 9 } },
  ],
])('only what was changed is told: %s', (_, change, before, told) => {
  const one = meeting(before);
  expect(changesOf({ ...draftOf(one), ...change }, one)).toEqual(told);
});

test('a waiting room that is opened lets nobody by', () => {
  const one = meeting({ settings: { ...meeting().settings, waitingRoom: false } });
  expect(changesOf({ ...draftOf(one), waitingRoom: true }, one)).toEqual({ waitingRoom: true, lobbyBypass: 'nobody' });
});

test('a new meeting is told whole', () => {
  const draft = { ...blank(NOON), title: 'Choir ', start: '2026-03-04T13:30', waitingRoom: false, asked: new Set(['bayo']) };
  expect(choicesOf(draft, 'instant')).toEqual({ kind: 'instant', title: 'Choir', waitingRoom: false, invited: ['bayo'] });
  expect(choicesOf(draft, 'recurring')).toEqual({
    kind: 'recurring', title: 'Choir', waitingRoom: false, invited: ['bayo'], startsAt: HALF_PAST, endsAt: HALF_PAST + 60 * MINUTE,
    recurrence: { pattern: 'weekly', interval: 1 },
  });
});

test('what keeps a draft from being sent is said', () => {
  expect(flawOf(blank(NOON), 'instant')).toContain('title');
  expect(flawOf({ ...blank(NOON), title: 'Choir', start: '' }, 'scheduled')).toContain('begins');
  expect(flawOf({ ...blank(NOON), title: 'Choir', start: '' }, 'instant')).toBeNull();
});
