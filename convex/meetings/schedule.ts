// What the schedule does by itself: starts and ends of meetings, by a job for each and by a regular look that finds the
// meetings the host's own functions have made. A job never trusts the time it was made for: it reads the schedule again.
import { v } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import { internalMutation } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { finish, settle } from "./ending";
import { setGuests } from "./guests";
import { cancelJobs, isPlanned, jobsOf, planJobs } from "./jobs";
import { expand } from "./recurring";
import { planReminders } from "./reminders";
import { goLive } from "./starting";

/** Meetings are taken up this long before they begin: the longest reminder that a look may still find in time. */
const AHEAD_MS = 48 * 3_600_000;
/** And this long after: the longest meeting, so that its end is never missed. */
const BEHIND_MS = 24 * 3_600_000;
/** Meetings looked at in one go; a look continues where the last one stopped. */
const LOOK = 200;

/** Makes what follows from a meeting's times: its jobs, its guests, its reminders, its repetitions. Twice is once. */
export async function plan(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<void> {
  if (meeting.status === "ended" || meeting.status === "cancelled") return;
  await setGuests(ctx, meeting);
  await planReminders(ctx, meeting, now);
  await planJobs(ctx, meeting, now);
  await expand(ctx, meeting, now);
}

/** Forgets all of it, of a meeting that is being deleted. */
export async function unplan(ctx: MutationCtx, meetingId: Id<"meetings">): Promise<void> {
  await cancelJobs(ctx, meetingId);
  const jobs = await jobsOf(ctx, meetingId);
  if (jobs !== null) await ctx.db.delete("meetingJobs", jobs._id);
  await setGuests(ctx, { _id: meetingId, scheduledStartTime: 0, coHosts: [], invitedParticipants: [] });
}

/** A start or an end is due, or was when the job was made. */
export const due = internalMutation({
  args: { meetingId: v.id("meetings") },
  returns: v.null(),
  handler: async (ctx, { meetingId }) => {
    const meeting = await ctx.db.get("meetings", meetingId);
    if (meeting !== null) await followSchedule(ctx, meeting, Date.now());
    return null;
  },
});

/** Brings a meeting to where its schedule says it is at `now`. */
export async function followSchedule(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<void> {
  if (meeting.status === "ended" || meeting.status === "cancelled") {
    // Ended by a function of the host's own, which knows nothing of rooms and registers here.
    if (await isPlanned(ctx, meeting._id)) await settle(ctx, meeting, "host", now);
    return;
  }
  if (now >= meeting.scheduledEndTime) return await finish(ctx, meeting, { status: "ended", reason: "schedule", now });
  if (meeting.status === "scheduled" && now >= meeting.scheduledStartTime) await goLive(ctx, meeting, now);
  // The schedule has moved since the job was made.
  await plan(ctx, (await ctx.db.get("meetings", meeting._id)) ?? meeting, now);
}

/** The regular look at meetings near in time: it takes up what the host's own functions have made or changed. */
export const look = internalMutation({
  args: { after: v.optional(v.number()), until: v.optional(v.number()) },
  returns: v.null(),
  handler: async (ctx, args) => {
    const now = Date.now();
    const after = args.after ?? now - BEHIND_MS;
    const until = args.until ?? now + AHEAD_MS;
    const near = await ctx.db
      .query("meetings")
      .withIndex("by_scheduled_time", (q) => q.gt("scheduledStartTime", after).lte("scheduledStartTime", until))
      .take(LOOK);
    for (const meeting of near) {
      if (await isStale(ctx, meeting, now)) await followSchedule(ctx, meeting, now);
    }
    if (args.after === undefined) await endForgotten(ctx, now);
    const last = near[near.length - 1];
    if (near.length === LOOK && last !== undefined) {
      await ctx.scheduler.runAfter(0, internal.meetings.schedule.look, { after: last.scheduledStartTime, until });
    }
    return null;
  },
});

/** Meetings left live by an outage longer than any of them lasts. */
async function endForgotten(ctx: MutationCtx, now: number): Promise<void> {
  const live = await ctx.db
    .query("meetings")
    .withIndex("by_status", (q) => q.eq("status", "live"))
    .take(LOOK);
  for (const meeting of live) {
    if (meeting.scheduledEndTime < now - BEHIND_MS) await followSchedule(ctx, meeting, now);
  }
}

/** Whether there is something to do for a meeting: most looks find nothing, and must cost nothing. */
async function isStale(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<boolean> {
  if (meeting.status === "ended" || meeting.status === "cancelled") return await isPlanned(ctx, meeting._id);
  if (now >= meeting.scheduledEndTime) return true;
  if (meeting.status === "scheduled" && now >= meeting.scheduledStartTime) return true;
  const jobs = await jobsOf(ctx, meeting._id);
  return (
    jobs === null ||
    jobs.endJob === undefined ||
    jobs.startsAt !== meeting.scheduledStartTime ||
    jobs.endsAt !== meeting.scheduledEndTime
  );
}
