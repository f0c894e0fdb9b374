// The life of a meeting as people steer it: made, changed, started, extended, ended, cancelled, deleted. What the
// schedule does by itself is in `schedule.ts`; what becomes of the rows when it ends, in `ending.ts`.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import { mutation } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { announce } from "../edge/announce";
import { audit, mayCreate, meetingLink } from "../host";
import type { Person } from "../host";
import { flawOf } from "../model/meetings/recurrence";
import { allowed, check, refuse, requireViewer } from "./access";
import { closeRows, finish } from "./ending";
import { withdraw } from "./held";
import { limits } from "./limits";
import { newCode, newRoomName } from "./names";
import { expand } from "./recurring";
import { closeMeetingRoom, openMeetingRoom } from "./room";
import { plan, unplan } from "./schedule";
import { checkTimes, fieldsOf, setBeyond } from "./settings";
import { goLive } from "./starting";
import { choices, meetingId, meetingKind, recurrence } from "./validators";

/** An instant meeting's end is only a limit: the platform's own four hours. */
const INSTANT_MS = 4 * 3_600_000;
const EXTENSION_MAX_MINUTES = 12 * 60;

const createArgs = v.object({ ...choices, kind: meetingKind, recurrence: v.optional(recurrence) });

export const createFunction = {
  args: createArgs,
  returns: v.object({ meetingId, room: v.string(), code: v.string(), link: v.string() }),
  handler: async (ctx: MutationCtx, args: Infer<typeof createArgs>) => {
    const viewer = await requireViewer(ctx);
    if (viewer.tenant === null || !mayCreate(viewer, args.kind)) {
      return refuse("not_allowed", "Your account cannot make such a meeting. Ask an administrator of your foundation.");
    }
    const pause = await limits.often(ctx, "create", viewer.userId);
    check(pause === null, "You have made many meetings. Wait a minute and try again.");
    const now = Date.now();
    const meeting = await insertMeeting(ctx, { ...viewer, tenant: viewer.tenant }, args, now);
    // A page that makes meetings here joins them here: tokens made elsewhere would pass by the door.
    await setBeyond(ctx, meeting._id, { ...args, onlyOurTokens: args.onlyOurTokens ?? true }, now);
    await plan(ctx, meeting, now);
    if (meeting.status === "live") await openMeetingRoom(ctx, meeting, now);
    await audit(ctx, { meeting, person: viewer, action: "create_meeting", now });
    return {
      meetingId: meeting._id,
      room: meeting.roomName,
      code: meeting.meetingCode ?? "",
      link: meeting.meetingLink ?? "",
    };
  },
};
/** Makes a meeting: at once, at a time, or at many. */
export const create = mutation(createFunction);

async function insertMeeting(
  ctx: MutationCtx,
  host: Person & { tenant: Id<"foundations"> },
  args: Infer<typeof createArgs>,
  now: number,
): Promise<Doc<"meetings">> {
  const instant = args.kind === "instant";
  const startsAt = instant ? now : args.startsAt;
  const endsAt = instant ? now + INSTANT_MS : args.endsAt;
  check(startsAt !== undefined && endsAt !== undefined, "Say when the meeting begins and ends.");
  checkTimes(startsAt, endsAt);
  check(instant || endsAt > now, "Choose a time that has not passed.");
  check(args.title !== undefined, "Give the meeting a title.");
  check((args.kind === "recurring") === (args.recurrence !== undefined), "Say how a recurring meeting repeats.");
  const flaw = args.recurrence === undefined ? null : flawOf(args.recurrence);
  check(flaw === null, flaw ?? "");
  const code = await newCode(ctx);
  const id = await ctx.db.insert("meetings", {
    title: args.title,
    coHosts: [],
    waitingRoomEnabled: false,
    recordingEnabled: true,
    chatEnabled: true,
    screenShareEnabled: true,
    whiteboardEnabled: true,
    // Where nobody says otherwise, the link is the invitation, as in the platform's dialogue.
    allowUninvitedJoin: true,
    ...(await fieldsOf(ctx, args)),
    foundationId: host.tenant,
    hostId: host.userId,
    type: args.kind,
    ...(args.recurrence === undefined ? {} : { recurrence: args.recurrence }),
    roomName: await newRoomName(ctx),
    meetingCode: code,
    meetingLink: meetingLink(code),
    scheduledStartTime: startsAt,
    scheduledEndTime: endsAt,
    recordingStatus: "idle",
    status: instant ? "live" : "scheduled",
    ...(instant ? { actualStartTime: now } : {}),
    createdAt: now,
    updatedAt: now,
  });
  return (await ctx.db.get("meetings", id)) ?? refuse("gone", "The meeting could not be made. Try again.");
}

const updateArgs = v.object({ meetingId, changes: v.object({ ...choices, recurrence: v.optional(recurrence) }) });

export const updateFunction = {
  args: updateArgs,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId, changes }: Infer<typeof updateArgs>) => {
    const { meeting, viewer, role } = await allowed(ctx, meetingId, "edit");
    check(role === "host" || role === "staff" || changes.coHosts === undefined, "Only the host names co-hosts.");
    check(meeting.status !== "ended" && meeting.status !== "cancelled", "This meeting is over; make a new one.");
    const now = Date.now();
    const startsAt = changes.startsAt ?? meeting.scheduledStartTime;
    const endsAt = changes.endsAt ?? meeting.scheduledEndTime;
    checkTimes(startsAt, endsAt);
    check(changes.endsAt === undefined || endsAt > now, "Choose an end that has not passed.");
    check(changes.startsAt === undefined || meeting.status === "scheduled", "A meeting that has begun keeps its start.");
    if (changes.recurrence !== undefined) {
      const flaw = flawOf(changes.recurrence);
      const repeats = meeting.type === "recurring" && meeting.recurringMeetingId === undefined;
      check(repeats && flaw === null, flaw ?? "Only a recurring meeting repeats.");
    }
    await ctx.db.patch("meetings", meetingId, {
      ...(await fieldsOf(ctx, changes)),
      ...(changes.recurrence === undefined ? {} : { recurrence: changes.recurrence }),
      updatedAt: now,
    });
    await setBeyond(ctx, meetingId, changes, now);
    for (const userId of dropped(meeting, changes.invited)) await withdraw(ctx, meeting, userId, now);
    await replan(ctx, meetingId, now);
    const { maxParticipants } = changes;
    if (maxParticipants !== undefined && maxParticipants !== (meeting.maxParticipants ?? 0)) {
      await announce(ctx, meeting, "now", now);
    }
    await audit(ctx, { meeting, person: viewer, action: "update_meeting", now });
    return null;
  },
};
/** Changes a meeting that has not ended. Only what is given is changed. */
export const update = mutation(updateFunction);

/** Whom a new list of guests leaves out: the passes they hold open the door no more. */
function dropped(meeting: Doc<"meetings">, invited: Id<"users">[] | undefined): Id<"users">[] {
  if (invited === undefined) return [];
  const kept = new Set([meeting.hostId, ...meeting.coHosts, ...invited]);
  return (meeting.invitedParticipants ?? []).filter((userId) => !kept.has(userId));
}

const one = v.object({ meetingId });
type One = Infer<typeof one>;

export const startFunction = {
  args: one,
  returns: v.object({ room: v.string() }),
  handler: async (ctx: MutationCtx, { meetingId }: One) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "start");
    check(meeting.status === "scheduled" || meeting.status === "live", "This meeting is over; make a new one.");
    const now = Date.now();
    await goLive(ctx, meeting, now);
    await audit(ctx, { meeting, person: viewer, action: "start_meeting", now });
    return { room: meeting.roomName };
  },
};
/** Starts a meeting now. */
export const start = mutation(startFunction);

export const endFunction = {
  args: one,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId }: One) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "end");
    check(meeting.status === "live" || meeting.status === "scheduled", "This meeting has ended already.");
    const now = Date.now();
    await finish(ctx, meeting, { status: meeting.status === "live" ? "ended" : "cancelled", reason: "host", now });
    await audit(ctx, { meeting, person: viewer, action: "end_meeting", now });
    return null;
  },
};
/** Ends a meeting for all; one that has not begun is cancelled. */
export const end = mutation(endFunction);

export const endSessionFunction = {
  args: one,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId }: One) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "end_session");
    check(meeting.status === "live", "Nobody is in this meeting.");
    const now = Date.now();
    await closeMeetingRoom(ctx, meeting.roomName, "session_ended", now);
    await closeRows(ctx, meetingId, now);
    await audit(ctx, { meeting, person: viewer, action: "end_session", now });
    return null;
  },
};
/** Sends everybody out. The meeting stays live: they may come back while its time lasts. */
export const endSession = mutation(endSessionFunction);

const extension = v.object({ meetingId, minutes: v.number() });

export const extendFunction = {
  args: extension,
  returns: v.object({ endsAt: v.number() }),
  handler: async (ctx: MutationCtx, { meetingId, minutes }: Infer<typeof extension>) => {
    const { meeting } = await allowed(ctx, meetingId, "edit");
    check(meeting.status === "live" || meeting.status === "scheduled", "This meeting is over; make a new one.");
    check(
      Number.isInteger(minutes) && minutes >= 1 && minutes <= EXTENSION_MAX_MINUTES,
      `Extend by 1 to ${EXTENSION_MAX_MINUTES} minutes.`,
    );
    const now = Date.now();
    const endsAt = Math.max(meeting.scheduledEndTime, now) + minutes * 60_000;
    await ctx.db.patch("meetings", meetingId, { scheduledEndTime: endsAt, updatedAt: now });
    await replan(ctx, meetingId, now);
    return { endsAt };
  },
};
/** Moves the end of a meeting later. */
export const extend = mutation(extendFunction);

/** Ends a repetition: meetings of it that are still to come are cancelled, those that were held stay. */
export const endSeries = mutation({
  args: one,
  returns: v.null(),
  handler: async (ctx, { meetingId }) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "edit");
    const { recurrence } = meeting;
    check(recurrence !== undefined, "This meeting does not repeat; name the one that began the series.");
    const now = Date.now();
    const ended = { ...recurrence, endDate: now };
    await ctx.db.patch("meetings", meetingId, { recurrence: ended, updatedAt: now });
    await expand(ctx, { ...meeting, recurrence: ended }, now);
    await audit(ctx, { meeting, person: viewer, action: "end_series", now });
    return null;
  },
});

export const removeFunction = {
  args: one,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId }: One) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "delete");
    check(meeting.status !== "live", "End the meeting before you delete it.");
    const now = Date.now();
    if (meeting.status === "scheduled") await finish(ctx, meeting, { status: "cancelled", reason: "deleted", now });
    await unplan(ctx, meetingId);
    await audit(ctx, { meeting, person: viewer, action: "delete_meeting", now });
    // What happened in it stays in our own tables: a fact may still come, and a register is a record.
    await ctx.db.delete("meetings", meetingId);
    return null;
  },
};
/** Deletes a meeting that is not live. */
export const remove = mutation(removeFunction);

async function replan(ctx: MutationCtx, meetingId: Id<"meetings">, now: number): Promise<void> {
  const meeting = await ctx.db.get("meetings", meetingId);
  if (meeting === null) return;
  await plan(ctx, meeting, now);
  if (meeting.status === "live") await openMeetingRoom(ctx, meeting, now);
}
