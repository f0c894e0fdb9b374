// The two doors nodes knock at.
import type { HttpRouter } from "convex/server";

/** Adds the routes of the fleet to a host's router. */
export function registerEdgeRoutes(_http: HttpRouter): void {}
