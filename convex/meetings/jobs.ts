// The jobs that start and end a meeting: one of each, replaced when its times change.
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import { announce } from "../edge/announce";

/** Makes the jobs that follow the schedule, and has the nodes told of it. Twice is once. */
export async function planJobs(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<void> {
  const { _id: meetingId, scheduledStartTime: startsAt, scheduledEndTime: endsAt } = meeting;
  const jobs = await jobsOf(ctx, meetingId);
  if (jobs !== null && jobs.startsAt === startsAt && jobs.endsAt === endsAt && jobs.endJob !== undefined) return;
  await cancelJobs(ctx, meetingId);
  await announceMove(ctx, meeting, jobs, now);
  const startJob =
    meeting.status === "scheduled" && endsAt > now
      ? await ctx.scheduler.runAt(Math.max(startsAt, now), internal.meetings.schedule.due, { meetingId })
      : undefined;
  const endJob = await ctx.scheduler.runAt(Math.max(endsAt, now), internal.meetings.schedule.due, { meetingId });
  const planned = { startsAt, endsAt, startJob, endJob };
  if (jobs === null) await ctx.db.insert("meetingJobs", { meetingId, ...planned });
  else await ctx.db.patch("meetingJobs", jobs._id, planned);
}

/** A meeting that moves away is told of where it was. */
async function announceMove(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  was: Pick<Doc<"meetingJobs">, "startsAt" | "endsAt"> | null,
  now: number,
): Promise<void> {
  const scheduledStartTime = Math.min(meeting.scheduledStartTime, was?.startsAt ?? Infinity);
  const scheduledEndTime = Math.max(meeting.scheduledEndTime, was?.endsAt ?? 0);
  // Into one that runs, people come by its room, which its nodes know.
  const heard = meeting.status === "scheduled" ? "now" : "later";
  await announce(ctx, { roomName: meeting.roomName, scheduledStartTime, scheduledEndTime }, heard, now);
}

/** Takes back the jobs of a meeting. One that runs already finds the meeting ended. */
export async function cancelJobs(ctx: MutationCtx, meetingId: Id<"meetings">): Promise<void> {
  const jobs = await jobsOf(ctx, meetingId);
  if (jobs === null) return;
  for (const job of [jobs.startJob, jobs.endJob]) {
    const known = job === undefined ? null : await ctx.db.system.get("_scheduled_functions", job);
    if (known !== null && known.state.kind === "pending") await ctx.scheduler.cancel(known._id);
  }
  await ctx.db.patch("meetingJobs", jobs._id, { startJob: undefined, endJob: undefined });
}

/** The jobs of a meeting, once they were made. */
export async function jobsOf(ctx: MutationCtx, meetingId: Id<"meetings">): Promise<Doc<"meetingJobs"> | null> {
  return await ctx.db
    .query("meetingJobs")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
    .unique();
}

/** Whether an end is still planned for a meeting: it has not been ended here. */
export async function isPlanned(ctx: MutationCtx, meetingId: Id<"meetings">): Promise<boolean> {
  return (await jobsOf(ctx, meetingId))?.endJob !== undefined;
}
