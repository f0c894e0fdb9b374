// Entries to a meeting's room: a node, others to try, and a token that says who may do what there; and the token alone
// for who is taken there. Whether somebody may have one was decided before.
import type { Doc } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import { openRoom, placeFor } from "../edge/rooms";
import type { Candidate } from "../edge/rooms";
import { invitationFor, joinToken } from "../edge/tokens";
import { personOf } from "../host";
import type { Person } from "../host";
import type { Role } from "../model/meetings/roles";
import { check, roleOf } from "./access";
import { controlsOf, roomSettingsOf } from "./controls";
import { grantsFor } from "./grants";
import { hold, noteHeld } from "./held";

/** What a page needs to connect. */
export interface Entry {
  identity: string;
  token: string;
  url: string;
  candidates: Candidate[];
  expiresAt: number;
}

/** Where somebody comes from: a device of theirs, and round trips to regions as their page measured them. */
export interface Origin {
  device: string;
  regions: Record<string, number>;
}

interface Who {
  viewer: Person;
  role: Role;
}

/** A meeting may be extended while people are in; refreshes keep them in that long without asking again. */
const STAY_BEYOND_MS = 4 * 3_600_000;
/** How long a join token opens the door, as the fleet makes it. */
const JOIN_MS = 10 * 60_000;
/** Regions a page can have measured; more is not a page. */
const REGIONS_MAX = 32;

/** An entry for now. Null when no node takes anybody. */
export async function grantEntry(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  who: Who,
  origin: Origin,
  now: number,
): Promise<Entry | null> {
  // The room may not be open yet: people come up to a quarter of an hour before the meeting is live.
  const settings = roomSettingsOf(meeting, await controlsOf(ctx, meeting._id));
  await openRoom(ctx, { room: meeting.roomName, settings, meetingId: meeting._id, now });
  const placement = await placeFor(ctx, { room: meeting.roomName, regions: regionsOf(origin), now });
  if (placement === null) return null;
  const stayUntil = stayOf(meeting, now);
  const holder = holderOf(meeting, who, origin);
  const token = await joinToken(holder, await permissionOf(ctx, meeting, who, meeting.roomName), { now, stayUntil });
  const given = { userId: who.viewer.userId, identity: holder.identity, role: who.role };
  await noteHeld(ctx, meeting._id, { ...given, notBefore: now, expiresAt: stayUntil }, now);
  return {
    identity: holder.identity,
    token,
    url: placement.url,
    candidates: placement.candidates,
    expiresAt: now + JOIN_MS,
  };
}

/**
 * A token for who is taken to `room`, which is the meeting's own or one of its groups', under the identity they have.
 * Undefined for somebody of whom nobody knows who they are, or who is nobody in that meeting.
 */
export async function grantMove(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  room: string,
  { identity, userId }: Pick<Doc<"edgeSpans">, "identity" | "userId">,
  now: number,
): Promise<string | undefined> {
  const viewer = userId === undefined ? null : await personOf(ctx, userId);
  const role = viewer === null ? null : roleOf(meeting, viewer);
  if (viewer === null || role === null) return undefined;
  const stayUntil = stayOf(meeting, now);
  const given = { userId: viewer.userId, identity, role, notBefore: now, expiresAt: stayUntil };
  // A token that is not noted could not be taken back; and one person with too many must not keep the others here.
  if (!(await hold(ctx, meeting._id, given, now))) return undefined;
  const who = { viewer, role };
  return await joinToken(bearer(meeting, who, identity), await permissionOf(ctx, meeting, who, room), { now, stayUntil });
}

/** An entry for a scheduled meeting, ahead of it. Without a node there is still a token: the page knows the nodes. */
export async function grantInvitation(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  who: Who,
  origin: Origin,
  window: { notBefore: number; expiresAt: number },
  now: number,
): Promise<Entry> {
  const placement = await placeFor(ctx, { room: meeting.roomName, regions: regionsOf(origin), now });
  const holder = holderOf(meeting, who, origin);
  const token = await invitationFor(holder, await permissionOf(ctx, meeting, who, meeting.roomName), {
    startsAt: meeting.scheduledStartTime,
    endsAt: meeting.scheduledEndTime,
  });
  return {
    identity: holder.identity,
    token,
    url: placement?.url ?? "",
    candidates: placement?.candidates ?? [],
    expiresAt: window.expiresAt,
  };
}

function stayOf(meeting: Doc<"meetings">, now: number): number {
  return Math.max(meeting.scheduledEndTime, now) + STAY_BEYOND_MS;
}

function holderOf(meeting: Doc<"meetings">, who: Who, { device }: Origin) {
  check(/^[A-Za-z0-9_-]{1,32}$/.test(device), "Name the device with 1 to 32 letters, digits, - or _.");
  return bearer(meeting, who, `${who.viewer.userId}#${device}`);
}

function bearer(meeting: Doc<"meetings">, { viewer, role }: Who, identity: string) {
  return {
    identity,
    name: viewer.name,
    user: viewer.userId,
    meeting: meeting._id,
    attributes: { "tof.role": role },
  };
}

async function permissionOf(ctx: MutationCtx, meeting: Doc<"meetings">, who: Who, room: string) {
  const grants = await grantsFor(ctx, meeting, who);
  // Raised hands are an attribute that participants set on themselves.
  return { room, ...grants, canUpdateOwnMetadata: true };
}

/** Of what a page says of regions, what can be. */
export function regionsOf({ regions }: Pick<Origin, "regions">): Record<string, number> {
  const known = Object.entries(regions).filter(([, ms]) => Number.isFinite(ms) && ms >= 0 && ms < 60_000);
  return Object.fromEntries(known.slice(0, REGIONS_MAX));
}
