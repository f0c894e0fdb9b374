// What becomes of a meeting's rows and room when it ends: by a host, by its schedule, or by being deleted.
import { v } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import { internalMutation } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { announce } from "../edge/announce";
import { closeGroups } from "./breakouts";
import { cancelJobs } from "./jobs";
import { planRegister } from "./reports";
import { closeMeetingRoom } from "./room";

/** Rows closed in one mutation; the rest follow in the next. */
const ROWS = 500;

/** Ends a meeting for good. Done to one that has ended already, it does nothing. */
export async function finish(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  ending: { status: "ended" | "cancelled"; reason: string; now: number },
): Promise<void> {
  if (meeting.status === "ended" || meeting.status === "cancelled") return;
  const { status, reason, now } = ending;
  const began = meeting.actualStartTime;
  await ctx.db.patch("meetings", meeting._id, {
    status,
    ...(status === "ended" ? { actualEndTime: now } : {}),
    ...(status === "ended" && began !== undefined ? { totalDuration: Math.max(0, now - began) } : {}),
    updatedAt: now,
  });
  await settle(ctx, { ...meeting, status }, reason, now);
}

/** Does what an ending asks for beyond the meeting's own row, which the host's own functions may have changed. */
export async function settle(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  reason: string,
  now: number,
): Promise<void> {
  await cancelJobs(ctx, meeting._id);
  // Nodes with people in its room hear of it by the order to close it.
  await announce(ctx, meeting, meeting.status === "cancelled" ? "now" : "later", now);
  await closeMeetingRoom(ctx, meeting.roomName, reason, now);
  await closeGroups(ctx, meeting._id, now);
  await emptyDoor(ctx, meeting._id, now);
  await closeRows(ctx, meeting._id, now);
  if (meeting.status === "ended") await planRegister(ctx, meeting);
}

/** Closes the open rows of the host's table. More than one mutation holds are closed by the next ones. */
export async function closeRows(ctx: MutationCtx, meetingId: Id<"meetings">, now: number): Promise<void> {
  await closeRowsFrom(ctx, meetingId, now, 0);
}

async function closeRowsFrom(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  at: number,
  after: number,
): Promise<void> {
  const rows = await ctx.db
    .query("meetingParticipants")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId).gt("_creationTime", after))
    .take(ROWS);
  for (const row of rows) {
    // Somebody who came after the ending is not sent out by it.
    if (row.leaveTime !== undefined || row.joinTime > at) continue;
    await ctx.db.patch("meetingParticipants", row._id, { leaveTime: at, duration: Math.max(0, at - row.joinTime) });
  }
  const last = rows[rows.length - 1];
  if (last !== undefined && rows.length === ROWS) {
    const after = last._creationTime;
    await ctx.scheduler.runAfter(0, internal.meetings.ending.closeMoreRows, { meetingId, at, after });
  }
}

export const closeMoreRows = internalMutation({
  args: { meetingId: v.id("meetings"), at: v.number(), after: v.number() },
  returns: v.null(),
  handler: async (ctx, { meetingId, at, after }) => {
    await closeRowsFrom(ctx, meetingId, at, after);
    return null;
  },
});

/** People still at the door are told that there is nothing behind it any more. */
async function emptyDoor(ctx: MutationCtx, meetingId: Id<"meetings">, now: number): Promise<void> {
  const waiting = await ctx.db
    .query("meetingWaiting")
    .withIndex("by_meeting_state", (q) => q.eq("meetingId", meetingId).eq("state", "waiting"))
    .take(ROWS);
  for (const row of waiting) await ctx.db.patch("meetingWaiting", row._id, { state: "left", decidedAt: now });
}
