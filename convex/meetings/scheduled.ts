// Tells the nodes what is coming: the rooms of the meetings scheduled for the next hours, so that a meeting can start
// while this deployment is out of reach.
import type { QueryCtx } from "../_generated/server";

/** One scheduled meeting's room; `maxParticipants` 0 is no limit. */
export type ScheduledRoom = {
  room: string;
  meetingId: string;
  startsAt: number;
  endsAt: number;
  maxParticipants: number;
};

/** The longest meeting: one that began before it is over. */
const LENGTH_MAX = 24 * 3_600_000;
/** Meetings looked through for those that count; the others were cancelled, or have ended early. */
const LOOK = 1000;

/** At most `limit` rooms whose window touches `[from, to]`, the earliest first. */
export async function scheduledRooms(
  ctx: Pick<QueryCtx, "db">,
  window: { from: number; to: number; limit: number },
): Promise<ScheduledRoom[]> {
  const { from, to, limit } = window;
  const near = await ctx.db
    .query("meetings")
    .withIndex("by_scheduled_time", (q) => q.gt("scheduledStartTime", from - LENGTH_MAX).lte("scheduledStartTime", to))
    .take(LOOK);
  return near
    .filter(({ status, scheduledEndTime }) => (status === "scheduled" || status === "live") && scheduledEndTime >= from)
    .slice(0, limit)
    .map((meeting) => ({
      room: meeting.roomName,
      meetingId: meeting._id,
      startsAt: meeting.scheduledStartTime,
      endsAt: meeting.scheduledEndTime,
      maxParticipants: meeting.maxParticipants ?? 0,
    }));
}
