// What pages show of meetings: one's own, one in full, who is in it and where, its chat and its hands. Queries that stay
// open: each reads through an index, is bounded, and answers nothing rather than failing when the viewer may not look.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import { query } from "../_generated/server";
import type { QueryCtx } from "../_generated/server";
import { personOf, tenantOf, viewerOf } from "../host";
import type { Person } from "../host";
import { opensDoors } from "../model/meetings/roles";
import { isInvited, roleOf, seen } from "./access";
import { controlsOf, hasPassword } from "./controls";
import { spansIn } from "./room";
import { meetingDetails, meetingId, meetingSummary, role, userId } from "./validators";

type Reading = Pick<QueryCtx, "db" | "auth">;

/** Meetings in one list. */
const LIST_MAX = 100;
/** People counted for a list; a meeting with more says so by this number. */
const COUNT_MAX = 200;
const CHAT_MAX = 500;
const NODES_MAX = 200;

const days = { from: v.number(), to: v.number() };
type Days = { from: number; to: number };

/** The same with how many are in each, for whoever asks once. */
export const mineFunction = {
  args: days,
  returns: v.array(meetingSummary),
  handler: async (ctx: QueryCtx, { from, to }: Days) =>
    await mineOf(ctx, { from, to }, (meeting) => countIn(ctx, meeting)),
};

/** The viewer's meetings of some days: those they were asked to, host, or may simply join. */
export const mine = query({
  /** The stretch of time to show: the page's own, as queries know no clock. */
  args: days,
  returns: v.array(meetingSummary),
  handler: async (ctx, { from, to }) => await mineOf(ctx, { from, to }, () => Promise.resolve(null)),
});

type Count = (meeting: Doc<"meetings">) => Promise<number | null>;

async function mineOf(ctx: Reading, { from, to }: Days, count: Count): Promise<Infer<typeof meetingSummary>[]> {
  const viewer = await viewerOf(ctx);
  if (viewer === null) return [];
  const found = new Map<Id<"meetings">, Doc<"meetings">>();
  const asked = await ctx.db
    .query("meetingGuests")
    .withIndex("by_user_start", (q) => q.eq("userId", viewer.userId).gte("startsAt", from).lte("startsAt", to))
    .take(LIST_MAX);
  for (const row of asked) {
    const meeting = await ctx.db.get("meetings", row.meetingId);
    if (meeting !== null) found.set(meeting._id, meeting);
  }
  for (const meeting of await recentOfTenant(ctx, viewer)) {
    const running = meeting.scheduledStartTime <= to && meeting.scheduledEndTime >= from;
    if (running && isFor(meeting, viewer)) found.set(meeting._id, meeting);
  }
  const sorted = [...found.values()].sort((a, b) => a.scheduledStartTime - b.scheduledStartTime);
  return await Promise.all(sorted.slice(0, LIST_MAX).map((meeting) => summaryOf(ctx, meeting, viewer, count)));
}

export const detailsFunction = {
  args: { meetingId },
  returns: v.union(meetingDetails, v.null()),
  handler: async (ctx: QueryCtx, args: { meetingId: Id<"meetings"> }) => {
    const access = await seen(ctx, args.meetingId);
    if (access === null) return null;
    const { meeting, viewer, role } = access;
    const controls = await controlsOf(ctx, meeting._id);
    const leads = opensDoors(role);
    return {
      meetingId: meeting._id,
      room: meeting.roomName,
      title: meeting.title,
      description: meeting.description ?? "",
      kind: meeting.type ?? "scheduled",
      status: meeting.status,
      startsAt: meeting.scheduledStartTime,
      endsAt: meeting.scheduledEndTime,
      startedAt: meeting.actualStartTime ?? null,
      endedAt: meeting.actualEndTime ?? null,
      recurrence: meeting.recurrence ?? null,
      parentId: meeting.recurringMeetingId ?? null,
      code: meeting.meetingCode ?? null,
      link: meeting.meetingLink ?? null,
      viewer: { userId: viewer.userId, name: viewer.name, role, invited: isInvited(meeting, viewer.userId), leads },
      host: (await named(ctx, [meeting.hostId]))[0] ?? { userId: meeting.hostId, name: "" },
      coHosts: await named(ctx, meeting.coHosts),
      invited: leads ? await named(ctx, meeting.invitedParticipants ?? []) : [],
      settings: {
        hasPassword: await hasPassword(ctx, meeting),
        waitingRoom: meeting.waitingRoomEnabled,
        lobbyBypass: meeting.lobbyBypassType ?? null,
        allowUninvitedJoin: meeting.allowUninvitedJoin ?? false,
        presenters: meeting.allowedPresenters ?? ("everyone" as const),
        presenterIds: leads ? (meeting.allowedPresentersIds ?? []) : [],
        maxParticipants: meeting.maxParticipants ?? 0,
        chat: meeting.chatEnabled,
        screenShare: meeting.screenShareEnabled,
        whiteboard: meeting.whiteboardEnabled,
        breakoutRooms: meeting.breakoutRoomsEnabled ?? true,
        recording: meeting.recordingEnabled,
        autoRecording: meeting.autoRecording ?? false,
        locked: controls.lockedAt !== undefined,
        allowedDomains: leads ? controls.allowedDomains : [],
        allowedNetworks: leads ? controls.allowedNetworks : [],
        timeZone: controls.timeZone,
        reminders: controls.reminders,
        onlyOurTokens: controls.onlyOurTokens,
      },
    };
  },
};
/** One meeting in full, without its secrets. Null when there is none for the viewer. */
export const details = query(detailsFunction);

const present = v.object({
  identity: v.string(),
  userId: v.union(userId, v.null()),
  name: v.string(),
  role: v.union(role, v.null()),
  room: v.string(),
  node: v.string(),
  region: v.string(),
  joinedAt: v.number(),
  device: v.union(v.string(), v.null()),
  handRaisedAt: v.union(v.number(), v.null()),
});

export const peopleFunction = {
  args: { meetingId },
  returns: v.array(present),
  handler: async (ctx: QueryCtx, args: { meetingId: Id<"meetings"> }) => {
    const access = await seen(ctx, args.meetingId);
    if (access === null) return [];
    const { meeting } = access;
    const hands = await ctx.db
      .query("edgeHands")
      .withIndex("by_room_raised", (q) => q.eq("room", meeting.roomName).eq("raised", true))
      .take(COUNT_MAX);
    const raised = new Map(hands.map((hand) => [hand.sid, hand.raisedAt]));
    const found = [];
    for (const span of await spansIn(ctx, meeting.roomName)) {
      const person = span.userId === undefined ? null : await personOf(ctx, span.userId);
      found.push({
        identity: span.identity,
        userId: person?.userId ?? null,
        name: person?.name ?? span.name,
        role: person === null ? null : roleOf(meeting, person),
        room: span.room,
        node: span.node,
        region: span.region,
        joinedAt: span.joinedAt,
        device: span.client.device ?? span.client.os ?? null,
        handRaisedAt: raised.get(span.sid) ?? null,
      });
    }
    return found;
  },
};
/** Who is in the meeting, on which node. */
export const people = query(peopleFunction);

/** The nodes as a map: cities, whether each is there, and how many of the meeting's people each has. */
export const cities = query({
  args: { meetingId: v.optional(meetingId) },
  returns: v.array(
    v.object({
      node: v.string(),
      region: v.string(),
      url: v.string(),
      alive: v.boolean(),
      draining: v.boolean(),
      people: v.array(v.object({ identity: v.string(), name: v.string() })),
    }),
  ),
  handler: async (ctx, args) => {
    if ((await viewerOf(ctx)) === null) return [];
    const access = args.meetingId === undefined ? null : await seen(ctx, args.meetingId);
    const spans = access === null ? [] : await spansIn(ctx, access.meeting.roomName);
    const nodes = await ctx.db.query("edgeNodes").withIndex("by_node").take(NODES_MAX);
    return nodes
      .filter((node) => node.status === "active")
      .map((node) => ({
        node: node.node,
        region: node.region,
        url: node.url,
        alive: node.alive,
        draining: node.draining || node.drainingItself,
        people: spans
          .filter((span) => span.node === node.node)
          .map(({ identity, name }) => ({ identity, name })),
      }));
  },
});

/** Raised hands in the order they went up. */
export const hands = query({
  args: { meetingId },
  returns: v.array(v.object({ identity: v.string(), userId: v.union(userId, v.null()), name: v.string(), raisedAt: v.number() })),
  handler: async (ctx, args) => {
    const access = await seen(ctx, args.meetingId);
    if (access === null) return [];
    const raised = await ctx.db
      .query("edgeHands")
      .withIndex("by_room_raised", (q) => q.eq("room", access.meeting.roomName).eq("raised", true))
      .take(COUNT_MAX);
    return await Promise.all(
      raised.map(async (hand) => {
        const person = hand.userId === undefined ? null : await personOf(ctx, hand.userId);
        const { identity, raisedAt } = hand;
        return { identity, userId: person?.userId ?? null, name: person?.name ?? identity, raisedAt };
      }),
    );
  },
});

/**
 * The chat of a meeting as it was stored, the latest last: what was said to all, and what the viewer wrote or was
 * written in private. For reading afterwards: while the meeting runs, chat comes over its own connection.
 */
export const chat = query({
  args: { meetingId },
  returns: v.array(
    v.object({
      chatId: v.id("edgeChat"),
      messageId: v.string(),
      userId: v.union(userId, v.null()),
      name: v.string(),
      text: v.string(),
      sentAt: v.number(),
      editedAt: v.union(v.number(), v.null()),
      private: v.boolean(),
      mine: v.boolean(),
    }),
  ),
  handler: async (ctx, args) => {
    const access = await seen(ctx, args.meetingId);
    if (access === null) return [];
    const { viewer, meeting } = access;
    const rows = await ctx.db
      .query("edgeChat")
      .withIndex("by_meeting", (q) => q.eq("meetingId", meeting._id))
      .order("desc")
      .take(CHAT_MAX);
    const shown = [];
    for (const row of rows.reverse()) {
      if (row.deletedAt !== undefined || !isReader(row, meeting, viewer)) continue;
      const place = await ctx.db
        .query("meetingChatPlaces")
        .withIndex("by_chat", (q) => q.eq("chatId", row._id))
        .unique();
      const stored = place === null ? null : await ctx.db.get("meetingChatMessages", place.chatMessageId);
      const text = stored?.message ?? row.text;
      if (text === undefined) continue;
      const sender = row.userId === undefined ? null : await personOf(ctx, row.userId);
      shown.push({
        chatId: row._id,
        messageId: row.messageId,
        userId: sender?.userId ?? null,
        name: sender?.name ?? row.identity,
        text,
        sentAt: row.sentAt,
        editedAt: row.editedAt ?? null,
        private: row.to.length > 0,
        mine: row.userId === viewer.userId,
      });
    }
    return shown;
  },
});

/** Messages to all of the meeting's own room are everybody's; others only their writer's and readers'. */
function isReader(row: Doc<"edgeChat">, meeting: Doc<"meetings">, viewer: Person): boolean {
  if (row.to.length === 0 && row.room === meeting.roomName) return true;
  return row.userId === viewer.userId || row.to.some((identity) => identity.startsWith(`${viewer.userId}#`));
}

async function recentOfTenant(ctx: Reading, viewer: Person): Promise<Doc<"meetings">[]> {
  const { tenant } = viewer;
  if (tenant === null) return [];
  return await ctx.db
    .query("meetings")
    .withIndex("by_foundation", (q) => q.eq("foundationId", tenant))
    .order("desc")
    .take(LIST_MAX);
}

/** A meeting belongs in somebody's list when they lead it, were asked, or may join without being asked. */
function isFor(meeting: Doc<"meetings">, viewer: Person): boolean {
  if (isInvited(meeting, viewer.userId)) return true;
  if (viewer.rank === "admin" || viewer.rank === "owner") return true;
  return (meeting.allowUninvitedJoin ?? false) && viewer.tenant === tenantOf(meeting) && meeting.status !== "ended";
}

/** People in a meeting; one with several devices is one. */
async function countIn(ctx: Reading, meeting: Doc<"meetings">): Promise<number> {
  if (meeting.status !== "live") return 0;
  const spans = await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_open", (q) => q.eq("room", meeting.roomName).eq("leftAt", undefined))
    .take(COUNT_MAX);
  return new Set(spans.map((span) => span.userId ?? span.identity)).size;
}

async function summaryOf(
  ctx: Reading,
  meeting: Doc<"meetings">,
  viewer: Person,
  count: Count,
): Promise<Infer<typeof meetingSummary>> {
  return {
    meetingId: meeting._id,
    title: meeting.title,
    kind: meeting.type ?? ("scheduled" as const),
    status: meeting.status,
    startsAt: meeting.scheduledStartTime,
    endsAt: meeting.scheduledEndTime,
    hostName: (await personOf(ctx, meeting.hostId))?.name ?? "",
    role: roleOf(meeting, viewer) ?? ("participant" as const),
    invited: isInvited(meeting, viewer.userId),
    hasPassword: await hasPassword(ctx, meeting),
    waitingRoom: meeting.waitingRoomEnabled,
    code: meeting.meetingCode ?? null,
    participants: await count(meeting),
  };
}

async function named(ctx: Reading, ids: readonly Id<"users">[]): Promise<{ userId: Id<"users">; name: string }[]> {
  return await Promise.all(ids.map(async (userId) => ({ userId, name: (await personOf(ctx, userId))?.name ?? "" })));
}
