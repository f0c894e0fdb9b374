// Who was asked to a meeting, as rows: so that people find their own meetings through an index, and not by reading all.
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";

/** Reading more rows than the longest list of guests with its hosts means that nobody keeps to that bound. */
const GUESTS_MAX = 600;

type Listed = Pick<Doc<"meetings">, "_id" | "scheduledStartTime" | "coHosts" | "invitedParticipants"> & {
  hostId?: Id<"users">;
};

/** Makes the rows what the meeting says. Twice is once. */
export async function setGuests(ctx: MutationCtx, meeting: Listed): Promise<void> {
  const asked = [meeting.hostId, ...meeting.coHosts, ...(meeting.invitedParticipants ?? [])];
  const wanted = new Set(asked.filter((userId) => userId !== undefined).slice(0, GUESTS_MAX));
  const startsAt = meeting.scheduledStartTime;
  const rows = await ctx.db
    .query("meetingGuests")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meeting._id))
    .take(GUESTS_MAX);
  for (const row of rows) {
    if (!wanted.delete(row.userId)) await ctx.db.delete("meetingGuests", row._id);
    else if (row.startsAt !== startsAt) await ctx.db.patch("meetingGuests", row._id, { startsAt });
  }
  for (const userId of wanted) await ctx.db.insert("meetingGuests", { meetingId: meeting._id, userId, startsAt });
}

/** Everybody asked to a meeting, its hosts among them. */
export function peopleAsked(meeting: Doc<"meetings">): Id<"users">[] {
  return [...new Set([meeting.hostId, ...meeting.coHosts, ...(meeting.invitedParticipants ?? [])])].slice(0, GUESTS_MAX);
}
