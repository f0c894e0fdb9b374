// The regular jobs: leases and old rows of the fleet, schedules and reminders of the meetings.
import { cronJobs } from "convex/server";
import { registerEdgeCrons } from "./edge/crons";
import { registerMeetingCrons } from "./meetings/crons";

const crons = cronJobs();
registerEdgeCrons(crons);
registerMeetingCrons(crons);

export default crons;
