// The host's own rows of who is in a meeting, kept from what nodes tell. The host reads open rows with `.unique()`, so
// there is at most one for each person, whatever devices they bring; every connection's own span is the fleet's.
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import { personOf } from "../host";
import { grantsOf } from "../model/meetings/grants";
import { wordFor } from "../model/meetings/quality";
import { roleOf } from "./access";
import { spansOf } from "./room";

type Row = Doc<"meetingParticipants">;

/** The rows of one person that may still change; older ones are history. */
const ROWS = 50;

/** Somebody is in: their open row says since when. */
export async function openRow(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  userId: Id<"users">,
  span: Doc<"edgeSpans">,
): Promise<void> {
  const rows = await rowsOf(ctx, meeting._id, userId);
  const [open, ...extra] = rows.filter((row) => row.leaveTime === undefined);
  // A second open row would make the host's own functions fail.
  for (const row of extra) await close(ctx, row, row.joinTime);
  if (open === undefined) return await insertRow(ctx, meeting, userId, span);
  const others = (await spansOf(ctx, meeting._id, userId)).some(({ _id }) => _id !== span._id);
  // The host's function made the row when it was asked, or long ago and nobody ever came: this is when they came.
  await ctx.db.patch("meetingParticipants", open._id, {
    joinTime: others ? Math.min(open.joinTime, span.joinedAt) : span.joinedAt,
    deviceType: span.client.device ?? span.client.os,
    browser: span.client.browser,
  });
}

/** A connection ended; the person has left when it was the last one. */
export async function closeRow(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  userId: Id<"users">,
  span: Doc<"edgeSpans">,
  corrects: number | undefined,
): Promise<void> {
  const leftAt = span.leftAt ?? span.lastAt;
  const others = (await spansOf(ctx, meeting._id, userId)).some(({ _id }) => _id !== span._id);
  if (others) return;
  const rows = await rowsOf(ctx, meeting._id, userId);
  const row =
    rows.find(({ leaveTime }) => leaveTime === undefined) ??
    (corrects === undefined ? undefined : rows.find(({ leaveTime }) => leaveTime === corrects));
  if (row !== undefined) await close(ctx, row, leftAt);
}

/** A connection that was given up goes on: its row is open again, as if it had never been closed. */
export async function reopenRow(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  userId: Id<"users">,
  span: Doc<"edgeSpans">,
  closedAt: number,
): Promise<void> {
  if (meeting.status === "ended" || meeting.status === "cancelled") return;
  const rows = await rowsOf(ctx, meeting._id, userId);
  if (rows.some(({ leaveTime }) => leaveTime === undefined)) return;
  const closed = rows.find(({ leaveTime }) => leaveTime === closedAt);
  if (closed === undefined) return await insertRow(ctx, meeting, userId, span);
  await ctx.db.patch("meetingParticipants", closed._id, { leaveTime: undefined, duration: undefined });
}

/** Whether somebody shows or speaks. */
export async function setActivity(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
  activity: { hasVideo?: boolean; hasAudio?: boolean },
): Promise<void> {
  const row = (await rowsOf(ctx, meetingId, userId)).find(({ leaveTime }) => leaveTime === undefined);
  if (row === undefined) return;
  const { hasVideo = row.hasVideo, hasAudio = row.hasAudio } = activity;
  if (hasVideo === row.hasVideo && hasAudio === row.hasAudio) return;
  await ctx.db.patch("meetingParticipants", row._id, { hasVideo, hasAudio });
}

/** How somebody's connection is, in a word; written only when it changes. */
export async function setConnection(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
  score: number,
): Promise<void> {
  const row = (await rowsOf(ctx, meetingId, userId)).find(({ leaveTime }) => leaveTime === undefined);
  const connectionQuality = wordFor(score);
  if (row === undefined || row.connectionQuality === connectionQuality) return;
  await ctx.db.patch("meetingParticipants", row._id, { connectionQuality });
}

async function insertRow(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  userId: Id<"users">,
  span: Doc<"edgeSpans">,
): Promise<void> {
  const person = await personOf(ctx, userId);
  const role = (person === null ? null : roleOf(meeting, person)) ?? "participant";
  const grants = grantsOf(
    { userId, role, ownTenant: person?.tenant === meeting.foundationId },
    {
      chatEnabled: meeting.chatEnabled,
      screenShareEnabled: meeting.screenShareEnabled,
      presenters: meeting.allowedPresenters ?? "everyone",
      presenterIds: meeting.allowedPresentersIds ?? [],
    },
    {},
  );
  await ctx.db.insert("meetingParticipants", {
    meetingId: meeting._id,
    userId,
    foundationId: meeting.foundationId,
    joinTime: span.joinedAt,
    // A fact that came late may be of somebody who has gone long since.
    ...(span.leftAt === undefined ? {} : { leaveTime: span.leftAt, duration: span.leftAt - span.joinedAt }),
    // The host knows no staff; they lead like moderators do.
    role: role === "staff" ? "moderator" : role,
    hasVideo: false,
    hasAudio: false,
    canShare: grants.canPublishSources.includes("screen_share"),
    canChat: grants.canPublishData,
    canAnnotate: meeting.whiteboardEnabled,
    deviceType: span.client.device ?? span.client.os,
    browser: span.client.browser,
    createdAt: span.joinedAt,
  });
}

async function close(ctx: MutationCtx, row: Row, at: number): Promise<void> {
  const leaveTime = Math.max(at, row.joinTime);
  await ctx.db.patch("meetingParticipants", row._id, { leaveTime, duration: leaveTime - row.joinTime });
}

async function rowsOf(ctx: MutationCtx, meetingId: Id<"meetings">, userId: Id<"users">): Promise<Row[]> {
  return await ctx.db
    .query("meetingParticipants")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId))
    .order("desc")
    .take(ROWS);
}
