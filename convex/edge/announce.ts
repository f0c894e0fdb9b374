// Changes of the schedule on their way to the nodes. Changes of about the same time are told in one round: a class's
// timetable is made at once, and each round has every node make its picture anew.
import { v } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc } from "../_generated/dataModel";
import { internalMutation, type MutationCtx } from "../_generated/server";
import { poke } from "./commands";
import { hostsOf, SCHEDULE_MS, SCHEDULE_PAST_MS } from "./desired";
import { activeNodes, touchAll } from "./fleet";

/** What is changed within it is told together. */
export const GATHER_MS = 1000;
/** Rooms told in one round; the rest follow in the next. */
const ROUND = 100;
/** A round that has not come by then never will. */
const LOST_MS = 60_000;

/** A meeting as far as nodes are told of it. */
type Told = Pick<Doc<"meetings">, "roomName" | "scheduledStartTime" | "scheduledEndTime">;

/**
 * Tells the nodes soon that this meeting's room, window or bound has changed, if they know of it or should. `now` has
 * its nodes come for it at once; `later` leaves it to their next sync, for what closes doors that few stand at.
 */
export async function announce(
  ctx: MutationCtx,
  meeting: Told,
  heard: "now" | "later",
  now: number,
): Promise<void> {
  const { roomName: room, scheduledStartTime, scheduledEndTime } = meeting;
  if (scheduledStartTime > now + SCHEDULE_MS || scheduledEndTime < now - SCHEDULE_PAST_MS) {
    return;
  }
  const urgent = heard === "now";
  const waiting = await ctx.db.query("edgeAnnouncements").withIndex("by_creation_time").first();
  if (waiting === null || waiting.announcedAt < now - LOST_MS) {
    await ctx.scheduler.runAfter(GATHER_MS, internal.edge.announce.round, {});
  }
  const own = await ctx.db
    .query("edgeAnnouncements")
    .withIndex("by_room", (q) => q.eq("room", room))
    .first();
  if (own === null) {
    await ctx.db.insert("edgeAnnouncements", { room, urgent, announcedAt: now });
  } else if (urgent && !own.urgent) {
    await ctx.db.patch("edgeAnnouncements", own._id, { urgent });
  }
}

/** One round: every node's picture is made anew at its next sync, and those that are to host the rooms come at once. */
export const round = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const now = Date.now();
    const rows = await ctx.db.query("edgeAnnouncements").withIndex("by_creation_time").take(ROUND);
    if (rows.length === 0) {
      return null;
    }
    const nodes = await activeNodes(ctx);
    await touchAll(ctx);
    for (const { _id, room, urgent } of rows) {
      await ctx.db.delete("edgeAnnouncements", _id);
      for (const node of urgent ? (await hostsOf(room, nodes))[1] : []) {
        await poke(ctx, node, now);
      }
    }
    if (rows.length === ROUND) {
      await ctx.scheduler.runAfter(0, internal.edge.announce.round, {});
    }
    return null;
  },
});
