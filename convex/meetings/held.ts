// Tokens that people hold: which identities were let into which meeting, until when. Whoever is removed must not come
// back by a token of another device, by one not used yet, or by a refresh of it; so all their identities are revoked.
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import { revokeTokens } from "../edge/rooms";
import { check } from "./access";
import { tell } from "./room";

/** Groups of a meeting that are looked through for those somebody was taken to. */
const GROUPS_MAX = 50;

/** Identities of one person in one meeting: each device is one, and some browsers are a new one each time. */
const HELD_MAX = 200;

type Given = Pick<Doc<"meetingInvitations">, "userId" | "identity" | "role" | "notBefore" | "expiresAt">;

/** Notes that somebody was given a token; ends the function when they hold too many. */
export async function noteHeld(ctx: MutationCtx, meetingId: Id<"meetings">, given: Given, now: number): Promise<void> {
  const noted = await hold(ctx, meetingId, given, now);
  check(noted, "You have joined this meeting from too many devices. Use one of those.");
}

/**
 * Notes that somebody is given a token; false when they hold too many. A newer one for the same identity takes the place
 * of the older.
 */
export async function hold(ctx: MutationCtx, meetingId: Id<"meetings">, given: Given, now: number): Promise<boolean> {
  const known = await ctx.db
    .query("meetingInvitations")
    .withIndex("by_meeting_user", (q) =>
      q.eq("meetingId", meetingId).eq("userId", given.userId).eq("identity", given.identity),
    )
    .unique();
  if (known !== null) {
    // The longer of both is what nodes may still see.
    const expiresAt = Math.max(known.expiresAt, given.expiresAt);
    const notBefore = Math.max(known.notBefore, given.notBefore);
    await ctx.db.patch("meetingInvitations", known._id, { ...given, expiresAt, notBefore, issuedAt: now, revokedAt: undefined });
    return true;
  }
  const held = await heldBy(ctx, meetingId, given.userId);
  if (held.length >= HELD_MAX) return false;
  await ctx.db.insert("meetingInvitations", { meetingId, ...given, issuedAt: now });
  return true;
}

/** The tokens of one person in one meeting, also those taken back. */
export async function heldBy(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
): Promise<Doc<"meetingInvitations">[]> {
  return await ctx.db
    .query("meetingInvitations")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId))
    .take(HELD_MAX);
}

/** Takes back all tokens somebody holds, and sends out whoever is in by one. */
export async function withdraw(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  userId: Id<"users">,
  now: number,
): Promise<void> {
  const groups = await groupsWith(ctx, meeting._id, userId);
  for (const held of await heldBy(ctx, meeting._id, userId)) {
    if (held.revokedAt !== undefined || held.expiresAt < now) continue;
    await ctx.db.patch("meetingInvitations", held._id, { revokedAt: now });
    await tell(ctx, { type: "remove", room: meeting.roomName, identity: held.identity, revokeTokens: true }, now);
    // Nodes refuse what was valid before a revocation; an invitation is valid only from later on.
    await revokeTokens(ctx, meeting.roomName, held.identity, Math.max(now, held.notBefore));
    for (const room of groups) await revokeTokens(ctx, room, held.identity, now);
  }
}

/** The rooms of the groups somebody was sent to: with a token for each, which still counts when they are back. */
async function groupsWith(ctx: MutationCtx, meetingId: Id<"meetings">, userId: Id<"users">): Promise<string[]> {
  const groups = await ctx.db
    .query("breakoutRooms")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
    .order("desc")
    .take(GROUPS_MAX);
  return groups
    .filter(({ startTime, assignedParticipants }) => startTime !== undefined && assignedParticipants.includes(userId))
    .map(({ roomName }) => roomName);
}
