// The regular jobs of the fleet.
import type { Crons } from "convex/server";

/** Adds the jobs of the fleet to a host's crons. */
export function registerEdgeCrons(_crons: Crons): void {}
