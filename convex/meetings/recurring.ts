// Repeated meetings: each occurrence becomes a meeting of its own, some weeks ahead, with its own room, code, guests and
// register. The first one carries the rule.
import { v } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import { internalMutation } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { announce } from "../edge/announce";
import { meetingLink } from "../host";
import { occurrences } from "../model/meetings/recurrence";
import { controlsOf, setControls } from "./controls";
import { setGuests } from "./guests";
import { planJobs } from "./jobs";
import { newCode, newRoomName } from "./names";
import { planReminders } from "./reminders";

/** Calendars show this much ahead. */
const HORIZON_MS = 35 * 24 * 3_600_000;
/** Occurrences made in one mutation; a job makes the rest. */
const EACH = 20;
/** Rules looked at in one go. */
const RULES = 50;

/** Makes the occurrences of a repeated meeting that come into sight. Twice is once. */
export async function expand(ctx: MutationCtx, parent: Doc<"meetings">, now: number): Promise<void> {
  if (parent.recurrence === undefined || parent.recurringMeetingId !== undefined) return;
  const { timeZone } = await controlsOf(ctx, parent._id);
  const starts = occurrences(parent.recurrence, parent.scheduledStartTime, timeZone, now + HORIZON_MS);
  await dropUnwanted(ctx, parent, new Set(starts), now);
  let made = 0;
  // The first occurrence is the meeting that carries the rule.
  for (const startsAt of starts.slice(1)) {
    if (startsAt <= now || (await isMade(ctx, parent._id, startsAt))) continue;
    if (made === EACH) {
      await ctx.scheduler.runAfter(0, internal.meetings.recurring.expandOne, { meetingId: parent._id });
      return;
    }
    await makeOccurrence(ctx, parent, startsAt, now);
    made += 1;
  }
}

async function isMade(ctx: MutationCtx, parentId: Id<"meetings">, startsAt: number): Promise<boolean> {
  const known = await ctx.db
    .query("meetingOccurrences")
    .withIndex("by_parent_start", (q) => q.eq("parentId", parentId).eq("startsAt", startsAt))
    .unique();
  return known !== null;
}

async function makeOccurrence(
  ctx: MutationCtx,
  parent: Doc<"meetings">,
  startsAt: number,
  now: number,
): Promise<void> {
  const { _id, _creationTime, recurrence: _rule, actualStartTime: _began, actualEndTime: _over, ...like } = parent;
  const code = await newCode(ctx);
  const meetingId = await ctx.db.insert("meetings", {
    ...like,
    // The rule alone is "recurring": so rules are found without reading what they made.
    type: "scheduled",
    recurringMeetingId: _id,
    scheduledStartTime: startsAt,
    scheduledEndTime: startsAt + (parent.scheduledEndTime - parent.scheduledStartTime),
    roomName: await newRoomName(ctx),
    meetingCode: code,
    meetingLink: meetingLink(code),
    status: "scheduled",
    recordingStatus: "idle",
    totalDuration: undefined,
    recordingUrl: undefined,
    recordingDuration: undefined,
    recordingSize: undefined,
    recordingEgressId: undefined,
    recordingStartedAt: undefined,
    recordingEndedAt: undefined,
    recordingFilename: undefined,
    createdAt: now,
    updatedAt: now,
  });
  await ctx.db.insert("meetingOccurrences", { parentId: _id, startsAt, meetingId });
  const { allowedDomains, allowedNetworks, timeZone, reminders, emptyTimeoutS, onlyOurTokens } = await controlsOf(ctx, _id);
  await setControls(
    ctx,
    meetingId,
    { allowedDomains, allowedNetworks, timeZone, reminders, emptyTimeoutS, onlyOurTokens },
    now,
  );
  await copySecret(ctx, _id, meetingId, now);
  const meeting = await ctx.db.get("meetings", meetingId);
  if (meeting === null) return;
  await setGuests(ctx, meeting);
  await planReminders(ctx, meeting, now);
  await planJobs(ctx, meeting, now);
}

async function copySecret(ctx: MutationCtx, from: Id<"meetings">, to: Id<"meetings">, now: number): Promise<void> {
  const secret = await ctx.db
    .query("meetingSecrets")
    .withIndex("by_meeting", (q) => q.eq("meetingId", from))
    .unique();
  if (secret === null) return;
  const { hash, salt, rounds } = secret;
  await ctx.db.insert("meetingSecrets", { meetingId: to, hash, salt, rounds, updatedAt: now });
}

/** When the rule has changed: occurrences to come that it no longer names are cancelled. */
async function dropUnwanted(
  ctx: MutationCtx,
  parent: Doc<"meetings">,
  starts: ReadonlySet<number>,
  now: number,
): Promise<void> {
  const made = await ctx.db
    .query("meetingOccurrences")
    .withIndex("by_parent_start", (q) => q.eq("parentId", parent._id).gt("startsAt", now))
    .take(RULES * 4);
  for (const row of made) {
    if (starts.has(row.startsAt) || row.startsAt > now + HORIZON_MS) continue;
    const meeting = row.meetingId === null ? null : await ctx.db.get("meetings", row.meetingId);
    if (meeting?.status === "scheduled") {
      await ctx.db.patch("meetings", meeting._id, { status: "cancelled", updatedAt: now });
      await announce(ctx, meeting, "now", now);
    }
    await ctx.db.delete("meetingOccurrences", row._id);
  }
}

export const expandOne = internalMutation({
  args: { meetingId: v.id("meetings") },
  returns: v.null(),
  handler: async (ctx, { meetingId }) => {
    const parent = await ctx.db.get("meetings", meetingId);
    if (parent !== null && parent.status !== "cancelled") await expand(ctx, parent, Date.now());
    return null;
  },
});

/** Looks at all rules, a few at a time. Run daily. */
export const expandAll = internalMutation({
  args: { after: v.optional(v.number()) },
  returns: v.null(),
  handler: async (ctx, { after = 0 }) => {
    const rules = await ctx.db
      .query("meetings")
      .withIndex("by_type", (q) => q.eq("type", "recurring").gt("_creationTime", after))
      .take(RULES);
    for (const rule of rules) {
      if (rule.recurrence === undefined || rule.recurringMeetingId !== undefined || rule.status === "cancelled") continue;
      await ctx.scheduler.runAfter(0, internal.meetings.recurring.expandOne, { meetingId: rule._id });
    }
    const last = rules[rules.length - 1];
    if (rules.length === RULES && last !== undefined) {
      await ctx.scheduler.runAfter(0, internal.meetings.recurring.expandAll, { after: last._creationTime });
    }
    return null;
  },
});
