// A node's word counts for as long as its lease. When the lease runs out, the attendance of its people ends with it, as
// far as is known; when the node turns out to have been only out of reach, it is taken up again. Both go on in steps:
// a full node has more people than one transaction should touch.
import { v } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc } from "../_generated/dataModel";
import { internalMutation, type MutationCtx } from "../_generated/server";
import * as facts from "../meetings/facts";
import { closeSpan } from "./apply/spans";
import { resumeTracks } from "./apply/tracks";
import { loadOf, nodeOf, touchAll } from "./fleet";
import { LEASE_MS, type Load } from "./wire";

/** A lease is renewed by a sync that comes this long after the last renewal, not by each of a burst. */
const RENEW_AFTER_MS = 4500;

/** Loads that differ by less than this part of the capacity are not worth a write. */
const LOAD_CHANGE = 0.1;

/** Spans of one step, each with its tracks and what the meeting side does about it. */
const STEP = 30;

/** Notes that the node was heard of, and takes up what a lapsed lease had closed. */
export async function renew(ctx: MutationCtx, node: Doc<"edgeNodes">, report: Load, now: number): Promise<void> {
  const lease = await loadOf(ctx, node.node);
  if (lease === null) {
    throw new Error(`${node.node} registered without a lease`);
  }
  const { participants, rooms, busyPercent } = report;
  const changed =
    Math.abs(participants - lease.participants) > LOAD_CHANGE * node.capacity ||
    (participants === 0) !== (lease.participants === 0) ||
    Math.abs(busyPercent - lease.busyPercent) > 100 * LOAD_CHANGE;
  if (lease.lapsed) {
    await ctx.scheduler.runAfter(0, internal.edge.lease.resume, {
      node: node.node,
      from: lease.leaseUntil,
      startedAtMs: node.startedAtMs,
    });
  }
  if (changed || lease.lapsed || lease.leaseUntil - now < LEASE_MS - RENEW_AFTER_MS) {
    const leaseUntil = now + LEASE_MS;
    await ctx.db.patch("edgeLoad", lease._id, { leaseUntil, lapsed: false, participants, rooms, busyPercent });
  }
  if (!node.alive || node.drainingItself !== report.draining) {
    await ctx.db.patch("edgeNodes", node._id, { alive: true, drainingItself: report.draining });
    await touchAll(ctx);
  }
}

/** Ends what stands open of a node, step by step: the spans written before `before`, at `endedAt`. */
export async function beginClosing(
  ctx: MutationCtx,
  ending: { node: string; endedAt: number; before: number },
): Promise<void> {
  await ctx.scheduler.runAfter(0, internal.edge.lease.close, { ...ending, whileLapsed: false });
}

/** One step of closing. `whileLapsed` stops it when the node has come back meanwhile. */
export const close = internalMutation({
  args: { node: v.string(), endedAt: v.number(), before: v.number(), whileLapsed: v.boolean() },
  returns: v.null(),
  handler: async (ctx, ending) => {
    if (ending.whileLapsed && (await loadOf(ctx, ending.node))?.lapsed !== true) {
      return null;
    }
    const spans = await ctx.db
      .query("edgeSpans")
      .withIndex("by_node_open", (q) =>
        q.eq("node", ending.node).eq("leftAt", undefined).lt("_creationTime", ending.before),
      )
      .take(STEP);
    for (const span of spans) {
      await closeSpan(ctx, span, { leftAt: ending.endedAt, closedBy: "lease", reason: "its node fell silent" });
    }
    if (spans.length === STEP) {
      await ctx.scheduler.runAfter(0, internal.edge.lease.close, ending);
    }
    return null;
  },
});

/** One step of taking up the spans that the lease ending at `from` had closed. */
export const resume = internalMutation({
  args: { node: v.string(), from: v.number(), startedAtMs: v.number() },
  returns: v.null(),
  handler: async (ctx, back) => {
    const node = await nodeOf(ctx, back.node);
    const lease = await loadOf(ctx, back.node);
    // A process that started since has none of these connections, and a node that went silent again has its own ending.
    if (node?.startedAtMs !== back.startedAtMs || lease === null || lease.lapsed) {
      return null;
    }
    const spans = await ctx.db
      .query("edgeSpans")
      .withIndex("by_node_closed", (q) => q.eq("node", back.node).eq("closedBy", "lease").gte("leftAt", back.from))
      .take(STEP);
    for (const span of spans) {
      await resumeTracks(ctx, span);
      await ctx.db.patch("edgeSpans", span._id, { leftAt: undefined, closedBy: undefined, reason: undefined });
      const open = await ctx.db.get("edgeSpans", span._id);
      if (open !== null && span.leftAt !== undefined) {
        await facts.onResumed(ctx, { span: open, closedAt: span.leftAt });
      }
    }
    if (spans.length === STEP) {
      await ctx.scheduler.runAfter(0, internal.edge.lease.resume, back);
    }
    return null;
  },
});
