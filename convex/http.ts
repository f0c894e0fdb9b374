// The routes of a deployment without a platform around it; a host calls the two registrars in its own http.ts.
import { httpRouter } from "convex/server";
import { registerEdgeRoutes } from "./edge/http";
import { registerMeetingRoutes } from "./meetings/http";

const http = httpRouter();
registerEdgeRoutes(http);
registerMeetingRoutes(http);

export default http;
