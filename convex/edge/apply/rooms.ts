// Rooms as nodes find them. A room that was opened here is only noted as started; a room of plain tokens is taken over
// as it is found, and two nodes that found it at once are brought together under one home.
import { v } from "convex/values";
import { internal } from "../../_generated/api";
import type { Doc } from "../../_generated/dataModel";
import { internalMutation, type MutationCtx } from "../../_generated/server";
import * as facts from "../../meetings/facts";
import { settle } from "../../model/edge/clock";
import { rendezvousOrder } from "../../model/edge/rendezvous";
import { poke } from "../commands";
import { attachedTo, latestRoomRow, openRoomRow } from "../desired";
import { activeNodes, openNodes, touch } from "../fleet";
import type { RoomEnded, RoomSettings, RoomStarted } from "../wire";
import { closeSpan, type Source } from "./spans";

/** What a room is like that nobody has described. */
export const PLAIN_ROOM: RoomSettings = {
  locked: false,
  maxParticipants: 0,
  emptyTimeoutS: 300,
  departureTimeoutS: 20,
  tokens: "any",
};

/** People of one node in one room that are ended in one step. */
const MAX_ENDED = 15;

export async function applyRoomStarted(ctx: MutationCtx, event: RoomStarted, source: Source): Promise<void> {
  const startedAt = settle(event.at, source.now);
  const room = await roomOfFact(ctx, event, source);
  const first = room.startedAt === undefined;
  if (room.startedAt === undefined || startedAt < room.startedAt) {
    await ctx.db.patch("edgeRooms", room._id, { startedAt });
  }
  if (room.status === "closed") {
    return;
  }
  await attach(ctx, room.room, source.node.node, source.now, source.node.node);
  if (room.roomSid !== event.roomSid) {
    await merge(ctx, room, event, source);
  }
  const row = await ctx.db.get("edgeRooms", room._id);
  if (first && row !== null) {
    await facts.onRoomStarted(ctx, { room: row, node: source.node.node, at: startedAt });
  }
}

/**
 * Two nodes began the room apart. The higher generation is the later placement and wins; between equals the room's home
 * does, which every node finds alike. The other node learns of it with its next sync and joins its part to the room.
 */
async function merge(ctx: MutationCtx, room: Doc<"edgeRooms">, event: RoomStarted, source: Source): Promise<void> {
  const wins =
    event.generation > room.generation ||
    (room.origin === "plain" && event.generation === room.generation && room.home === source.node.node);
  if (wins) {
    await ctx.db.patch("edgeRooms", room._id, { roomSid: event.roomSid, generation: event.generation });
    await touchRoom(ctx, room.room);
    await pokeRoom(ctx, room.room, source.now, source.node.node);
  }
}

export async function applyRoomEnded(ctx: MutationCtx, event: RoomEnded, source: Source): Promise<void> {
  const node = source.node.node;
  const at = settle(event.at, source.now);
  const room = (await roomBySid(ctx, event.roomSid)) ?? (await openRoomRow(ctx, event.room));
  if (room === null || room.room !== event.room) {
    throw new Error("no such room was ever open");
  }
  const { startedAtMs } = source.node;
  await endSpans(ctx, { room: room.room, node, startedAtMs, at });
  if (room.status === "closed") {
    return;
  }
  await detach(ctx, room.room, node);
  const rest = await attachedTo(ctx, room.room);
  // A home that was replaced speaks for its own part only; the last to go takes the room along.
  const speaks = room.home === node && event.generation >= room.generation;
  if (speaks || rest.length === 0) {
    await endRoom(ctx, room, { closedAt: at, closeReason: event.reason }, node);
  }
}

/** Closes the row, and lets go of its nodes. */
export async function endRoom(
  ctx: MutationCtx,
  room: Doc<"edgeRooms">,
  end: { closedAt: number; closeReason: string },
  node: string,
): Promise<void> {
  const attachments = await attachedTo(ctx, room.room);
  for (const attachment of attachments) {
    await ctx.db.delete("edgeAttachments", attachment._id);
  }
  await touch(ctx, [...attachments.map((attachment) => attachment.node), room.home]);
  await ctx.db.patch("edgeRooms", room._id, { status: "closed", ...end });
  const closed = await ctx.db.get("edgeRooms", room._id);
  if (closed !== null) {
    await facts.onRoomEnded(ctx, { room: closed, node, at: end.closedAt });
  }
}

/** One step of ending the people of a node's room whose leaving it did not tell; the rest follows by itself. */
export const endPeople = internalMutation({
  args: { room: v.string(), node: v.string(), startedAtMs: v.number(), at: v.number() },
  returns: v.null(),
  handler: async (ctx, ended) => {
    await endSpans(ctx, ended);
    return null;
  },
});

type Ended = { room: string; node: string; startedAtMs: number; at: number };

/** Open spans, and those that a lapsed lease of this process had closed meanwhile. */
async function endSpans(ctx: MutationCtx, ended: Ended): Promise<void> {
  const { room, node, startedAtMs, at } = ended;
  const open = await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_node_closed", (q) =>
      q.eq("room", room).eq("node", node).eq("closedBy", undefined).lte("joinedAt", at),
    )
    .take(MAX_ENDED);
  const lapsed = await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_node_closed", (q) =>
      q.eq("room", room).eq("node", node).eq("closedBy", "lease").gte("joinedAt", startedAtMs).lte("joinedAt", at),
    )
    .take(MAX_ENDED);
  for (const span of [...open, ...lapsed]) {
    await closeSpan(ctx, span, { leftAt: at, closedBy: "room", reason: "the room ended" });
  }
  if (open.length === MAX_ENDED || lapsed.length === MAX_ENDED) {
    await ctx.scheduler.runAfter(0, internal.edge.apply.rooms.endPeople, ended);
  }
}

/** The life of the room that a fact speaks of; a room that nobody knew is open from now on. */
export async function roomOfFact(
  ctx: MutationCtx,
  fact: { room: string; roomSid: string; at: number; generation?: number },
  source: Source,
): Promise<Doc<"edgeRooms">> {
  const told = await roomBySid(ctx, fact.roomSid);
  if (told !== null && told.room === fact.room) {
    return told;
  }
  const latest = await latestRoomRow(ctx, fact.room);
  if (latest?.status === "open") {
    return latest;
  }
  const [home] = await rendezvousOrder(fact.room, openNodes(await activeNodes(ctx)));
  const id = await ctx.db.insert("edgeRooms", {
    room: fact.room,
    roomSid: fact.roomSid,
    generation: Math.max(fact.generation ?? 1, (latest?.generation ?? 0) + 1),
    home: home ?? source.node.node,
    status: "open",
    origin: "plain",
    settings: PLAIN_ROOM,
    openedAt: settle(fact.at, source.now),
  });
  const room = await ctx.db.get("edgeRooms", id);
  if (room === null) {
    throw new Error("the room was written above");
  }
  await attach(ctx, room.room, room.home, source.now, source.node.node);
  return room;
}

/**
 * Notes that the node hosts the room, and tells all nodes of the room at once, so that they find each other before the
 * people do. `told` is the node whose report this comes from: it hears of it in the answer.
 */
export async function attach(
  ctx: MutationCtx,
  room: string,
  node: string,
  now: number,
  told?: string,
): Promise<void> {
  if ((await attachmentOf(ctx, room, node)) === null) {
    await ctx.db.insert("edgeAttachments", { room, node, attachedAt: now });
    await touchRoom(ctx, room);
    await pokeRoom(ctx, room, now, told);
  }
}

/** The nodes of the room come at once for what has changed, `except` one that hears of it anyway. */
export async function pokeRoom(ctx: MutationCtx, room: string, now: number, except?: string): Promise<void> {
  for (const { node } of await attachedTo(ctx, room)) {
    if (node !== except) {
      await poke(ctx, node, now);
    }
  }
}

export async function detach(ctx: MutationCtx, room: string, node: string): Promise<void> {
  const attachment = await attachmentOf(ctx, room, node);
  if (attachment !== null) {
    await touchRoom(ctx, room);
    await ctx.db.delete("edgeAttachments", attachment._id);
  }
}

export async function touchRoom(ctx: MutationCtx, room: string): Promise<void> {
  const attachments = await attachedTo(ctx, room);
  await touch(
    ctx,
    attachments.map(({ node }) => node),
  );
}

async function attachmentOf(ctx: MutationCtx, room: string, node: string): Promise<Doc<"edgeAttachments"> | null> {
  return await ctx.db
    .query("edgeAttachments")
    .withIndex("by_room", (q) => q.eq("room", room).eq("node", node))
    .unique();
}

async function roomBySid(ctx: MutationCtx, roomSid: string): Promise<Doc<"edgeRooms"> | null> {
  return await ctx.db
    .query("edgeRooms")
    .withIndex("by_sid", (q) => q.eq("roomSid", roomSid))
    .order("desc")
    .first();
}
