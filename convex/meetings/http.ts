// The REST face of the meeting functions.
import type { HttpRouter } from "convex/server";

/** Adds the meeting routes to a host's router. */
export function registerMeetingRoutes(_http: HttpRouter): void {}
