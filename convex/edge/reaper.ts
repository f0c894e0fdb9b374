// What nobody asks for: leases that ran out, rooms whose home fell silent, rows that nobody needs any more.
import { v } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc } from "../_generated/dataModel";
import { internalMutation, type MutationCtx } from "../_generated/server";
import { rendezvousOrder } from "../model/edge/rendezvous";
import { endRoom, pokeRoom, touchRoom } from "./apply/rooms";
import { attachedTo } from "./desired";
import { activeNodes, loadOf, nodeOf, openNodes, touchAll } from "./fleet";

/** Nodes that fall silent in one go. */
const MAX_LAPSED = 20;
/** Rooms of one node that are looked after in one go; the rest at the next. */
const MAX_ROOMS = 100;
/** Old rows of each kind thrown away in one go. */
const MAX_OLD = 200;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** How long a settled command can still be looked at. */
const KEEP_COMMANDS_MS = DAY_MS;
/** How long dead letters wait for somebody to read them. */
const KEEP_DEAD_LETTERS_MS = 30 * DAY_MS;
/** A log that was silent for so long will not be continued: its node has a new disk. */
const KEEP_LOGS_MS = 90 * DAY_MS;
/** A room without people is given up after this: longer than any outage they may sit through unseen. */
const FORGOTTEN_MS = DAY_MS;

/** Ends the leases that have run out. */
export const reap = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const now = Date.now();
    const lapsed = await ctx.db
      .query("edgeLoad")
      .withIndex("by_lease", (q) => q.eq("lapsed", false).lte("leaseUntil", now))
      .take(MAX_LAPSED);
    for (const lease of lapsed) {
      const { node, leaseUntil } = lease;
      await ctx.db.patch("edgeLoad", lease._id, { lapsed: true, participants: 0, rooms: 0, busyPercent: 0 });
      const row = await nodeOf(ctx, node);
      if (row !== null) {
        await ctx.db.patch("edgeNodes", row._id, { alive: false });
      }
      const ending = { node, endedAt: leaseUntil, before: now + 1, whileLapsed: true };
      await ctx.scheduler.runAfter(0, internal.edge.lease.close, ending);
    }
    for (const { node } of lapsed) {
      await ctx.scheduler.runAfter(0, internal.edge.reaper.rehome, { node, after: 0 });
    }
    if (lapsed.length > 0) {
      await touchAll(ctx);
    }
    return null;
  },
});

/** One step: the rooms of a silent home get another, among the nodes that have them already. */
export const rehome = internalMutation({
  args: { node: v.string(), after: v.number() },
  returns: v.null(),
  handler: async (ctx, { node, after }) => {
    if ((await loadOf(ctx, node))?.lapsed !== true) {
      return null;
    }
    const rooms = await ctx.db
      .query("edgeRooms")
      .withIndex("by_home", (q) => q.eq("home", node).eq("status", "open").gt("_creationTime", after))
      .take(MAX_ROOMS);
    const alive = new Set(openNodes(await activeNodes(ctx)));
    for (const room of rooms) {
      await moveHome(ctx, room, alive);
    }
    const last = rooms.at(-1);
    if (last !== undefined && rooms.length === MAX_ROOMS) {
      await ctx.scheduler.runAfter(0, internal.edge.reaper.rehome, { node, after: last._creationTime });
    }
    return null;
  },
});

async function moveHome(ctx: MutationCtx, room: Doc<"edgeRooms">, alive: ReadonlySet<string>): Promise<void> {
  const attached = (await attachedTo(ctx, room.room)).map(({ node }) => node);
  const [home] = await rendezvousOrder(
    room.room,
    attached.filter((node) => alive.has(node)),
  );
  if (home !== undefined) {
    await ctx.db.patch("edgeRooms", room._id, { home, generation: room.generation + 1 });
    await touchRoom(ctx, room.room);
    await pokeRoom(ctx, room.room, Date.now());
  }
}

/** Throws old rows away, a bounded number each time. */
export const sweep = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const now = Date.now();
    await closeForgottenRooms(ctx, now);
    await expireCommands(ctx, now);
    const nonces = await ctx.db
      .query("edgeNonces")
      .withIndex("by_expiry", (q) => q.lt("expiresAt", now))
      .take(MAX_OLD);
    const revocations = await ctx.db
      .query("edgeRevocations")
      .withIndex("by_expiry", (q) => q.lt("expiresAt", now))
      .take(MAX_OLD);
    const letters = await ctx.db
      .query("edgeDeadLetters")
      .withIndex("by_received", (q) => q.lt("receivedAt", now - KEEP_DEAD_LETTERS_MS))
      .take(MAX_OLD);
    const logs = await ctx.db
      .query("edgeLogs")
      .withIndex("by_updated", (q) => q.lt("updatedAt", now - KEEP_LOGS_MS))
      .take(MAX_OLD);
    for (const row of nonces) {
      await ctx.db.delete("edgeNonces", row._id);
    }
    for (const row of revocations) {
      await ctx.db.delete("edgeRevocations", row._id);
    }
    for (const row of letters) {
      await ctx.db.delete("edgeDeadLetters", row._id);
    }
    for (const row of logs) {
      await ctx.db.delete("edgeLogs", row._id);
    }
    return null;
  },
});

/** Commands nobody carried out in time are told apart from those that were; both go after a while. */
async function expireCommands(ctx: MutationCtx, now: number): Promise<void> {
  const late = await ctx.db
    .query("edgeCommands")
    .withIndex("by_state_deadline", (q) => q.eq("state", "pending").lt("deadlineAt", now))
    .take(MAX_OLD);
  for (const row of late) {
    await ctx.db.patch("edgeCommands", row._id, { state: "expired", settledAt: now });
  }
  for (const state of ["done", "failed", "expired"] as const) {
    const old = await ctx.db
      .query("edgeCommands")
      .withIndex("by_state_deadline", (q) => q.eq("state", state).lt("deadlineAt", now - KEEP_COMMANDS_MS))
      .take(MAX_OLD);
    for (const row of old) {
      await ctx.db.delete("edgeCommands", row._id);
    }
  }
}

/**
 * Rooms open for a day with nobody in them: nobody came, or their nodes are gone. A node that is cut off may have people
 * in them, and has a day to come back.
 */
async function closeForgottenRooms(ctx: MutationCtx, now: number): Promise<void> {
  const old = await ctx.db
    .query("edgeRooms")
    .withIndex("by_status", (q) => q.eq("status", "open").lte("openedAt", now - FORGOTTEN_MS))
    .take(MAX_ROOMS);
  for (const room of old) {
    const inside = await ctx.db
      .query("edgeSpans")
      .withIndex("by_room_open", (q) => q.eq("room", room.room).eq("leftAt", undefined))
      .first();
    if (inside === null && !(await mayHavePeople(ctx, room.room, now))) {
      await endRoom(ctx, room, { closedAt: now, closeReason: "nobody was there for a day" }, room.home);
    }
  }
}

async function mayHavePeople(ctx: MutationCtx, room: string, now: number): Promise<boolean> {
  for (const { node } of await attachedTo(ctx, room)) {
    const lease = await loadOf(ctx, node);
    if (lease?.lapsed === true && now - lease.leaseUntil < FORGOTTEN_MS) {
      return true;
    }
  }
  return false;
}
