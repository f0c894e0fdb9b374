// Invitations: join tokens given out ahead of a scheduled meeting, valid for its window and their holder's role, kept by
// the page. With one, somebody comes in although this deployment cannot be reached.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import { mutation } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { audit } from "../host";
import { EARLY_MS, inDomains } from "../model/meetings/door";
import { allowed, check, isInvited, refuse, requirePerson } from "./access";
import { controlsOf, hasPassword } from "./controls";
import { setGuests } from "./guests";
import { heldBy, noteHeld, withdraw } from "./held";
import { INVITED_MAX } from "./settings";
import { grantInvitation } from "./tokens";
import { admission, meetingId, userId } from "./validators";

/** Nodes learn the rooms of the next 48 hours; a token for later would name one they do not know. */
const AHEAD_MS = 48 * 3_600_000;
/** Classes run over: the token outlives the plan by this much. */
const OVERRUN_MS = 30 * 60_000;

const takeArgs = v.object({ meetingId, device: v.string(), regions: v.optional(v.record(v.string(), v.number())) });

/**
 * Gives the viewer their invitation for one device. Only people asked by name have one, and only where nothing has to be
 * asked at the door that a token cannot answer: a password, a network, a host's word.
 */
export const take = mutation({
  args: takeArgs,
  returns: v.union(
    v.object({
      status: v.literal("given"),
      identity: v.string(),
      ...admission,
      notBefore: v.number(),
    }),
    v.object({ status: v.literal("refused"), reason: v.string(), message: v.string() }),
  ),
  handler: async (ctx, { meetingId, device, regions }) => {
    const { meeting, viewer, role } = await allowed(ctx, meetingId, "see");
    const now = Date.now();
    const flaw = await flawOf(ctx, meeting, viewer.userId, now);
    if (flaw !== null) return { status: "refused" as const, ...flaw };
    const window = { notBefore: meeting.scheduledStartTime - EARLY_MS, expiresAt: meeting.scheduledEndTime + OVERRUN_MS };
    const entry = await grantInvitation(ctx, meeting, { viewer, role }, { device, regions: regions ?? {} }, window, now);
    await noteHeld(ctx, meeting._id, { userId: viewer.userId, identity: entry.identity, role, ...window }, now);
    const { identity, token, url, candidates } = entry;
    return { status: "given" as const, identity, token, url, candidates, ...window };
  },
});

async function flawOf(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  viewerId: Id<"users">,
  now: number,
): Promise<{ reason: string; message: string } | null> {
  if (!isInvited(meeting, viewerId)) {
    return { reason: "not_invited", message: "Only people asked to this meeting by name have an invitation." };
  }
  if (meeting.status !== "scheduled" && meeting.status !== "live") {
    return { reason: "over", message: "This meeting is over." };
  }
  if (meeting.scheduledStartTime > now + AHEAD_MS) {
    return { reason: "too_early", message: "Invitations are given from 48 hours before the meeting." };
  }
  const removal = await ctx.db
    .query("meetingRemovals")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meeting._id).eq("userId", viewerId))
    .first();
  if (removal !== null) return { reason: "removed", message: "A host has removed you from this meeting." };
  // Nodes go on refusing tokens of that window; at the door one is newer.
  const withdrawn = await heldBy(ctx, meeting._id, viewerId);
  if (withdrawn.some(({ revokedAt }) => revokedAt !== undefined)) {
    return { reason: "withdrawn", message: "Your invitation was taken back once; join when the meeting begins." };
  }
  return (await asksAtDoor(ctx, meeting, viewerId))
    ? { reason: "asked_at_door", message: "This meeting asks at its door; join when it begins." }
    : null;
}

/** Whether the door would ask somebody who is invited for more than their name. */
async function asksAtDoor(ctx: MutationCtx, meeting: Doc<"meetings">, viewerId: Id<"users">): Promise<boolean> {
  const leads = meeting.hostId === viewerId || meeting.coHosts.includes(viewerId);
  const { allowedNetworks, allowedDomains } = await controlsOf(ctx, meeting._id);
  if (allowedNetworks.length > 0) return true;
  if (leads) return false;
  const person = await requirePerson(ctx, viewerId);
  return (
    (await hasPassword(ctx, meeting)) ||
    (allowedDomains.length > 0 && !inDomains(person.email, allowedDomains)) ||
    (meeting.waitingRoomEnabled && (meeting.lobbyBypassType ?? "nobody") === "nobody")
  );
}

const inviteArgs = v.object({ meetingId, people: v.array(userId) });

export const inviteFunction = {
  args: inviteArgs,
  returns: v.number(),
  handler: async (ctx: MutationCtx, { meetingId, people }: Infer<typeof inviteArgs>) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "invite");
    check(meeting.status === "scheduled" || meeting.status === "live", "This meeting is over; make a new one.");
    check(people.length <= INVITED_MAX, `Invite at most ${INVITED_MAX} people.`);
    for (const id of people) await requirePerson(ctx, id);
    const invited = [...new Set([...(meeting.invitedParticipants ?? []), ...people])];
    check(invited.length <= INVITED_MAX, `At most ${INVITED_MAX} people are invited; open the meeting to all instead.`);
    const now = Date.now();
    await ctx.db.patch("meetings", meetingId, { invitedParticipants: invited, updatedAt: now });
    const changed = (await ctx.db.get("meetings", meetingId)) ?? refuse("gone", "The meeting was deleted.");
    await setGuests(ctx, changed);
    await audit(ctx, { meeting, person: viewer, action: "invite_participants", now });
    return invited.length;
  },
};
/** Asks more people to a meeting. Answers how many are asked now. */
export const invite = mutation(inviteFunction);

/** Takes an invitation back, with the tokens that came with it. */
export const uninvite = mutation({
  args: { meetingId, userId },
  returns: v.null(),
  handler: async (ctx, { meetingId, userId }) => {
    const { meeting } = await allowed(ctx, meetingId, "invite");
    const now = Date.now();
    const invitedParticipants = (meeting.invitedParticipants ?? []).filter((id) => id !== userId);
    await ctx.db.patch("meetings", meetingId, { invitedParticipants, updatedAt: now });
    await setGuests(ctx, { ...meeting, invitedParticipants });
    await withdraw(ctx, meeting, userId, now);
    return null;
  },
});
