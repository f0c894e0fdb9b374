// Reminders: planned with a meeting, sent when they are due by calling the host's own `remind`.
import { v } from "convex/values";
import type { Doc } from "../_generated/dataModel";
import { internalMutation } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { remind } from "../host";
import { controlsOf } from "./controls";
import { peopleAsked } from "./guests";

/** Reminders of one meeting; the controls allow eight. */
const EACH_MAX = 16;
/** Sent in one go; the rest a minute later. */
const BATCH = 20;
/** A reminder this late, after an outage, would only disturb. */
const TOO_LATE_MS = 15 * 60_000;

/** Makes a meeting's unsent reminders what its times and controls say. Those already sent stay sent. */
export async function planReminders(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<void> {
  const rows = await ctx.db
    .query("meetingReminders")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meeting._id))
    .take(EACH_MAX);
  // Whoever starts at once, or repeats by its occurrences' own reminders, needs none of its own.
  const wanted = new Map(
    meeting.status === "scheduled"
      ? (await controlsOf(ctx, meeting._id)).reminders.map((minutes) => [
          minutes,
          meeting.scheduledStartTime - minutes * 60_000,
        ])
      : [],
  );
  for (const row of rows) {
    const remindAt = wanted.get(row.minutesBefore);
    wanted.delete(row.minutesBefore);
    const moved = remindAt !== undefined && remindAt !== row.remindAt;
    if (row.sentAt === undefined && remindAt === undefined) await ctx.db.delete("meetingReminders", row._id);
    // A meeting that was moved is announced again, even where its old time had been.
    else if (moved && remindAt > now) await ctx.db.patch("meetingReminders", row._id, { remindAt, sentAt: undefined });
    else if (moved && row.sentAt === undefined) await ctx.db.patch("meetingReminders", row._id, { remindAt });
  }
  for (const [minutesBefore, remindAt] of wanted) {
    if (remindAt > now) await ctx.db.insert("meetingReminders", { meetingId: meeting._id, minutesBefore, remindAt });
  }
}

/** Sends what is due. Run every minute. */
export const sendDue = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const now = Date.now();
    const due = await ctx.db
      .query("meetingReminders")
      .withIndex("by_unsent", (q) => q.eq("sentAt", undefined).lte("remindAt", now))
      .take(BATCH);
    for (const reminder of due) {
      const meeting = await ctx.db.get("meetings", reminder.meetingId);
      if (meeting === null || meeting.status !== "scheduled" || now - reminder.remindAt > TOO_LATE_MS) {
        await ctx.db.delete("meetingReminders", reminder._id);
        continue;
      }
      const people = peopleAsked(meeting);
      await remind(ctx, { meeting, people, minutesBefore: reminder.minutesBefore, now });
      await ctx.db.patch("meetingReminders", reminder._id, { sentAt: now, people: people.length });
    }
    return null;
  },
});
