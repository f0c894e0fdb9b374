// A node's report: the new part of its log is applied once, its commands are handed over, and what it should be like is
// told if that has changed. All in one transaction, so that a lost answer changes nothing.
import { v } from "convex/values";
import type { Doc } from "../_generated/dataModel";
import { internalMutation, type MutationCtx } from "../_generated/server";
import type { Unreadable } from "../model/edge/events";
import { readBatch } from "../model/edge/log";
import { applyEvents } from "./apply/batch";
import { pendingCommands, settleCommands } from "./commands";
import { desiredUnless } from "./desired";
import { nodeOf } from "./fleet";
import { renew } from "./lease";
import { ack, event, load, syncAnswer, unreadable, type Event, type SyncAnswer } from "./wire";

/** How soon a node comes again by itself: one with people keeps its lease easily, an idle one just. */
const ACTIVE_SYNC_MS = 5000;
const IDLE_SYNC_MS = 15_000;

export const sync = internalMutation({
  args: {
    node: v.string(),
    epoch: v.number(),
    log: v.string(),
    firstSeq: v.number(),
    events: v.array(v.union(...event.members, unreadable)),
    load,
    acks: v.array(ack),
    desiredHash: v.string(),
  },
  returns: syncAnswer,
  handler: async (ctx, report): Promise<SyncAnswer> => {
    const now = Date.now();
    const node = await nodeOf(ctx, report.node);
    if (node?.status === "revoked") {
      return { refused: "revoked" };
    }
    if (node?.epoch !== report.epoch) {
      return { refused: "stale_epoch" };
    }
    await renew(ctx, node, report.load, now);
    await settleCommands(ctx, node.node, report.acks, now);
    const ackSeq = await applyLog(ctx, node, report, now);
    return {
      ackSeq,
      nextSyncMs: report.load.participants > 0 ? ACTIVE_SYNC_MS : IDLE_SYNC_MS,
      commands: await pendingCommands(ctx, node.node, now),
      desired: await desiredUnless(ctx, node, report.desiredHash, now),
    };
  },
});

type LogPart = { log: string; firstSeq: number; events: (Event | Unreadable)[] };

/** Applies what is new of the log as far as one transaction reaches, and answers how far it is applied now. */
async function applyLog(ctx: MutationCtx, node: Doc<"edgeNodes">, part: LogPart, now: number): Promise<number> {
  const row = await ctx.db
    .query("edgeLogs")
    .withIndex("by_node_log", (q) => q.eq("node", node.node).eq("log", part.log))
    .unique();
  const known = row?.ackSeq ?? 0;
  const batch = readBatch(known, part.firstSeq, part.events.length);
  if (batch === null || batch.ackSeq === known) {
    return known;
  }
  const applied = await applyEvents(ctx, { node, log: part.log, firstSeq: known + 1, now }, part.events.slice(batch.skip));
  const ackSeq = known + applied;
  if (row === null) {
    await ctx.db.insert("edgeLogs", { node: node.node, log: part.log, ackSeq, updatedAt: now });
  } else {
    await ctx.db.patch("edgeLogs", row._id, { ackSeq, updatedAt: now });
  }
  return ackSeq;
}
