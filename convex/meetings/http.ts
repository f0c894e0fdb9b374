// The REST face of the meeting functions, as the platform's plan lists it, and calendars by secret links. Requests carry
// the same token as the page's own calls (`Authorization: Bearer ...`); what they may do is judged by the same functions.
import { ConvexError } from "convex/values";
import type { HttpRouter } from "convex/server";
import { internal } from "../_generated/api";
import type { Id } from "../_generated/dataModel";
import { httpAction } from "../_generated/server";
import type { ActionCtx } from "../_generated/server";
import { registerEdgeRoutes } from "../edge/http";
import { isAllowedOrigin, matchPath, statusOf, statusOfJoin } from "../model/meetings/routes";
import { CALENDAR_PATH } from "./calendar";

const ROOT = "/api/meetings";
/** Larger bodies than a list of guests or a drawing are somebody's mistake. */
const BODY_MAX = 512 * 1024;
const METHODS = ["GET", "POST", "PUT", "DELETE"] as const;
const DAY_MS = 24 * 3_600_000;
/** Lists without times show what is near. */
const NEAR_MS = 14 * DAY_MS;

type Method = (typeof METHODS)[number];
// Bodies are whatever came: the functions' own validators refuse what is wrong.
interface Asked {
  ctx: ActionCtx;
  parts: Record<string, string>;
  meetingId: Id<"meetings">;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- validated by the function it is handed to
  body: any;
  url: URL;
}
interface Answer {
  status?: number;
  body: unknown;
}
type Route = [Method, string, (asked: Asked) => Promise<Answer>];

const done = (body: unknown, status = 200): Answer => ({ status, body: body ?? { ok: true } });
const RECORDING_AWAY: Answer = {
  status: 501,
  body: { error: "not_available", message: "Recording is not part of this deployment. Record with the platform's own functions." },
};
const rest = internal.meetings.rest;

const ROUTES: Route[] = [
  ["POST", "", async ({ ctx, body }) => done(await ctx.runMutation(rest.create, body), 201)],
  ["GET", "", async ({ ctx, url }) => done(await ctx.runQuery(rest.mine, windowOf(url)))],
  ["GET", "/:id", async ({ ctx, meetingId }) => found(await ctx.runQuery(rest.details, { meetingId }))],
  ["PUT", "/:id", async ({ ctx, meetingId, body }) => done(await ctx.runMutation(rest.update, { meetingId, changes: body }))],
  ["DELETE", "/:id", async ({ ctx, meetingId }) => done(await ctx.runMutation(rest.remove, { meetingId }))],
  ["POST", "/:id/start", async ({ ctx, meetingId }) => done(await ctx.runMutation(rest.start, { meetingId }))],
  ["POST", "/:id/end", async ({ ctx, meetingId }) => done(await ctx.runMutation(rest.end, { meetingId }))],
  [
    "POST",
    "/:id/join",
    async ({ ctx, meetingId, body }) => {
      const answer = await ctx.runMutation(rest.join, { ...body, meetingId });
      return { status: statusOfJoin(answer), body: answer };
    },
  ],
  ["POST", "/:id/leave", async ({ ctx, meetingId }) => done(await ctx.runMutation(rest.leave, { meetingId }))],
  ["POST", "/:id/record/start", async () => RECORDING_AWAY],
  ["POST", "/:id/record/stop", async () => RECORDING_AWAY],
  ["GET", "/:id/recordings", async ({ ctx, meetingId }) => done(await ctx.runQuery(rest.recordings, { meetingId }))],
  ["GET", "/:id/participants", async ({ ctx, meetingId }) => done(await ctx.runQuery(rest.people, { meetingId }))],
  [
    "PUT",
    "/:id/participants/:user/role",
    async ({ ctx, meetingId, parts, body }) =>
      done(await ctx.runMutation(rest.appoint, { ...body, meetingId, userId: userOf(parts) })),
  ],
  [
    "DELETE",
    "/:id/participants/:user/remove",
    async ({ ctx, meetingId, parts }) => done(await ctx.runMutation(rest.removePerson, { meetingId, userId: userOf(parts) })),
  ],
  [
    "POST",
    "/:id/breakout-rooms",
    async ({ ctx, meetingId, body }) => done(await ctx.runMutation(rest.makeGroups, { ...body, meetingId }), 201),
  ],
  [
    "POST",
    "/:id/polls",
    async ({ ctx, meetingId, body }) => done(await ctx.runMutation(rest.launchPoll, { ...body, meetingId }), 201),
  ],
  [
    "POST",
    "/:id/whiteboard/save",
    async ({ ctx, meetingId, body }) => done(await ctx.runMutation(rest.saveWhiteboard, { ...body, meetingId })),
  ],
  ["GET", "/:id/attendance", async ({ ctx, meetingId }) => done(await ctx.runQuery(rest.attendance, { meetingId }))],
  ["GET", "/:id/report", async ({ ctx, meetingId }) => found(await ctx.runQuery(rest.report, { meetingId }))],
];

/** Adds the meeting routes to a host's router. */
export function registerMeetingRoutes(http: HttpRouter): void {
  const handle = httpAction(async (ctx, request) => withOrigin(request, await answerTo(ctx, request)));
  for (const method of METHODS) {
    http.route({ path: ROOT, method, handler: handle });
    http.route({ pathPrefix: `${ROOT}/`, method, handler: handle });
  }
  const preflight = httpAction(async (_ctx, request) => withOrigin(request, new Response(null, { status: 204 })));
  http.route({ path: ROOT, method: "OPTIONS", handler: preflight });
  http.route({ pathPrefix: `${ROOT}/`, method: "OPTIONS", handler: preflight });
  http.route({ pathPrefix: CALENDAR_PATH, method: "GET", handler: httpAction(calendar) });
}

/** Adds all routes of ours to a host's router, in one call. */
export function registerRoutes(http: HttpRouter): void {
  registerEdgeRoutes(http);
  registerMeetingRoutes(http);
}

async function answerTo(ctx: ActionCtx, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const path = url.pathname.slice(ROOT.length);
  const known = ROUTES.flatMap(([method, pattern, act]) => {
    const parts = matchPath(pattern, path);
    return parts === null ? [] : [{ method, parts, act }];
  });
  const route = known.find(({ method }) => method === request.method);
  if (known.length === 0) return failed(404, "unknown_path", "There is nothing at this address.");
  if (route === undefined) return failed(405, "wrong_method", `Use ${known.map(({ method }) => method).join(" or ")}.`);
  const body = await bodyOf(request);
  if (body === null) return failed(400, "malformed", "Send a JSON object of at most 512 KiB.");
  try {
    const meetingId = (route.parts.id ?? "") as Id<"meetings">;
    const { status = 200, body: told } = await route.act({ ctx, parts: route.parts, meetingId, body, url });
    return Response.json(told, { status });
  } catch (error) {
    return refusal(error);
  }
}

async function bodyOf(request: Request): Promise<Record<string, unknown> | null> {
  if (request.method === "GET" || request.method === "DELETE") return {};
  const text = await request.text();
  if (text.length > BODY_MAX) return null;
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function refusal(error: unknown): Response {
  if (error instanceof ConvexError) {
    const { code = "invalid", message = "This was refused." } = error.data as { code?: string; message?: string };
    return failed(statusOf(code), code, message);
  }
  // What a validator refused says so itself; anything else is ours, and none of the caller's business.
  if (error instanceof Error && /ArgumentValidationError|Validator error|Object (is missing|contains)|does not match/.test(error.message)) {
    return failed(400, "invalid", "A field is missing, unknown or of the wrong kind.");
  }
  console.error("a meeting request failed", error);
  return failed(500, "failed", "Something went wrong here. Try again.");
}

function failed(status: number, error: string, message: string): Response {
  return Response.json({ error, message }, { status });
}

function found(body: unknown): Answer {
  return body === null
    ? { status: 404, body: { error: "unknown_meeting", message: "There is no such meeting for you, or not yet." } }
    : done(body);
}

function userOf(parts: Record<string, string>): Id<"users"> {
  return (parts.user ?? "") as Id<"users">;
}

function windowOf(url: URL): { from: number; to: number } {
  const now = Date.now();
  const number = (name: string, otherwise: number) => {
    const value = Number(url.searchParams.get(name) ?? Number.NaN);
    return Number.isFinite(value) ? value : otherwise;
  };
  return { from: number("from", now - DAY_MS), to: number("to", now + NEAR_MS) };
}

/** Browsers of other origins may call where the environment names them. No cookies: the token says who calls. */
function withOrigin(request: Request, response: Response): Response {
  const origin = request.headers.get("origin");
  if (origin === null || !isAllowedOrigin(origin, process.env.EDGE_ALLOWED_ORIGINS)) return response;
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-allow-headers", "authorization, content-type");
  headers.set("access-control-allow-methods", METHODS.join(", "));
  headers.set("access-control-max-age", "86400");
  headers.set("vary", "origin");
  return new Response(response.body, { status: response.status, headers });
}

async function calendar(ctx: ActionCtx, request: Request): Promise<Response> {
  const secret = new URL(request.url).pathname.slice(CALENDAR_PATH.length).replace(/\.ics$/, "");
  const text = await ctx.runQuery(internal.meetings.calendar.feed, { secret, now: Date.now() });
  if (text === null) return failed(404, "unknown_calendar", "This calendar link is closed. Make a new one.");
  return new Response(text, {
    headers: { "content-type": "text/calendar; charset=utf-8", "cache-control": "private, max-age=300" },
  });
}
