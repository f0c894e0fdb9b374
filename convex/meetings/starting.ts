// A meeting becomes live: by a host, by its schedule, or because its room has come to life on a node.
import type { Doc } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import { openMeetingRoom } from "./room";

/** Makes a meeting live, once, and opens its room on a node. */
export async function goLive(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<void> {
  if (meeting.status === "scheduled") await markLive(ctx, meeting, now);
  await openMeetingRoom(ctx, meeting, now);
}

/** Makes a scheduled meeting live whose room is open already. */
export async function markLive(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<void> {
  await ctx.db.patch("meetings", meeting._id, {
    status: "live",
    actualStartTime: meeting.actualStartTime ?? now,
    updatedAt: now,
  });
}
