// Tables of the trial functions, which exist for the host's own tests and benchmark.

import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';

export default defineSchema({
  /** Written by `notes` and by its jobs; read by the same. */
  notes: defineTable({ room: v.string(), author: v.string(), body: v.string() }).index('by_room', ['room', 'author']),
  /** Written by the trial sync, one row for each node. */
  nodes: defineTable({ node: v.string(), ackSeq: v.number() }).index('by_node', ['node']),
  /** Written by the trial sync: who was where, from when to when. */
  spans: defineTable({ node: v.string(), room: v.string(), sid: v.string(), joinedAt: v.number(), leftAt: v.optional(v.number()) })
    .index('by_sid', ['sid'])
    .index('by_room', ['room', 'joinedAt']),
});
