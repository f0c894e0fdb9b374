// What facts from the nodes mean for meetings. Each function runs in the mutation that stores the fact, once for each
// fact, after the fleet's own tables were written; what it throws sends the event to the dead letters. Facts may come
// late (a node was cut off) and may name users and meetings that do not exist.
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import type { ChatDeleted, ChatEdited } from "../edge/wire";
import { accountOf, userOfIdentity } from "../host";
import { EARLY_MS } from "../model/meetings/door";
import { editChat, eraseChat, keepChat } from "./chat";
import { settle } from "./ending";
import { isPlanned } from "./jobs";
import { closeRow, openRow, reopenRow, setActivity, setConnection } from "./rows";
import { makeWhenEmpty, markStale } from "./reports";
import { closeMeetingRoom } from "./room";
import { markLive } from "./starting";

/** A connection began; `span` is its row, still open unless its end is known already. */
export type JoinedFact = { span: Doc<"edgeSpans">; attributes: Record<string, string> };

/**
 * A connection ended: `span.leftAt`, `span.closedBy` and `span.reason` say when and why. `corrects` is the end told
 * before, when a late fact corrects one that the node's lease had set.
 */
export type LeftFact = { span: Doc<"edgeSpans">; corrects?: number };

/** A span that a lease had closed at `closedAt` goes on: its node was only out of reach. */
export type ResumedFact = { span: Doc<"edgeSpans">; closedAt: number };

/** A track appeared or, with `track.unpublishedAt`, went; `span` is its publisher's, unless that is unknown. */
export type TrackFact = { track: Doc<"edgeTracks">; span: Doc<"edgeSpans"> | null };

/** How a connection was over some seconds. */
export type QualityFact = { quality: Doc<"edgeQuality">; span: Doc<"edgeSpans"> | null };

/** A chat message, told once. `chat.text` is there; `chat.to` empty is everybody. */
export type ChatFact = { chat: Doc<"edgeChat">; span: Doc<"edgeSpans"> | null };

/** A hand went up or down. */
export type HandFact = { hand: Doc<"edgeHands">; span: Doc<"edgeSpans"> | null };

/** A room came to life on a node, or ended; `room.closeReason` says why it ended. */
export type RoomFact = { room: Doc<"edgeRooms">; node: string; at: number };

export async function onJoined(ctx: MutationCtx, { span }: JoinedFact): Promise<void> {
  const meeting = await meetingOf(ctx, span);
  if (meeting === null) return;
  const userId = (await accountOf(ctx, span.userId)) ?? (await userOfIdentity(ctx, span.identity));
  await attribute(ctx, span, meeting._id, userId);
  if (userId !== null) await openRow(ctx, meeting, userId, span);
  await remake(ctx, meeting, span.joinedAt);
}

export async function onLeft(ctx: MutationCtx, { span, corrects }: LeftFact): Promise<void> {
  const meeting = await meetingOfSpan(ctx, span);
  if (meeting === null) return;
  const userId = await accountOf(ctx, span.userId);
  if (userId !== null) await closeRow(ctx, meeting, userId, span, corrects);
  if (meeting.status !== "ended" || (await makeWhenEmpty(ctx, meeting))) return;
  await remake(ctx, meeting, span.lastAt);
}

export async function onResumed(ctx: MutationCtx, { span, closedAt }: ResumedFact): Promise<void> {
  const meeting = await meetingOfSpan(ctx, span);
  const userId = meeting === null ? null : await accountOf(ctx, span.userId);
  if (meeting === null || userId === null) return;
  await reopenRow(ctx, meeting, userId, span, closedAt);
}

export async function onTrackPublished(ctx: MutationCtx, { track, span }: TrackFact): Promise<void> {
  await noteActivity(ctx, track, span, track.unpublishedAt === undefined);
}

export async function onTrackUnpublished(ctx: MutationCtx, { track, span }: TrackFact): Promise<void> {
  await noteActivity(ctx, track, span, false);
}

export async function onQuality(ctx: MutationCtx, { quality, span }: QualityFact): Promise<void> {
  const meeting = await meetingOfSpan(ctx, span);
  const userId = meeting === null ? null : await accountOf(ctx, span?.userId);
  if (meeting !== null && userId !== null) await setConnection(ctx, meeting._id, userId, quality.score);
}

/** True when the meeting side has stored the text, so that the fleet's own row need not keep it. */
export async function onChat(ctx: MutationCtx, { chat, span }: ChatFact): Promise<boolean> {
  const meeting = await meetingOf(ctx, chat);
  if (meeting === null) return false;
  if (chat.meetingId !== meeting._id) await ctx.db.patch("edgeChat", chat._id, { meetingId: meeting._id });
  await remake(ctx, meeting, chat.sentAt);
  const userId = (await accountOf(ctx, chat.userId)) ?? (await accountOf(ctx, span?.userId));
  return userId !== null && (await keepChat(ctx, meeting, chat, { userId, name: span?.name }));
}

/** Called for an edit by the message's own author only; `chat` is the row before the edit. */
export async function onChatEdited(
  ctx: MutationCtx,
  { chat, edit }: { chat: Doc<"edgeChat">; edit: ChatEdited },
): Promise<void> {
  await editChat(ctx, chat._id, edit.text);
}

/** Called for a deletion by the message's own author only. */
export async function onChatDeleted(
  ctx: MutationCtx,
  { chat }: { chat: Doc<"edgeChat">; deletion: ChatDeleted },
): Promise<void> {
  await eraseChat(ctx, chat._id);
}

/** `count` messages passed that only their readers can open; the fleet's own count is all there is to keep. */
export async function onChatSealed(
  ctx: MutationCtx,
  fact: { room: string; meetingId?: string; count: number; at: number },
): Promise<void> {
  const meeting = await meetingOf(ctx, fact);
  if (meeting !== null) await remake(ctx, meeting, fact.at);
}

/** Hands stand in the fleet's own rows, which pages read. */
export async function onHand(ctx: MutationCtx, { hand, span }: HandFact): Promise<void> {
  const meeting = await meetingOfSpan(ctx, span);
  if (meeting !== null) await remake(ctx, meeting, hand.loweredAt ?? hand.raisedAt);
}

/** A meeting is live when its room is, from a quarter of an hour before its start on. */
export async function onRoomStarted(ctx: MutationCtx, { room, at }: RoomFact): Promise<void> {
  const meeting = await meetingOf(ctx, room);
  if (meeting === null) return;
  if (room.meetingId !== meeting._id) await ctx.db.patch("edgeRooms", room._id, { meetingId: meeting._id });
  if (meeting.roomName !== room.room) return;
  const open = at >= meeting.scheduledStartTime - EARLY_MS && at < meeting.scheduledEndTime;
  if (meeting.status === "scheduled" && open) await markLive(ctx, meeting, at);
  // Told late: the schedule had noted the start when it could, not when it was.
  else if (meeting.status === "live" && open && at < (meeting.actualStartTime ?? at)) {
    await ctx.db.patch("meetings", meeting._id, { actualStartTime: Math.max(at, meeting.scheduledStartTime) });
  }
  // Somebody kept a token of the host's own past the end: the room goes again, and they with it.
  const over = meeting.status === "cancelled" || (meeting.status === "ended" && at > (meeting.actualEndTime ?? at));
  if (over) await closeMeetingRoom(ctx, room.room, "meeting_ended", at);
}

/**
 * An empty or deleted room ends no meeting: people may come back while its time lasts, and its end has a job of its own.
 */
export async function onRoomEnded(ctx: MutationCtx, { room, at }: RoomFact): Promise<void> {
  const meeting = await meetingOf(ctx, room);
  if (meeting === null) return;
  await remake(ctx, meeting, at);
  // The host's own functions end the meeting and delete the room; the rest of an ending is done here.
  const over = meeting.status === "ended" || meeting.status === "cancelled";
  if (over && (await isPlanned(ctx, meeting._id))) await settle(ctx, meeting, "host", at);
}

/** The meeting that a fact belongs to: named by a token of ours, or found by the name of its room. */
async function meetingOf(
  ctx: MutationCtx,
  fact: { room: string; meetingId?: string },
): Promise<Doc<"meetings"> | null> {
  const id = fact.meetingId === undefined ? null : ctx.db.normalizeId("meetings", fact.meetingId);
  const told = id === null ? null : await ctx.db.get("meetings", id);
  if (told !== null) return told;
  const own = await ctx.db
    .query("meetings")
    .withIndex("by_room_name", (q) => q.eq("roomName", fact.room))
    .first();
  if (own !== null) return own;
  const group = await ctx.db
    .query("breakoutRooms")
    .withIndex("by_room_name", (q) => q.eq("roomName", fact.room))
    .first();
  return group === null ? null : await ctx.db.get("meetings", group.meetingId);
}

/** The meeting of a connection, as it was found when it began: what belonged to none then belongs to none. */
async function meetingOfSpan(ctx: MutationCtx, span: Doc<"edgeSpans"> | null): Promise<Doc<"meetings"> | null> {
  return span?.meetingId === undefined ? null : await meetingOf(ctx, span);
}

/** Writes into a span what its token did not say. */
async function attribute(
  ctx: MutationCtx,
  span: Doc<"edgeSpans">,
  meetingId: Id<"meetings">,
  userId: Id<"users"> | null,
): Promise<void> {
  const known = userId === null || span.userId === userId;
  if (span.meetingId === meetingId && known) return;
  await ctx.db.patch("edgeSpans", span._id, { meetingId, ...(known ? {} : { userId }) });
}

async function noteActivity(
  ctx: MutationCtx,
  track: Doc<"edgeTracks">,
  span: Doc<"edgeSpans"> | null,
  on: boolean,
): Promise<void> {
  if (track.source !== "camera" && track.source !== "microphone") return;
  const meeting = await meetingOfSpan(ctx, span);
  const userId = meeting === null ? null : await accountOf(ctx, span?.userId);
  if (meeting === null || userId === null) return;
  await setActivity(ctx, meeting._id, userId, track.source === "camera" ? { hasVideo: on } : { hasAudio: on });
}

/** What is told of a meeting after its end changes its register. */
async function remake(ctx: MutationCtx, meeting: Doc<"meetings">, at: number): Promise<void> {
  if (meeting.status === "ended") await markStale(ctx, meeting._id, at);
}
