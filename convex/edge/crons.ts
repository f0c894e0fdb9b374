// The regular jobs of the fleet.
import type { Crons } from "convex/server";
import { internal } from "../_generated/api";

/** Adds the jobs of the fleet to a host's crons. */
export function registerEdgeCrons(crons: Crons): void {
  // Attendance ends at the lease's own end, however late that is noticed; only the new home of a room waits for this.
  crons.interval("end leases of silent nodes", { seconds: 15 }, internal.edge.reaper.reap, {});
  crons.interval("throw old rows of the fleet away", { minutes: 7 }, internal.edge.reaper.sweep, {});
}
