// Small groups beside a meeting: each has a room of its own on the same nodes. Hosts send people there and call them
// back by moving them, each time with a token for where they go; no page has to ask for one.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import { internalMutation, mutation, query } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { allowed, check, seen } from "./access";
import { controlsOf, roomSettingsOf } from "./controls";
import { sendOver } from "./moving";
import { closeMeetingRoom, openRoomNamed, spansIn } from "./room";
import { meetingId, userId } from "./validators";

const GROUPS_MAX = 50;
const EACH_MAX = 100;
const MINUTES_MAX = 240;

const makeArgs = v.object({
  meetingId,
  minutes: v.number(),
  groups: v.array(v.object({ name: v.string(), people: v.array(userId) })),
});

export const makeFunction = {
  args: makeArgs,
  returns: v.array(v.id("breakoutRooms")),
  handler: async (ctx: MutationCtx, { meetingId, minutes, groups }: Infer<typeof makeArgs>) => {
    const { meeting } = await allowed(ctx, meetingId, "run_activity");
    check(groups.length >= 1 && groups.length <= GROUPS_MAX, `Make 1 to ${GROUPS_MAX} groups.`);
    check(Number.isInteger(minutes) && minutes >= 1 && minutes <= MINUTES_MAX, `Groups last 1 to ${MINUTES_MAX} minutes.`);
    const everybody = groups.flatMap(({ people }) => people);
    check(new Set(everybody).size === everybody.length, "Put each person into one group.");
    check((await openGroups(ctx, meetingId)).length === 0, "Call the groups back before you make new ones.");
    const now = Date.now();
    const made: Id<"breakoutRooms">[] = [];
    for (const [at, { name, people }] of groups.entries()) {
      check(name.trim() !== "" && name.length <= 100, "Give each group a name of at most 100 characters.");
      check(people.length <= EACH_MAX, `A group has at most ${EACH_MAX} people.`);
      made.push(
        await ctx.db.insert("breakoutRooms", {
          meetingId,
          roomNumber: at + 1,
          name: name.trim(),
          // Made at another time, groups get other rooms: people of before must not meet in them.
          roomName: `${meeting.roomName}__b${at + 1}_${now.toString(36)}`,
          assignedParticipants: people,
          maxParticipants: EACH_MAX,
          duration: minutes,
          status: "waiting",
          createdAt: now,
        }),
      );
    }
    return made;
  },
};
/** Divides people into groups; they go there when the groups are opened. */
export const make = mutation(makeFunction);

/** Opens the groups and sends their people there. They are called back when their time is over. */
export const open = mutation({
  args: { meetingId },
  returns: v.null(),
  handler: async (ctx, { meetingId }) => {
    const { meeting } = await allowed(ctx, meetingId, "run_activity");
    check(meeting.status === "live", "Start the meeting before you open its groups.");
    const now = Date.now();
    const settings = roomSettingsOf(meeting, await controlsOf(ctx, meetingId));
    let endsAt = 0;
    for (const group of await openGroups(ctx, meetingId)) {
      if (group.status === "active") continue;
      await openRoomNamed(ctx, group.roomName, meetingId, { ...settings, maxParticipants: group.maxParticipants }, now);
      await moveAll(ctx, meeting, meeting.roomName, group.roomName, now, group.assignedParticipants);
      const endTime = now + group.duration * 60_000;
      await ctx.db.patch("breakoutRooms", group._id, { status: "active", startTime: now, endTime });
      endsAt = Math.max(endsAt, endTime);
    }
    check(endsAt > 0, "There are no groups to open.");
    await ctx.scheduler.runAt(endsAt, internal.meetings.breakouts.timeOver, { meetingId, endsAt });
    return null;
  },
});

/** Calls everybody back and closes the groups. */
export const close = mutation({
  args: { meetingId },
  returns: v.null(),
  handler: async (ctx, { meetingId }) => {
    const { meeting } = await allowed(ctx, meetingId, "run_activity");
    await callBack(ctx, meeting, Date.now());
    return null;
  },
});

export const timeOver = internalMutation({
  args: { meetingId, endsAt: v.number() },
  returns: v.null(),
  handler: async (ctx, { meetingId, endsAt }) => {
    const meeting = await ctx.db.get("meetings", meetingId);
    const current = (await openGroups(ctx, meetingId)).some((group) => group.endTime === endsAt);
    if (meeting !== null && current) await callBack(ctx, meeting, Date.now());
    return null;
  },
});

/** The groups of a meeting, for everybody in it. */
export const list = query({
  args: { meetingId },
  returns: v.array(
    v.object({
      groupId: v.id("breakoutRooms"),
      number: v.number(),
      name: v.string(),
      room: v.string(),
      people: v.array(userId),
      status: v.union(v.literal("waiting"), v.literal("active"), v.literal("ended")),
      endsAt: v.union(v.number(), v.null()),
    }),
  ),
  handler: async (ctx, { meetingId }) => {
    const access = await seen(ctx, meetingId);
    if (access === null) return [];
    const groups = await ctx.db
      .query("breakoutRooms")
      .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
      .order("desc")
      .take(GROUPS_MAX);
    return groups.reverse().map((group) => ({
      groupId: group._id,
      number: group.roomNumber,
      name: group.name,
      room: group.roomName,
      people: group.assignedParticipants,
      status: group.status,
      endsAt: group.endTime ?? null,
    }));
  },
});

/** Closes the groups of a meeting that ends; whoever is in one goes with it. */
export async function closeGroups(ctx: MutationCtx, meetingId: Id<"meetings">, now: number): Promise<void> {
  for (const group of await openGroups(ctx, meetingId)) {
    if (group.status === "active") await closeMeetingRoom(ctx, group.roomName, "meeting_ended", now);
    await ctx.db.patch("breakoutRooms", group._id, { status: "ended", endTime: now });
  }
}

async function callBack(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<void> {
  for (const group of await openGroups(ctx, meeting._id)) {
    // The empty room ends by itself: closed at once, it would throw out people who are still on their way.
    if (group.status === "active") await moveAll(ctx, meeting, group.roomName, meeting.roomName, now);
    await ctx.db.patch("breakoutRooms", group._id, { status: "ended", endTime: now });
  }
}

async function moveAll(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  from: string,
  to: string,
  now: number,
  people?: readonly Id<"users">[],
): Promise<void> {
  for (const span of await spansIn(ctx, from)) {
    if (people !== undefined && !people.some((id) => id === span.userId)) continue;
    await sendOver(ctx, span, meeting, to, now);
  }
}

async function openGroups(ctx: MutationCtx, meetingId: Id<"meetings">): Promise<Doc<"breakoutRooms">[]> {
  const groups = await ctx.db
    .query("breakoutRooms")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
    .order("desc")
    .take(GROUPS_MAX);
  return groups.filter((group) => group.status !== "ended").reverse();
}
