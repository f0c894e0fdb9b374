// A node introduces itself: it gets an epoch larger than any before, a lease, and all it should know. What its former
// process left open is closed, because that process is gone.
import { v } from "convex/values";
import type { Doc } from "../_generated/dataModel";
import { internalMutation, type MutationCtx } from "../_generated/server";
import { CLOCK_WINDOW_MS } from "../model/edge/signing";
import { tellDesired } from "./desired";
import { loadOf, nodeOf, touchAll } from "./fleet";
import { beginClosing } from "./lease";
import { LEASE_MS, registerAnswer, registerRequest, type RegisterAnswer } from "./wire";

const { node, region, url, httpUrl, capacity, build, startedAtMs, signingKey } = registerRequest.fields;
const relay = v.union(v.string(), v.null());

export const register = internalMutation({
  args: {
    ...{ node, region, url, httpUrl, relay, capacity, build, startedAtMs, signingKey },
    log: v.string(),
    nonce: v.string(),
    keyVersion: v.number(),
  },
  returns: registerAnswer,
  handler: async (ctx, { log, nonce, ...description }): Promise<RegisterAnswer> => {
    const now = Date.now();
    if (await isReplayed(ctx, description.node, nonce, now)) {
      return { refused: "replayed" };
    }
    const known = await nodeOf(ctx, description.node);
    if (known?.status === "revoked") {
      return { refused: "revoked" };
    }
    await takeLease(ctx, known, description, now);
    const self = await describe(ctx, known, { ...description, registeredAt: now });
    await touchAll(ctx);
    return {
      epoch: self.epoch,
      ackSeq: await ackSeq(ctx, self.node, log),
      desired: await tellDesired(ctx, self, now),
    };
  },
});

/** Remembers the nonce for as long as its timestamp would be taken. */
async function isReplayed(ctx: MutationCtx, node: string, nonce: string, now: number): Promise<boolean> {
  const seen = await ctx.db
    .query("edgeNonces")
    .withIndex("by_node_nonce", (q) => q.eq("node", node).eq("nonce", nonce))
    .first();
  if (seen === null) {
    await ctx.db.insert("edgeNonces", { node, nonce, expiresAt: now + 2 * CLOCK_WINDOW_MS });
  }
  return seen !== null;
}

/** A lapsed lease of the same process is left to its first sync, which takes up what the lapse had closed. */
async function takeLease(
  ctx: MutationCtx,
  known: Doc<"edgeNodes"> | null,
  { node, startedAtMs }: { node: string; startedAtMs: number },
  now: number,
): Promise<void> {
  const lease = await loadOf(ctx, node);
  const leaseUntil = now + LEASE_MS;
  if (lease === null) {
    await ctx.db.insert("edgeLoad", { node, leaseUntil, lapsed: false, participants: 0, rooms: 0, busyPercent: 0 });
    return;
  }
  const started = known?.startedAtMs !== startedAtMs;
  if (started) {
    const endedAt = Math.min(startedAtMs, lease.leaseUntil, now);
    await beginClosing(ctx, { node, endedAt, before: now });
  }
  if (started || !lease.lapsed) {
    await ctx.db.patch("edgeLoad", lease._id, { leaseUntil, lapsed: false });
  }
}

type Description = Omit<
  Doc<"edgeNodes">,
  "_id" | "_creationTime" | "epoch" | "status" | "alive" | "draining" | "drainingItself"
>;

async function describe(
  ctx: MutationCtx,
  known: Doc<"edgeNodes"> | null,
  description: Description,
): Promise<Doc<"edgeNodes">> {
  const row = { ...description, alive: true, drainingItself: false };
  let id = known?._id;
  if (known === null || id === undefined) {
    id = await ctx.db.insert("edgeNodes", { ...row, epoch: 1, status: "active", draining: false });
  } else {
    await ctx.db.patch("edgeNodes", id, { ...row, epoch: known.epoch + 1 });
  }
  const self = await ctx.db.get("edgeNodes", id);
  if (self === null) {
    throw new Error(`${description.node} was written above`);
  }
  return self;
}

async function ackSeq(ctx: MutationCtx, node: string, log: string): Promise<number> {
  const row = await ctx.db
    .query("edgeLogs")
    .withIndex("by_node_log", (q) => q.eq("node", node).eq("log", log))
    .unique();
  return row?.ackSeq ?? 0;
}
