// The index against what it replaces: the same writes, the same queries, the same answers.

import { convexTest } from 'convex-test';
import type { GenericId } from 'convex/values';
import { expect, test } from 'vitest';
import schema from '../trial/schema.ts';
import { open, type Modules } from './internals.ts';
import { indexDocuments, tableOf } from './documents.ts';

const modules: Modules = { './_generated/api.ts': () => import('../trial/_generated/api.ts') };
const ROUNDS = 300;
const ROOMS = ['a', 'b', 'a|b', '', 'n1'];

/** The same numbers each time. */
function dice(seed: number): (sides: number) => number {
  return (sides) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((seed / 0x8000_0000) * sides);
  };
}

type Ctx = import('convex/server').GenericMutationCtx<any>;
type Run = (change: (ctx: never) => Promise<unknown>) => Promise<unknown>;

/** Random writes, some undone, with what the queries see in the middle and afterwards. */
async function play(run: Run): Promise<unknown[]> {
  const roll = dice(7);
  const seen: unknown[] = [];
  const ids: GenericId<'spans'>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const undone = roll(5) === 0;
    const added: GenericId<'spans'>[] = [];
    await run((async (ctx: Ctx) => {
      for (let n = roll(4); n >= 0; n--) {
        const room = ROOMS[roll(ROOMS.length)]!;
        const which = ids[roll(ids.length + 1)];
        switch (which === undefined ? 0 : roll(3)) {
          case 0: added.push(await ctx.db.insert('spans', { room, sid: `s${roll(40)}`, joinedAt: roll(100) }) as GenericId<'spans'>); break;
          case 1: if (await ctx.db.get(which!)) await ctx.db.patch(which!, { room, leftAt: roll(100) }); break;
          default: if (await ctx.db.get(which!)) await ctx.db.delete(which!);
        }
      }
      const room = ROOMS[roll(ROOMS.length)]!;
      const within = ctx.db.query('spans').withIndex('by_room', (q: any) => q.eq('room', room).gte('joinedAt', 20).lt('joinedAt', 80)).order('desc');
      seen.push((await within.take(10)).map(shown));
      seen.push((await ctx.db.query('spans').withIndex('by_sid', (q) => q.eq('sid', `s${roll(40)}`)).collect()).map(shown));
      seen.push((await ctx.db.query('spans').collect()).length);
      if (undone) throw new Error('undone');
      ids.push(...added);
    }) as never).catch((error: Error) => {
      if (error.message !== 'undone') throw error;
    });
  }
  return seen;
}

function shown(span: { sid: string; room: string; joinedAt: number; leftAt?: number }): unknown[] {
  return [span.sid, span.room, span.joinedAt, span.leftAt ?? null];
}

test('queries through the index answer as scans of everything do', async () => {
  const plain = convexTest({ schema, modules: modules as never });
  const indexed = await open(schema as never, modules);
  indexDocuments(indexed.inside.components['']!.db, () => undefined);
  const expected = await play((change) => plain.run(change as never));
  expect(await play((change) => indexed.convex.run(change))).toEqual(expected);
});

test('an id names its table', () => {
  for (const [id, table] of [['00010000notes', 'notes'], ['10000_scheduled_functions', '_scheduled_functions'], ['10000t2', 't2'], ['', '']]) {
    expect(tableOf(id!)).toBe(table);
  }
});
