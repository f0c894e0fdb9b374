// A node's report: the new part of its log is applied once, its commands are handed over, and what it should be like is
// told if that has changed. All in one transaction, so that a lost answer changes nothing.
import { v } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc } from "../_generated/dataModel";
import { internalMutation, type MutationCtx } from "../_generated/server";
import type { Unreadable } from "../model/edge/events";
import { readBatch } from "../model/edge/log";
import { pendingCommands, settleCommands } from "./commands";
import { desiredUnless } from "./desired";
import { nodeOf } from "./fleet";
import { renew } from "./lease";
import { ack, event, load, syncAnswer, unreadable, type Event, type SyncAnswer } from "./wire";

/** How soon a node comes again by itself: one with people keeps its lease easily, an idle one just. */
const ACTIVE_SYNC_MS = 5000;
const IDLE_SYNC_MS = 15_000;

/** How much of a bad event is kept for whoever looks into it. */
const MAX_DEAD_LETTER = 4096;

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

/** Applies what is new of the log, and answers how far it is applied now. */
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
  const fresh = part.events.slice(batch.skip);
  await applyAll(ctx, node, part.log, part.firstSeq + batch.skip, fresh, now);
  if (row === null) {
    await ctx.db.insert("edgeLogs", { node: node.node, log: part.log, ackSeq: batch.ackSeq, updatedAt: now });
  } else {
    await ctx.db.patch("edgeLogs", row._id, { ackSeq: batch.ackSeq, updatedAt: now });
  }
  return batch.ackSeq;
}

/** All at once when all is well; otherwise one by one, and what cannot be applied is put aside. */
async function applyAll(
  ctx: MutationCtx,
  node: Doc<"edgeNodes">,
  log: string,
  firstSeq: number,
  events: (Event | Unreadable)[],
  now: number,
): Promise<void> {
  const bury = async (place: number, reason: string, text: string): Promise<void> => {
    const event = text.slice(0, MAX_DEAD_LETTER);
    await ctx.db.insert("edgeDeadLetters", {
      node: node.node,
      log,
      seq: firstSeq + place,
      reason,
      event,
      receivedAt: now,
    });
  };
  const readable: { place: number; event: Event }[] = [];
  for (const [place, event] of events.entries()) {
    if (event.type === "unreadable") {
      await bury(place, event.reason, event.event);
    } else {
      readable.push({ place, event });
    }
  }
  const former = readable.map(({ event }) => event.at).filter((at) => at < node.startedAtMs);
  const source = { node: node.node, now, formerUntil: Math.max(0, ...former) };
  try {
    const all = readable.map(({ event }) => event);
    await ctx.runMutation(internal.edge.apply.events.apply, { ...source, events: all });
  } catch {
    for (const { place, event } of readable) {
      try {
        await ctx.runMutation(internal.edge.apply.events.apply, { ...source, events: [event] });
      } catch (error) {
        await bury(place, error instanceof Error ? error.message : String(error), JSON.stringify(event));
      }
    }
  }
}
