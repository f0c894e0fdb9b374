// Joins and leaves as attendance: one span for each connection. Facts of one node come in order; those of two nodes do
// not, and those of a node that was cut off come late, so each is fitted in by its time.
import type { Doc, Id } from "../../_generated/dataModel";
import type { MutationCtx } from "../../_generated/server";
import * as facts from "../../meetings/facts";
import { settle } from "../../model/edge/clock";
import type { Joined, Left } from "../wire";
import { endHand } from "./hands";
import { attach, roomOfFact } from "./rooms";
import { endTracks } from "./tracks";

/** Connections of one identity that are looked at when it connects again. */
const MAX_OWN = 50;

/** Nodes that one sid is looked for on: it goes along when somebody is handed over. */
const MAX_MOVES = 8;

/** Where a fact comes from. */
export type Source = {
  node: Doc<"edgeNodes">;
  now: number;
  /** The last sign of life of the node's former process, as far as this batch tells; its connections end there. */
  formerUntil: number;
};

export type Ending = {
  leftAt: number;
  closedBy: NonNullable<Doc<"edgeSpans">["closedBy"]>;
  reason: string;
};

export async function applyJoined(ctx: MutationCtx, event: Joined, source: Source): Promise<void> {
  const former = await spanOf(ctx, event.room, event.sid, source);
  if (former !== null && (former.leftAt === undefined || event.at <= former.joinedAt)) {
    return;
  }
  const room = await roomOfFact(ctx, event, source);
  const joinedAt = settle(event.at, source.now, former?.leftAt);
  const { type, at, attributes, ...told } = event;
  const id = await ctx.db.insert("edgeSpans", {
    ...told,
    meetingId: told.meetingId ?? room.meetingId,
    node: source.node.node,
    joinedAt,
    lastAt: joinedAt,
  });
  if (room.status === "open") {
    await attach(ctx, room.room, source.node.node, source.now, source.node.node);
  }
  const span = await ctx.db.get("edgeSpans", id);
  if (span === null) {
    throw new Error("the span was written above");
  }
  await facts.onJoined(ctx, { span, attributes: attributes ?? {} });
  await leaveElsewhere(ctx, span);
  if (event.at < source.node.startedAtMs) {
    await endFormer(ctx, id, source);
  }
}

/** Told by a process that has ended since: nobody is there any more, and its log may not say so. */
async function endFormer(ctx: MutationCtx, id: Id<"edgeSpans">, source: Source): Promise<void> {
  const span = await ctx.db.get("edgeSpans", id);
  if (span !== null && span.leftAt === undefined) {
    const reason = "its node started again";
    await closeSpan(ctx, span, { leftAt: source.formerUntil, closedBy: "lease", reason });
  }
}

/** One identity is in a room once. The earlier connection ends where the later begins, until its own node says when. */
async function leaveElsewhere(ctx: MutationCtx, span: Doc<"edgeSpans">): Promise<void> {
  const own = await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_identity", (q) => q.eq("room", span.room).eq("identity", span.identity))
    .order("desc")
    .take(MAX_OWN);
  const open = own.filter(({ _id, leftAt }) => _id !== span._id && leftAt === undefined);
  const reason = "connected again";
  for (const other of open.filter(({ joinedAt }) => joinedAt <= span.joinedAt)) {
    await closeSpan(ctx, other, { leftAt: span.joinedAt, closedBy: "moved", reason });
  }
  const later = open.filter(({ joinedAt }) => joinedAt > span.joinedAt).map(({ joinedAt }) => joinedAt);
  if (later.length > 0) {
    await closeSpan(ctx, span, { leftAt: Math.min(...later), closedBy: "moved", reason });
  }
}

export async function applyLeft(ctx: MutationCtx, event: Left, source: Source): Promise<void> {
  const span = await spanOf(ctx, event.room, event.sid, source);
  if (span === null) {
    throw new Error("nobody with this sid has joined the room on this node");
  }
  if (span.closedBy === "left") {
    return;
  }
  const leftAt = settle(event.at, source.now, span.joinedAt);
  await closeSpan(ctx, span, { leftAt, closedBy: "left", reason: event.reason });
}

/** Ends the span, or corrects the end it was given before its own node told. */
export async function closeSpan(ctx: MutationCtx, span: Doc<"edgeSpans">, ending: Ending): Promise<void> {
  const leftAt = Math.max(ending.leftAt, span.joinedAt);
  await ctx.db.patch("edgeSpans", span._id, { ...ending, leftAt, lastAt: Math.max(span.lastAt, leftAt) });
  await endTracks(ctx, span, leftAt);
  await endHand(ctx, span, leftAt);
  const closed = await ctx.db.get("edgeSpans", span._id);
  if (closed !== null) {
    await facts.onLeft(ctx, { span: closed, corrects: span.leftAt });
  }
}

/** The latest connection under this sid to the node that tells of it: no node speaks for another's people. */
export async function spanOf(
  ctx: MutationCtx,
  room: string,
  sid: string,
  source: Source,
): Promise<Doc<"edgeSpans"> | null> {
  const spans = await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_sid", (q) => q.eq("room", room).eq("sid", sid))
    .order("desc")
    .take(MAX_MOVES);
  return spans.find(({ node }) => node === source.node.node) ?? null;
}
