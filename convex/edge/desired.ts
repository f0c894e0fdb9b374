// What a node should be like: its rooms, its fellow nodes, what is scheduled, which tokens count. Made whole, compared
// by its hash, and told again only when that differs, so that a node that missed a change gets it with the next sync.
import type { Doc } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { scheduledRooms } from "../meetings/scheduled";
import { sha256, toHex, utf8 } from "../model/edge/bytes";
import { rendezvousOrder } from "../model/edge/rendezvous";
import { tokenKeys } from "./env";
import { activeNodes, assignmentRow, isDraining, openNodes } from "./fleet";
import type { Desired } from "./wire";

/** Rooms a node is told of; it hosts fewer. */
const MAX_ROOMS = 300;
const MAX_SCHEDULED = 200;
const MAX_REVOKED = 500;
/** Nodes of one room; a room in more places than this is a broadcast. */
const MAX_ATTACHED = 50;

/** How far ahead nodes know the schedule: a weekend's outage begins on Friday evening. */
export const SCHEDULE_MS = 48 * 3_600_000;
/** A meeting may be running late when it is looked for. */
export const SCHEDULE_PAST_MS = 3_600_000;

/**
 * The schedule moves on although nothing was written, and a host's own functions write it without saying so; it is
 * looked at again after this. What is changed here is announced (`announce.ts`).
 */
const REMAKE_MS = 60_000;

type Reads = Pick<QueryCtx, "db">;

/** What to tell a node that last heard `hash`; nothing when that still is so. */
export async function desiredUnless(
  ctx: MutationCtx,
  node: Doc<"edgeNodes">,
  hash: string,
  now: number,
): Promise<Desired | undefined> {
  const told = await assignmentRow(ctx, node.node);
  if (told !== null && !told.stale && told.hash === hash && now - told.madeAt < REMAKE_MS) {
    return undefined;
  }
  const desired = await tellDesired(ctx, node, now);
  return desired.hash === hash ? undefined : desired;
}

/** Makes it anew and notes what the node was told. */
export async function tellDesired(ctx: MutationCtx, node: Doc<"edgeNodes">, now: number): Promise<Desired> {
  const desired = await makeDesired(ctx, node, now);
  const row = { node: node.node, hash: desired.hash, madeAt: now, stale: false };
  const told = await assignmentRow(ctx, node.node);
  if (told === null) {
    await ctx.db.insert("edgeAssignments", row);
  } else {
    await ctx.db.patch("edgeAssignments", told._id, row);
  }
  return desired;
}

async function makeDesired(ctx: Reads, self: Doc<"edgeNodes">, now: number): Promise<Desired> {
  const nodes = await activeNodes(ctx);
  const content = {
    rooms: await desiredRooms(ctx, self.node),
    peers: nodes
      .filter(({ node }) => node !== self.node)
      .map((node) => ({
        node: node.node,
        region: node.region,
        url: node.url,
        relay: node.relay,
        signingKey: node.signingKey,
        draining: isDraining(node),
        alive: node.alive,
      })),
    scheduled: await desiredSchedule(ctx, nodes, now),
    tokenKeys: await tokenKeys(),
    revoked: await revocations(ctx, now),
    draining: self.draining,
  };
  return { hash: toHex(await sha256(utf8(JSON.stringify(content)))), ...content };
}

async function desiredRooms(ctx: Reads, node: string): Promise<Desired["rooms"]> {
  const attachments = await ctx.db
    .query("edgeAttachments")
    .withIndex("by_node", (q) => q.eq("node", node))
    .take(MAX_ROOMS);
  const rooms = [];
  for (const { room } of attachments) {
    const row = await openRoomRow(ctx, room);
    if (row !== null) {
      rooms.push({
        room,
        roomSid: row.roomSid,
        generation: row.generation,
        home: row.home,
        nodes: (await attachedTo(ctx, room)).map((attachment) => attachment.node),
        ...row.settings,
        meetingId: row.meetingId,
      });
    }
  }
  return rooms;
}

/**
 * The coming meetings. Their home is what every node would find by itself, and each region has one node of theirs, so
 * that the people of a city that is cut off meet on one node.
 */
async function desiredSchedule(
  ctx: Reads,
  nodes: readonly Doc<"edgeNodes">[],
  now: number,
): Promise<Desired["scheduled"]> {
  const scheduled = await scheduledRooms(ctx, {
    from: now - SCHEDULE_PAST_MS,
    to: now + SCHEDULE_MS,
    limit: MAX_SCHEDULED,
  });
  const told = [];
  for (const { room, meetingId, startsAt, endsAt, maxParticipants } of scheduled) {
    const [home, hosts] = await hostsOf(room, nodes);
    if (home !== undefined) {
      told.push({ room, meetingId, startsAt, endsAt, home, nodes: hosts, maxParticipants });
    }
  }
  return told;
}

/** The home of a scheduled room, and one node of each region; no home when no node is open. */
export async function hostsOf(
  room: string,
  nodes: readonly Doc<"edgeNodes">[],
): Promise<[home: string | undefined, hosts: string[]]> {
  const regionOf = new Map(nodes.map(({ node, region }) => [node, region]));
  const order = await rendezvousOrder(room, openNodes(nodes));
  const firstOfRegion = new Map([...order].reverse().map((node) => [regionOf.get(node), node]));
  return [order[0], [...firstOfRegion.values()].sort()];
}

async function revocations(ctx: Reads, now: number): Promise<Desired["revoked"]> {
  const rows = await ctx.db
    .query("edgeRevocations")
    .withIndex("by_expiry", (q) => q.gt("expiresAt", now))
    .order("desc")
    .take(MAX_REVOKED);
  return rows.map(({ room, identity, before }) => ({ room, identity, before }));
}

/** The present life of a room, if it has one. */
export async function openRoomRow(ctx: Reads, room: string): Promise<Doc<"edgeRooms"> | null> {
  const latest = await latestRoomRow(ctx, room);
  return latest?.status === "open" ? latest : null;
}

export async function latestRoomRow(ctx: Reads, room: string): Promise<Doc<"edgeRooms"> | null> {
  return await ctx.db
    .query("edgeRooms")
    .withIndex("by_room", (q) => q.eq("room", room))
    .order("desc")
    .first();
}

/** The nodes of a room, by name. */
export async function attachedTo(ctx: Reads, room: string): Promise<Doc<"edgeAttachments">[]> {
  return await ctx.db
    .query("edgeAttachments")
    .withIndex("by_room", (q) => q.eq("room", room))
    .take(MAX_ATTACHED);
}
