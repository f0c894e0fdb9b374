// What hosts do to people and to the room while a meeting runs: mute, remove, permit, move, lock, and the switches for
// chat and screens. Each change is stored first, so that it also holds for whoever comes or comes back later, and then
// told to the nodes.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import { mutation } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { audit, personOf } from "../host";
import { opensDoors } from "../model/meetings/roles";
import { allowed, check, refuse, requirePerson, roleOf } from "./access";
import { setControls } from "./controls";
import { grantsFor, permissionsOf } from "./grants";
import { heldBy, withdraw } from "./held";
import { sendOver } from "./moving";
import { PEOPLE_MAX, openMeetingRoom, spansOf, tell } from "./room";
import { entryOf } from "./waiting";
import { meetingId, presenters, userId } from "./validators";

const source = v.union(v.literal("camera"), v.literal("microphone"), v.literal("screen_share"));
const muteArgs = v.object({ meetingId, userId, source, muted: v.boolean() });

export const muteFunction = {
  args: muteArgs,
  returns: v.number(),
  handler: async (ctx: MutationCtx, args: Infer<typeof muteArgs>) => {
    const { meeting } = await allowed(ctx, args.meetingId, "mute");
    const now = Date.now();
    const spans = await spansOf(ctx, meeting._id, args.userId);
    for (const { room, identity } of spans) {
      await tell(ctx, { type: "mute", room, identity, source: args.source, muted: args.muted }, now);
    }
    return spans.length;
  },
};
/** Mutes somebody's camera, microphone or screen on all their devices. Answers on how many. */
export const mute = mutation(muteFunction);

/** Mutes all microphones but those of hosts. Answers how many people were told. */
export const muteAll = mutation({
  args: { meetingId },
  returns: v.number(),
  handler: async (ctx, { meetingId }) => {
    const { meeting } = await allowed(ctx, meetingId, "mute");
    const now = Date.now();
    let told = 0;
    for (const { span, leads } of await attending(ctx, meeting)) {
      if (leads) continue;
      await tell(ctx, { type: "mute", room: span.room, identity: span.identity, source: "microphone", muted: true }, now);
      told += 1;
    }
    return told;
  },
});

const someone = v.object({ meetingId, userId });

export const removeFunction = {
  args: someone,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId, userId }: Infer<typeof someone>) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "remove");
    check(userId !== meeting.hostId, "The host of a meeting cannot be removed from it.");
    const now = Date.now();
    const known = await ctx.db
      .query("meetingRemovals")
      .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId))
      .first();
    if (known === null) {
      await ctx.db.insert("meetingRemovals", { meetingId, userId, removedBy: viewer.userId, removedAt: now });
    }
    const entry = await entryOf(ctx, meetingId, userId);
    if (entry !== null) await ctx.db.patch("meetingWaiting", entry._id, { state: "denied", decidedAt: now });
    const held = new Set((await heldBy(ctx, meetingId, userId)).map(({ identity }) => identity));
    for (const { room, identity } of await spansOf(ctx, meetingId, userId)) {
      // In a group's room, or in by a token that was not given here.
      if (room === meeting.roomName && held.has(identity)) continue;
      await tell(ctx, { type: "remove", room, identity, revokeTokens: true }, now);
    }
    await withdraw(ctx, meeting, userId, now);
    await audit(ctx, { meeting, person: viewer, action: "remove_participant", now });
    return null;
  },
};
/** Sends somebody out on all devices; they stay out until a host admits them. */
export const remove = mutation(removeFunction);

/** Sends out a connection of which nobody knows whose it is. */
export const removeIdentity = mutation({
  args: { meetingId, identity: v.string() },
  returns: v.null(),
  handler: async (ctx, { meetingId, identity }) => {
    const { meeting } = await allowed(ctx, meetingId, "remove");
    check(identity.length >= 1 && identity.length <= 256, "Name a connection of this meeting.");
    await tell(ctx, { type: "remove", room: meeting.roomName, identity, revokeTokens: true }, Date.now());
    return null;
  },
});

const permitArgs = v.object({
  meetingId,
  userId,
  mayPublish: v.optional(v.boolean()),
  mayShareScreen: v.optional(v.boolean()),
  mayChat: v.optional(v.boolean()),
});

export const permitFunction = {
  args: permitArgs,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId, userId, ...changes }: Infer<typeof permitArgs>) => {
    const { meeting } = await allowed(ctx, meetingId, "permit");
    await requirePerson(ctx, userId);
    const now = Date.now();
    const stored = await permissionsOf(ctx, meetingId, userId);
    if (stored === null) await ctx.db.insert("meetingPermissions", { meetingId, userId, ...changes, updatedAt: now });
    else await ctx.db.patch("meetingPermissions", stored._id, { ...changes, updatedAt: now });
    await tellGrants(ctx, meeting, userId, now);
    return null;
  },
};
/** Changes what somebody may do, against what the meeting says. */
export const permit = mutation(permitFunction);

const moveArgs = v.object({ meetingId, userId, to: meetingId });

/** Sends somebody to another meeting's room that the caller may also lead. */
export const move = mutation({
  args: moveArgs,
  returns: v.null(),
  handler: async (ctx, { meetingId, userId, to }) => {
    await allowed(ctx, meetingId, "move");
    const target = await allowed(ctx, to, "move");
    check(target.meeting.status === "live", "Start the other meeting first.");
    const now = Date.now();
    await openMeetingRoom(ctx, target.meeting, now);
    for (const span of await spansOf(ctx, meetingId, userId)) {
      await sendOver(ctx, span, target.meeting, target.meeting.roomName, now);
    }
    return null;
  },
});

const lockArgs = v.object({ meetingId, locked: v.boolean() });

export const lockFunction = {
  args: lockArgs,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId, locked }: Infer<typeof lockArgs>) => {
    const { meeting } = await allowed(ctx, meetingId, "lock");
    const now = Date.now();
    await setControls(ctx, meetingId, { lockedAt: locked ? now : undefined }, now);
    if (meeting.status === "live") await openMeetingRoom(ctx, meeting, now);
    return null;
  },
};
/** Locks a meeting: only those who have been in may come back. Or unlocks it. */
export const lock = mutation(lockFunction);

const switchArgs = v.object({
  meetingId,
  chat: v.optional(v.boolean()),
  screenShare: v.optional(v.boolean()),
  presenters: v.optional(presenters),
});

/** Switches chat and screen sharing for everybody but hosts, at once. */
export const setSharing = mutation({
  args: switchArgs,
  returns: v.null(),
  handler: async (ctx, { meetingId, chat, screenShare, presenters }) => {
    const { meeting } = await allowed(ctx, meetingId, "permit");
    const now = Date.now();
    await ctx.db.patch("meetings", meetingId, {
      chatEnabled: chat ?? meeting.chatEnabled,
      screenShareEnabled: screenShare ?? meeting.screenShareEnabled,
      ...(presenters === undefined ? {} : { allowedPresenters: presenters }),
      updatedAt: now,
    });
    const changed = (await ctx.db.get("meetings", meetingId)) ?? refuse("gone", "The meeting was deleted.");
    const people = new Set((await attending(ctx, changed)).map(({ userId }) => userId));
    for (const userId of people) if (userId !== null) await tellGrants(ctx, changed, userId, now);
    return null;
  },
});

const appointArgs = v.object({ meetingId, userId, role: v.union(v.literal("co_host"), v.literal("participant")) });

export const appointFunction = {
  args: appointArgs,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId, userId, role }: Infer<typeof appointArgs>) => {
    const { meeting } = await allowed(ctx, meetingId, "appoint");
    await requirePerson(ctx, userId);
    check(userId !== meeting.hostId, "The host stays the host.");
    const others = meeting.coHosts.filter((id) => id !== userId);
    check(others.length < 20, "A meeting has at most 20 co-hosts.");
    const now = Date.now();
    const coHosts = role === "co_host" ? [...others, userId] : others;
    await ctx.db.patch("meetings", meetingId, { coHosts, updatedAt: now });
    const changed = (await ctx.db.get("meetings", meetingId)) ?? meeting;
    await tellGrants(ctx, changed, userId, now);
    return null;
  },
};
/** Makes somebody a co-host, or a participant again. */
export const appoint = mutation(appointFunction);

/** Lowers a raised hand. */
export const lowerHand = mutation({
  args: { meetingId, identity: v.string() },
  returns: v.null(),
  handler: async (ctx, { meetingId, identity }) => {
    const { meeting } = await allowed(ctx, meetingId, "lower_hands");
    await lower(ctx, meeting.roomName, identity, Date.now());
    return null;
  },
});

/** Lowers all raised hands. Answers how many. */
export const lowerHands = mutation({
  args: { meetingId },
  returns: v.number(),
  handler: async (ctx, { meetingId }) => {
    const { meeting } = await allowed(ctx, meetingId, "lower_hands");
    const raised = await ctx.db
      .query("edgeHands")
      .withIndex("by_room_raised", (q) => q.eq("room", meeting.roomName).eq("raised", true))
      .take(PEOPLE_MAX);
    const now = Date.now();
    for (const { identity } of raised) await lower(ctx, meeting.roomName, identity, now);
    return raised.length;
  },
});

/** The hand is the participant's own attribute: its node changes it, and tells us that it did. */
async function lower(ctx: MutationCtx, room: string, identity: string, now: number): Promise<void> {
  await tell(ctx, { type: "attributes", room, identity, attributes: { [HAND]: "" } }, now);
}

/** The attribute in which a participant carries a raised hand. */
export const HAND = "tof.hand";

async function tellGrants(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  userId: Id<"users">,
  now: number,
): Promise<void> {
  const person = await personOf(ctx, userId);
  const role = person === null ? null : roleOf(meeting, person);
  if (person === null || role === null) return;
  const permission = await grantsFor(ctx, meeting, { viewer: person, role });
  for (const { room, identity } of await spansOf(ctx, meeting._id, userId)) {
    await tell(ctx, { type: "permissions", room, identity, permission }, now);
  }
}

/** Everybody in the meeting's own room, with whether they lead it. */
async function attending(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
): Promise<{ span: Doc<"edgeSpans">; userId: Id<"users"> | null; leads: boolean }[]> {
  const spans = await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_open", (q) => q.eq("room", meeting.roomName).eq("leftAt", undefined))
    .take(PEOPLE_MAX);
  const found = [];
  for (const span of spans) {
    const person = span.userId === undefined ? null : await personOf(ctx, span.userId);
    const role = person === null ? null : roleOf(meeting, person);
    found.push({ span, userId: person?.userId ?? null, leads: role !== null && opensDoors(role) });
  }
  return found;
}
