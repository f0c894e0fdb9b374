// What the meeting side asks of the fleet: open a room, close it, tell its nodes something, find a node for somebody.
// Plain functions, to be called inside a mutation of the caller's, so that they happen together with what it writes.
import type { Doc } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { orderNodes, type RegionTimes } from "../model/edge/placement";
import { rendezvousOrder } from "../model/edge/rendezvous";
import { attach, endRoom, PLAIN_ROOM, pokeRoom, touchRoom } from "./apply/rooms";
import { poke, send } from "./commands";
import { attachedTo, latestRoomRow, openRoomRow } from "./desired";
import { activeNodes, nodeLoads, openNodes, touchAll } from "./fleet";
import type { CommandBody, RoomSettings } from "./wire";

/** A node somebody may connect to; the caller's page measures and takes the nearest. */
export type Candidate = { node: string; region: string; url: string };

export type Placement = { node: string; url: string; candidates: Candidate[] };

/** As many as a page measures within its budget. */
const MAX_CANDIDATES = 4;

/** People of a room that are told at once. */
const MAX_PEOPLE = 1000;

/** A refresh keeps nobody in for longer than this. */
const REVOKED_MS = 24 * 3_600_000;

type Reads = Pick<QueryCtx, "db">;

/** Opens the room, or changes the settings and the meeting of the one that is open already. */
export async function openRoom(
  ctx: MutationCtx,
  wish: { room: string; settings?: Partial<RoomSettings>; meetingId?: string; now: number },
): Promise<Doc<"edgeRooms">> {
  const latest = await latestRoomRow(ctx, wish.room);
  let id = latest?._id;
  if (latest?.status === "open") {
    await change(ctx, latest, wish);
  } else {
    const [home] = await rendezvousOrder(wish.room, openNodes(await activeNodes(ctx)));
    id = await ctx.db.insert("edgeRooms", {
      room: wish.room,
      roomSid: roomSid(),
      generation: (latest?.generation ?? 0) + 1,
      home: home ?? "",
      status: "open",
      origin: "opened",
      settings: { ...PLAIN_ROOM, ...wish.settings },
      meetingId: wish.meetingId,
      openedAt: wish.now,
    });
    if (home !== undefined) {
      await attach(ctx, wish.room, home, wish.now);
    }
  }
  const room = id === undefined ? null : await ctx.db.get("edgeRooms", id);
  if (room === null) {
    throw new Error("the room was written above");
  }
  return room;
}

async function change(
  ctx: MutationCtx,
  room: Doc<"edgeRooms">,
  wish: { settings?: Partial<RoomSettings>; meetingId?: string; now: number },
): Promise<void> {
  const settings = { ...room.settings, ...wish.settings };
  const meetingId = wish.meetingId ?? room.meetingId;
  if (JSON.stringify([settings, meetingId]) === JSON.stringify([room.settings, room.meetingId])) {
    return;
  }
  await ctx.db.patch("edgeRooms", room._id, { settings, meetingId });
  await touchRoom(ctx, room.room);
  await pokeRoom(ctx, room.room, wish.now);
}

/** Sends everybody out and closes the room on all its nodes; nothing when it is not open. */
export async function closeRoom(ctx: MutationCtx, wish: { room: string; reason: string; now: number }): Promise<void> {
  const room = await openRoomRow(ctx, wish.room);
  if (room === null) {
    return;
  }
  await command(ctx, { type: "close_room", room: wish.room, reason: wish.reason }, wish.now);
  await endRoom(ctx, room, { closedAt: wish.now, closeReason: wish.reason }, room.home);
}

/**
 * Tells the nodes of a room to do something. What concerns one participant goes to the node they are connected to; what
 * concerns the room goes to its home, and the order to close it to all. Answers the ids, none when no node is there.
 */
export async function command(ctx: MutationCtx, body: CommandBody, now: number): Promise<string[]> {
  if (body.type === "drain" || body.type === "undrain") {
    throw new Error("a drain is for a node, not for a room: use edge/nodes:drain");
  }
  if (body.type === "remove" && body.revokeTokens) {
    await revokeTokens(ctx, body.room, body.identity, now);
  }
  const ids: string[] = [];
  for (const node of await nodesFor(ctx, body, now)) {
    ids.push(...(await send(ctx, node, [body], now)));
  }
  return ids;
}

type RoomCommand = Exclude<CommandBody, { type: "drain" | "undrain" }>;

async function nodesFor(ctx: Reads, body: RoomCommand, now: number): Promise<string[]> {
  const attached = (await attachedTo(ctx, body.room)).map(({ node }) => node);
  if (body.type === "close_room") {
    return attached;
  }
  const alive = new Set((await nodeLoads(ctx, now)).filter((node) => node.alive).map(({ node }) => node));
  const span = "identity" in body ? await openSpanOf(ctx, body.room, body.identity) : null;
  const home = (await openRoomRow(ctx, body.room))?.home;
  // Any node of the room passes a command on to the participant's own.
  const first = [span?.node, home, ...attached].find((node) => node !== undefined && alive.has(node));
  return first === undefined ? [] : [first];
}

/**
 * Tokens of this identity made before `now` open the room no more, on any node. What an earlier revocation of a later
 * time has closed stays closed: an invitation is revoked from the time on at which it would begin to count.
 */
export async function revokeTokens(ctx: MutationCtx, room: string, identity: string, now: number): Promise<void> {
  const known = await ctx.db
    .query("edgeRevocations")
    .withIndex("by_room_identity", (q) => q.eq("room", room).eq("identity", identity))
    .unique();
  const row = {
    room,
    identity,
    before: Math.max(known?.before ?? 0, Math.floor(now / 1000)),
    expiresAt: Math.max(known?.expiresAt ?? 0, now + REVOKED_MS),
  };
  if (known === null) {
    await ctx.db.insert("edgeRevocations", row);
  } else {
    await ctx.db.patch("edgeRevocations", known._id, row);
  }
  await touchAll(ctx);
  // They would be let in again by any node that has not heard of it.
  for (const { node } of await activeNodes(ctx)) {
    await poke(ctx, node, now);
  }
}

/**
 * A node for somebody, and others they may try, the likeliest first; null when no node takes anybody. The chosen node is
 * told of the room ahead of their coming.
 */
export async function placeFor(
  ctx: MutationCtx,
  wish: { room: string; regions: RegionTimes; now: number },
): Promise<Placement | null> {
  const attached = await attachedTo(ctx, wish.room);
  const nodes = await nodeLoads(ctx, wish.now);
  const order = orderNodes(nodes, new Set(attached.map(({ node }) => node)), wish.regions);
  const [first] = order;
  if (first === undefined) {
    return null;
  }
  const room = await openRoomRow(ctx, wish.room);
  if (room !== null) {
    await attach(ctx, wish.room, first.node, wish.now);
    await keepHome(ctx, room, new Set(nodes.filter((node) => node.alive).map(({ node }) => node)), first.node);
  }
  const candidates = order.slice(0, MAX_CANDIDATES).map(({ node, region, url }) => ({ node, region, url }));
  return { node: first.node, url: first.url, candidates };
}

/** A room whose home is silent, or that never had one, gets the node that somebody is about to connect to. */
async function keepHome(ctx: MutationCtx, room: Doc<"edgeRooms">, alive: Set<string>, node: string): Promise<void> {
  if (!alive.has(room.home)) {
    await ctx.db.patch("edgeRooms", room._id, { home: node, generation: room.generation + 1 });
    await touchRoom(ctx, room.room);
  }
}

/** The present life of a room, if it has one. */
export async function currentRoom(ctx: Reads, room: string): Promise<Doc<"edgeRooms"> | null> {
  return await openRoomRow(ctx, room);
}

/** Who is connected to the room now, at most `limit` of them. */
export async function openSpans(ctx: Reads, room: string, limit = MAX_PEOPLE): Promise<Doc<"edgeSpans">[]> {
  return await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_open", (q) => q.eq("room", room).eq("leftAt", undefined))
    .take(limit);
}

/** Their present connection, if they are in the room. */
export async function openSpanOf(ctx: Reads, room: string, identity: string): Promise<Doc<"edgeSpans"> | null> {
  const latest = await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_identity", (q) => q.eq("room", room).eq("identity", identity))
    .order("desc")
    .first();
  return latest?.leftAt === undefined ? latest : null;
}

const SID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** As LiveKit's; it tells the lives of a room apart and is no secret. */
function roomSid(): string {
  return `RM_${Array.from({ length: 12 }, () => SID_LETTERS[Math.floor(Math.random() * SID_LETTERS.length)]).join("")}`;
}
