// What operators do with nodes: look at them, drain them, turn a stolen one away. Internal: run from the dashboard or
// the command line, or by a host's own function for its operators.
import { v } from "convex/values";
import { internalMutation, internalQuery } from "../_generated/server";
import { send } from "./commands";
import { activeNodes, isDraining, loadOf, nodeOf, touchAll } from "./fleet";

/** Turns a node away for good: it can neither report nor learn anything, and the others no longer trust its tokens. */
export const revoke = internalMutation({
  args: { node: v.string() },
  returns: v.null(),
  handler: async (ctx, { node }) => {
    const row = await nodeOf(ctx, node);
    if (row === null) {
      throw new Error(`no node ${node} has ever registered: give the id as in its config`);
    }
    await ctx.db.patch("edgeNodes", row._id, { status: "revoked", alive: false });
    const lease = await loadOf(ctx, node);
    if (lease !== null) {
      // The reaper closes what stood open, as for any node that went silent now.
      await ctx.db.patch("edgeLoad", lease._id, { leaseUntil: Math.min(lease.leaseUntil, Date.now()) });
    }
    await touchAll(ctx);
    return null;
  },
});

/** Takes a revoked node back; it has to register again. Change its key first: raise EDGE_KEY_VERSIONS. */
export const restore = internalMutation({
  args: { node: v.string() },
  returns: v.null(),
  handler: async (ctx, { node }) => {
    const row = await nodeOf(ctx, node);
    if (row?.status === "revoked") {
      await ctx.db.patch("edgeNodes", row._id, { status: "active", epoch: row.epoch + 1 });
      await touchAll(ctx);
    }
    return null;
  },
});

/** Keeps new people away from a node and asks it to hand its own over; or takes that back. */
export const drain = internalMutation({
  args: { node: v.string(), draining: v.boolean() },
  returns: v.null(),
  handler: async (ctx, { node, draining }) => {
    const row = await nodeOf(ctx, node);
    if (row === null) {
      throw new Error(`no node ${node} has ever registered: give the id as in its config`);
    }
    if (row.draining !== draining) {
      await ctx.db.patch("edgeNodes", row._id, { draining });
      await send(ctx, node, [{ type: draining ? "drain" : "undrain" }], Date.now());
      await touchAll(ctx);
    }
    return null;
  },
});

/** The fleet at a glance. */
export const list = internalQuery({
  args: {},
  returns: v.array(
    v.object({
      node: v.string(),
      region: v.string(),
      url: v.string(),
      build: v.string(),
      alive: v.boolean(),
      draining: v.boolean(),
      capacity: v.number(),
      participants: v.number(),
      rooms: v.number(),
      busyPercent: v.number(),
      leaseUntil: v.number(),
    }),
  ),
  handler: async (ctx) => {
    const nodes = [];
    for (const row of await activeNodes(ctx)) {
      const load = await loadOf(ctx, row.node);
      nodes.push({
        node: row.node,
        region: row.region,
        url: row.url,
        build: row.build,
        alive: row.alive,
        draining: isDraining(row),
        capacity: row.capacity,
        participants: load?.participants ?? 0,
        rooms: load?.rooms ?? 0,
        busyPercent: load?.busyPercent ?? 0,
        leaseUntil: load?.leaseUntil ?? 0,
      });
    }
    return nodes;
  },
});
