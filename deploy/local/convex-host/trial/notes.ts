// Trial functions of every kind that a client may call, and some that it may not.

import { actionGeneric, internalMutationGeneric, mutationGeneric, queryGeneric } from 'convex/server';
import { ConvexError, v } from 'convex/values';
import { api, internal } from './_generated/api.ts';

const LISTED = 100;

export const list = queryGeneric({
  args: { room: v.string() },
  returns: v.array(v.string()),
  handler: async (ctx, { room }) => {
    const notes = await ctx.db.query('notes').withIndex('by_room', (q) => q.eq('room', room)).take(LISTED);
    return notes.map((note) => note.body as string);
  },
});

export const send = mutationGeneric({
  args: { room: v.string(), body: v.string() },
  returns: v.id('notes'),
  handler: async (ctx, { room, body }) => {
    const author = (await ctx.auth.getUserIdentity())?.name ?? 'nobody';
    if (body === 'refuse me') throw new ConvexError({ code: 'refused', tries: 1n });
    return await ctx.db.insert('notes', { room, author, body });
  },
});

/** Writes and then fails: nothing of it may stay. */
export const fail = mutationGeneric({
  args: { room: v.string() },
  returns: v.null(),
  handler: async (ctx, { room }) => {
    await ctx.db.insert('notes', { room, author: 'nobody', body: 'half done' });
    throw new Error('broken on purpose');
  },
});

export const later = mutationGeneric({
  args: { room: v.string(), body: v.string(), delayMs: v.number() },
  returns: v.null(),
  handler: async (ctx, { room, body, delayMs }) => {
    await ctx.scheduler.runAfter(delayMs, internal.notes.keep, { room, body });
    return null;
  },
});

export const keep = internalMutationGeneric({
  args: { room: v.string(), body: v.string() },
  returns: v.null(),
  handler: async (ctx, { room, body }) => {
    await ctx.db.insert('notes', { room, author: 'a job', body });
    return null;
  },
});

export const waiting = queryGeneric({
  args: {},
  returns: v.number(),
  handler: async (ctx) => {
    const jobs = await ctx.db.system.query('_scheduled_functions').take(LISTED);
    return jobs.filter((job) => job.state.kind === 'pending').length;
  },
});

export const whoami = queryGeneric({
  args: {},
  returns: v.union(v.null(), v.object({ subject: v.string(), name: v.string(), email: v.string() })),
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity();
    return identity === null ? null : { subject: identity.subject, name: identity.name!, email: identity.email! };
  },
});

export const address = mutationGeneric({
  args: {},
  returns: v.union(v.null(), v.string()),
  handler: async (ctx) => (await ctx.meta.getRequestMetadata()).ip,
});

export const count = actionGeneric({
  args: { room: v.string() },
  returns: v.number(),
  handler: async (ctx, { room }): Promise<number> => ((await ctx.runQuery(api.notes.list, { room })) as string[]).length,
});
