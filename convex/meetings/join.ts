// Joining: one mutation that judges at the door, finds a node and signs a token. Everything it refuses it answers, rather
// than throwing, so that what it counted (tries, waiting people) remains.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import { mutation, query } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { personOf, storedCode, tenantOf, viewerOf } from "../host";
import type { Person } from "../host";
import { ADVICE, judge } from "../model/meetings/door";
import type { Caller, Rules } from "../model/meetings/door";
import { opensDoors } from "../model/meetings/roles";
import type { Role } from "../model/meetings/roles";
import { isInvited, requireViewer, roleOf, seen } from "./access";
import { controlsOf, hasPassword, passwordVerdict } from "./controls";
import { limits } from "./limits";
import { PEOPLE_MAX, spansIn, spansOf, tell } from "./room";
import { goLive } from "./starting";
import { grantEntry } from "./tokens";
import { admission, meetingId, role } from "./validators";
import { entryOf, wait } from "./waiting";

/** Why somebody is refused, or what is missing. */
const refusal = v.union(
  v.literal("signed_out"),
  v.literal("unknown_meeting"),
  v.literal("cancelled"),
  v.literal("ended"),
  v.literal("removed"),
  v.literal("too_early"),
  v.literal("over"),
  v.literal("network"),
  v.literal("domain"),
  v.literal("password_missing"),
  v.literal("password_wrong"),
  v.literal("locked"),
  v.literal("denied"),
  v.literal("full"),
  v.literal("too_often"),
  v.literal("no_node"),
);
type Refusal = Infer<typeof refusal>;

/** The answer to a join. A denied one says why, what to do, and when to try again where waiting helps. */
export const joinAnswer = v.union(
  v.object({
    status: v.literal("joined"),
    meetingId,
    role,
    identity: v.string(),
    ...admission,
    settings: v.object({ chat: v.boolean(), screenShare: v.boolean(), recording: v.boolean(), autoRecording: v.boolean() }),
  }),
  v.object({ status: v.literal("waiting"), meetingId, askedAt: v.number() }),
  v.object({
    status: v.literal("denied"),
    meetingId: v.union(meetingId, v.null()),
    reason: refusal,
    message: v.string(),
    retryAfterMs: v.optional(v.number()),
  }),
);
export type JoinAnswer = Infer<typeof joinAnswer>;

/** How somebody comes: from which device, near which regions (ms as measured by the page), with which password. */
const arrival = {
  device: v.string(),
  password: v.optional(v.string()),
  regions: v.optional(v.record(v.string(), v.number())),
};
const joinArgs = v.object({ meetingId, ...arrival });
const codeArgs = v.object({ code: v.string(), ...arrival });
type Arrival = Omit<Infer<typeof joinArgs>, "meetingId">;

export const joinFunction = {
  args: joinArgs,
  returns: joinAnswer,
  handler: async (ctx: MutationCtx, { meetingId, ...arrival }: Infer<typeof joinArgs>): Promise<JoinAnswer> => {
    const viewer = await viewerOf(ctx);
    if (viewer === null) return denied(null, "signed_out");
    const pause = await limits.often(ctx, "join", viewer.userId);
    if (pause !== null) return { ...denied(meetingId, "too_often"), retryAfterMs: pause };
    return await comeTo(ctx, await ctx.db.get("meetings", meetingId), viewer, arrival);
  },
};
/** Joins a meeting. */
export const join = mutation(joinFunction);

export const joinByCodeFunction = {
  args: codeArgs,
  returns: joinAnswer,
  handler: async (ctx: MutationCtx, { code, ...arrival }: Infer<typeof codeArgs>): Promise<JoinAnswer> => {
    const viewer = await viewerOf(ctx);
    if (viewer === null) return denied(null, "signed_out");
    // Ten digits can be guessed by somebody who may try without end.
    const pause = (await limits.often(ctx, "join", viewer.userId)) ?? (await limits.often(ctx, "code", viewer.userId));
    if (pause !== null) return { ...denied(null, "too_often"), retryAfterMs: pause };
    const meeting = await ctx.db
      .query("meetings")
      .withIndex("by_meeting_code", (q) => q.eq("meetingCode", storedCode(code.slice(0, 32))))
      .first();
    return await comeTo(ctx, meeting, viewer, arrival);
  },
};
/** Joins a meeting by the code people type. */
export const joinByCode = mutation(joinByCodeFunction);

async function comeTo(
  ctx: MutationCtx,
  meeting: Doc<"meetings"> | null,
  viewer: Person,
  arrival: Arrival,
): Promise<JoinAnswer> {
  const role = meeting === null ? null : roleOf(meeting, viewer);
  if (meeting === null || role === null) return denied(null, "unknown_meeting");
  const guess = await tries(ctx, meeting, viewer, role, arrival.password);
  if (guess.pause !== null) return { ...denied(meeting._id, "too_often"), retryAfterMs: guess.pause };

  const now = Date.now();
  const caller = await describeCaller(ctx, meeting, viewer, role, guess.password);
  const verdict = judge(caller, await rulesOf(ctx, meeting), now);
  if (!verdict.enter && !verdict.wait) return denied(meeting._id, verdict.refusal);
  if (!verdict.enter) return { status: "waiting", meetingId: meeting._id, askedAt: await wait(ctx, meeting, viewer, now) };
  return await letIn(ctx, meeting, { viewer, role }, arrival, now);
}

async function letIn(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  who: { viewer: Person; role: Role },
  arrival: Arrival,
  now: number,
): Promise<JoinAnswer> {
  const { viewer, role } = who;
  // As in the platform: a meeting begins when a host comes in, and not before its time for anybody else.
  if (opensDoors(role) || now >= meeting.scheduledStartTime) await goLive(ctx, meeting, now);
  const entry = await grantEntry(ctx, meeting, who, { device: arrival.device, regions: arrival.regions ?? {} }, now);
  if (entry === null) return denied(meeting._id, "no_node");
  return {
    status: "joined",
    meetingId: meeting._id,
    role,
    identity: entry.identity,
    token: entry.token,
    url: entry.url,
    candidates: entry.candidates,
    expiresAt: entry.expiresAt,
    settings: {
      chat: meeting.chatEnabled,
      screenShare: meeting.screenShareEnabled,
      recording: meeting.recordingEnabled,
      // The page of a host starts it, through the host project's own recording.
      autoRecording: (meeting.autoRecording ?? false) && opensDoors(role) && viewer.userId === meeting.hostId,
    },
  };
}

/** What a password is worth, unless its guesser has tried too often: whoever guesses waits, right or wrong. */
async function tries(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  viewer: Person,
  role: Role,
  password: string | undefined,
): Promise<{ password: Caller["password"]; pause: number | null }> {
  if (opensDoors(role)) return { password: "none_needed", pause: null };
  if (!(await hasPassword(ctx, meeting))) return { password: "none_needed", pause: null };
  if (password === undefined || password === "") return { password: "missing", pause: null };
  const pause =
    (await limits.often(ctx, "password", `${meeting._id} ${viewer.userId}`)) ??
    (await limits.often(ctx, "passwords", meeting._id));
  if (pause !== null) return { password: "wrong", pause };
  return { password: await passwordVerdict(ctx, meeting, password), pause: null };
}

async function describeCaller(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  viewer: Person,
  role: Role,
  password: Caller["password"],
): Promise<Caller> {
  const { lockedAt } = await controlsOf(ctx, meeting._id);
  const removal = await ctx.db
    .query("meetingRemovals")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meeting._id).eq("userId", viewer.userId))
    .first();
  return {
    role,
    email: viewer.email,
    address: (await ctx.meta.getRequestMetadata()).ip,
    invited: isInvited(meeting, viewer.userId),
    ownTenant: viewer.tenant === tenantOf(meeting),
    password,
    asked: (await entryOf(ctx, meeting._id, viewer.userId))?.state ?? "never",
    removed: removal !== null,
    wasInBeforeLock: lockedAt !== undefined && (await cameBefore(ctx, meeting._id, viewer.userId, lockedAt)),
    present: (await spansOf(ctx, meeting._id, viewer.userId)).length > 0,
  };
}

async function cameBefore(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
  at: number,
): Promise<boolean> {
  const first = await ctx.db
    .query("edgeSpans")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId).lt("joinedAt", at))
    .first();
  return first !== null;
}

async function rulesOf(ctx: MutationCtx, meeting: Doc<"meetings">): Promise<Rules> {
  const controls = await controlsOf(ctx, meeting._id);
  const maxParticipants = meeting.maxParticipants ?? 0;
  return {
    status: meeting.status,
    startsAt: meeting.scheduledStartTime,
    endsAt: meeting.scheduledEndTime,
    locked: controls.lockedAt !== undefined,
    waitingRoom: meeting.waitingRoomEnabled,
    bypass: meeting.lobbyBypassType ?? "nobody",
    openToUninvited: meeting.allowUninvitedJoin ?? false,
    allowedDomains: controls.allowedDomains,
    allowedNetworks: controls.allowedNetworks,
    maxParticipants,
    // Counted only where it matters: reading who is in makes a join wait for others' joins.
    participants: maxParticipants > 0 ? await countPeople(ctx, meeting.roomName) : 0,
  };
}

/** People, not devices; whoever cannot be told apart counts by connection. */
async function countPeople(ctx: MutationCtx, room: string): Promise<number> {
  const spans = await spansIn(ctx, room);
  return Math.min(PEOPLE_MAX, new Set(spans.map((span) => span.userId ?? span.identity)).size);
}

function denied(meetingId: Id<"meetings"> | null, reason: Refusal): JoinAnswer & { status: "denied" } {
  const message = reason === "signed_out" ? "Sign in to join the meeting." : ADVICE[reason];
  return { status: "denied", meetingId, reason, message };
}

/** The meeting of a code, as much as one may know who is about to join it. Null when there is none for the viewer. */
export const findByCode = query({
  args: { code: v.string() },
  returns: v.union(
    v.object({ meetingId, title: v.string(), hostName: v.string(), startsAt: v.number(), hasPassword: v.boolean() }),
    v.null(),
  ),
  handler: async (ctx, { code }) => {
    const meeting = await ctx.db
      .query("meetings")
      .withIndex("by_meeting_code", (q) => q.eq("meetingCode", storedCode(code.slice(0, 32))))
      .first();
    const access = meeting === null ? null : await seen(ctx, meeting._id);
    if (meeting === null || access === null) return null;
    return {
      meetingId: meeting._id,
      title: meeting.title,
      hostName: (await personOf(ctx, meeting.hostId))?.name ?? "",
      startsAt: meeting.scheduledStartTime,
      hasPassword: await hasPassword(ctx, meeting),
    };
  },
});

const leaveArgs = v.object({ meetingId });

export const leaveFunction = {
  args: leaveArgs,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId }: Infer<typeof leaveArgs>) => {
    const viewer = await requireViewer(ctx);
    const now = Date.now();
    const entry = await entryOf(ctx, meetingId, viewer.userId);
    if (entry?.state === "waiting") await ctx.db.patch("meetingWaiting", entry._id, { state: "left", decidedAt: now });
    for (const { room, identity } of await spansOf(ctx, meetingId, viewer.userId)) {
      await tell(ctx, { type: "remove", room, identity, revokeTokens: false }, now);
    }
    return null;
  },
};
/** Leaves a meeting with all devices, for a page that cannot do so itself. The node tells when it has happened. */
export const leave = mutation(leaveFunction);
