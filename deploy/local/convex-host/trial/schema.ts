// Tables of the trial functions, which exist for the host's own tests and benchmark.

import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';

export default defineSchema({
  /** Written by `notes` and by its jobs; read by the same. */
  notes: defineTable({ room: v.string(), author: v.string(), body: v.string() }).index('by_room', ['room', 'author']),
  /** Written and read by the test of the index. */
  spans: defineTable({ room: v.string(), sid: v.string(), joinedAt: v.number(), leftAt: v.optional(v.number()) })
    .index('by_sid', ['sid'])
    .index('by_room', ['room', 'joinedAt']),
});
