// The regular jobs of the meetings.
import type { Crons } from "convex/server";
import { internal } from "../_generated/api";

/** Adds the meeting jobs to a host's crons. None runs on the hour, when everybody's do. */
export function registerMeetingCrons(crons: Crons): void {
  crons.interval("follow the schedules of meetings", { minutes: 5 }, internal.meetings.schedule.look, {});
  crons.interval("send reminders of meetings", { minutes: 1 }, internal.meetings.reminders.sendDue, {});
  crons.daily("repeat meetings", { hourUTC: 1, minuteUTC: 23 }, internal.meetings.recurring.expandAll, {});
}
