// The regular jobs of the meetings.
import type { Crons } from "convex/server";

/** Adds the meeting jobs to a host's crons. */
export function registerMeetingCrons(_crons: Crons): void {}
