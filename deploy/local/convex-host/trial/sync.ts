// The trial sync: applies a node's events after the last one applied, each with a
// read and a write of the spans, as the real one does.

import { internalMutationGeneric } from 'convex/server';
import { v } from 'convex/values';

export const apply = internalMutationGeneric({
  args: {
    node: v.string(), firstSeq: v.number(),
    events: v.array(v.object({ type: v.union(v.literal('joined'), v.literal('left')), room: v.string(), sid: v.string(), at: v.number() })),
  },
  returns: v.object({ ackSeq: v.number() }),
  handler: async (ctx, { node, firstSeq, events }) => {
    const row = await ctx.db.query('nodes').withIndex('by_node', (q) => q.eq('node', node)).unique();
    const last = (row?.ackSeq as number | undefined) ?? 0;
    if (firstSeq > last + 1) return { ackSeq: last };
    for (const event of events.slice(last + 1 - firstSeq)) {
      const span = await ctx.db.query('spans').withIndex('by_sid', (q) => q.eq('sid', event.sid)).unique();
      if (event.type === 'joined' && span === null) {
        await ctx.db.insert('spans', { node, room: event.room, sid: event.sid, joinedAt: event.at });
      } else if (event.type === 'left' && span !== null) {
        await ctx.db.patch(span._id, { leftAt: event.at });
      }
    }
    const ackSeq = Math.max(last, firstSeq + events.length - 1);
    if (row === null) await ctx.db.insert('nodes', { node, ackSeq });
    else await ctx.db.patch(row._id, { ackSeq });
    return { ackSeq };
  },
});
