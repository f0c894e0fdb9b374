// A small school to try things out with: a foundation, its people, three meetings.
// People stand in the platform's own tables; meetings are made by the functions, as
// their host would make them.

import type { GenericId, JSONValue } from 'convex/values';
import type { GenericMutationCtx } from 'convex/server';
import { NOBODY, type Backend } from '../src/backend.ts';
import type { Person } from '../src/identity.ts';

type Rank = 'admin' | 'reviewer' | 'beneficiary' | 'guardian';

interface Member extends Person {
  first: string;
  last: string;
  rank: Rank;
}

function member(first: string, last: string, rank: Rank, role: string): Member {
  const key = first.toLowerCase();
  return { subject: `user_${key}${last.toLowerCase()}`, name: `${first} ${last}`, email: `${key}@tof.example`, role, first, last, rank };
}

const ADA = member('Ada', 'Obi', 'admin', 'Teacher, hosts the meetings');
const EMEKA = member('Emeka', 'Nwosu', 'reviewer', 'Teacher, helps as co-host');
const BAYO = member('Bayo', 'Adeyemi', 'beneficiary', 'Student');
const CHIDI = member('Chidi', 'Okafor', 'beneficiary', 'Student');
const FATIMA = member('Fatima', 'Bello', 'beneficiary', 'Student');
const ZAINAB = member('Zainab', 'Bello', 'guardian', 'Guardian of Fatima');
const MEMBERS = [ADA, EMEKA, BAYO, CHIDI, FATIMA, ZAINAB];

export const people: Person[] = MEMBERS.map(({ subject, name, email, role }) => ({ subject, name, email, role }));

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Lagos is an hour ahead of UTC all year. */
const LAGOS_OFFSET = HOUR;

export async function seed(backend: Backend): Promise<void> {
  const now = Date.now();
  const ids = await enrol(backend, now);
  const of = (...members: Member[]): string[] => members.map(({ subject }) => ids.get(subject)!);
  const students = of(BAYO, CHIDI, FATIMA);
  const make = (meeting: Record<string, JSONValue>) =>
    backend.call('mutation', 'meetings/life:create', meeting, { ...NOBODY, identity: identityOf(ADA) });

  await make({
    // Soon enough that its host may start it now and others may come to the door.
    kind: 'scheduled', title: 'Physics: light and lenses', startsAt: now + 10 * MINUTE, endsAt: now + 2 * HOUR + 10 * MINUTE,
    description: 'Bring a spoon: we look at ourselves in both of its sides.',
    coHosts: of(EMEKA), invited: students, waitingRoom: true, lobbyBypass: 'nobody',
  });
  const tomorrow = Math.floor((now + LAGOS_OFFSET) / DAY) * DAY + DAY - LAGOS_OFFSET;
  await make({
    kind: 'scheduled', title: 'Parents’ evening', startsAt: tomorrow + 17 * HOUR, endsAt: tomorrow + 18.5 * HOUR,
    description: 'How the term went, and what comes next.',
    coHosts: of(EMEKA), invited: of(ZAINAB), waitingRoom: false,
  });
  await make({
    kind: 'recurring', title: 'Mathematics club', startsAt: tomorrow + 15 * HOUR, endsAt: tomorrow + 16 * HOUR,
    description: 'Puzzles for everybody who likes numbers, and for everybody who does not like them yet.',
    invited: students, waitingRoom: false,
    recurrence: { pattern: 'weekly', interval: 1, daysOfWeek: [1, 3, 5], occurrences: 36 },
  });
}

/** The ids of the people in the platform's table, by subject. */
export async function idsOf(backend: Backend): Promise<Map<string, string>> {
  const found = await backend.change((async (ctx: GenericMutationCtx<any>) => {
    const ids: [string, string][] = [];
    for (const { subject } of MEMBERS) {
      const user = await ctx.db.query('users').withIndex('by_clerk_id', (q) => q.eq('clerkId', subject)).first();
      if (user !== null) ids.push([subject, user._id as string]);
    }
    return ids;
  }) as never);
  return new Map(found as [string, string][]);
}

/** As the identity provider would tell of them. */
function identityOf({ subject, name, email }: Person): Record<string, unknown> {
  return { subject, name, email, issuer: 'https://local.invalid', tokenIdentifier: `https://local.invalid|${subject}` };
}

/** The foundation and its people; their ids by subject. */
async function enrol(backend: Backend, now: number): Promise<Map<string, string>> {
  const enrolled = await backend.change((async (ctx: GenericMutationCtx<any>) => {
    const foundationId = await ctx.db.insert('foundations', { name: 'TheOyinbooke Foundation', isActive: true, createdAt: now, updatedAt: now });
    const ids: [string, GenericId<'users'>][] = [];
    for (const { subject, email, first, last, rank } of MEMBERS) {
      const person = { clerkId: subject, foundationId, email, firstName: first, lastName: last, role: rank, isActive: true };
      ids.push([subject, (await ctx.db.insert('users', { ...person, createdAt: now, updatedAt: now })) as GenericId<'users'>]);
    }
    return ids;
  }) as never);
  return new Map(enrolled as [string, string][]);
}
