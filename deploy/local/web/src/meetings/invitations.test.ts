import { beforeEach, expect, test, vi } from 'vitest';
import { heldBy, passTo, put, type Invitation } from './invitations';

const kept = new Map<string, string>();
beforeEach(() => {
  kept.clear();
  vi.stubGlobal('localStorage', { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) });
});

function invitation(change: Partial<Invitation>): Invitation {
  return {
    subject: 'user_bayo', meetingId: 'physics', title: 'Physics', startsAt: 1_000, endsAt: 2_000, notBefore: 500, expiresAt: 2_500,
    pass: { token: 'a.b.c', urls: ['ws://lagos'] }, ...change,
  };
}

test('a pass opens the door in its time, to whom it was given', () => {
  put(invitation({}), 0);
  for (const [subject, now, opens] of [['user_bayo', 499, false], ['user_bayo', 500, true], ['user_bayo', 2_500, false], ['user_chidi', 500, false]] as const) {
    expect(passTo('physics', subject, now) !== null, `${subject} at ${now}`).toBe(opens);
  }
});

test('a newer pass takes the place of the older, and what is over is thrown away', () => {
  put(invitation({}), 0);
  put(invitation({ meetingId: 'club', startsAt: 9_000, notBefore: 8_500, expiresAt: 10_000 }), 0);
  put(invitation({ startsAt: 3_000, expiresAt: 4_500, pass: { token: 'd.e.f', urls: [] } }), 0);
  expect(heldBy('user_bayo', 0).map(({ meetingId, pass }) => [meetingId, pass.token])).toEqual([['physics', 'd.e.f'], ['club', 'a.b.c']]);
  put(invitation({ meetingId: 'next', expiresAt: 20_000 }), 9_999);
  expect(heldBy('user_bayo', 0).map(({ meetingId }) => meetingId)).toEqual(['next', 'club']);
});

test('what others have left in the storage is no pass', () => {
  for (const raw of ['', 'no json', '{}', '[1, null, {"subject": "user_bayo"}]']) {
    kept.set('meeting.invitations', raw);
    expect(heldBy('user_bayo', 0)).toEqual([]);
  }
});
