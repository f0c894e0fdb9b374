// Who calls, which meeting they mean, and whether they may: the first lines of every function of the meeting side.
import { ConvexError } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import { personOf, tenantOf, viewerOf } from "../host";
import type { Person } from "../host";
import { may, roleIn } from "../model/meetings/roles";
import type { Action, Role } from "../model/meetings/roles";

type Reading = Pick<QueryCtx, "db" | "auth">;

/** A meeting with whoever asks about it. */
export interface Access {
  meeting: Doc<"meetings">;
  viewer: Person;
  role: Role;
}

/** Ends the function with an error a page can act on. Nothing of what it wrote remains. */
export function refuse(code: string, message: string): never {
  throw new ConvexError({ code, message });
}

/** Whoever calls. */
export async function requireViewer(ctx: Reading): Promise<Person> {
  const viewer = await viewerOf(ctx);
  return viewer ?? refuse("signed_out", "Sign in to use meetings.");
}

/** The meeting, for somebody who may do `action` to it. To others of another tenant it does not exist. */
export async function allowed(ctx: Reading, meetingId: Id<"meetings">, action: Action): Promise<Access> {
  const viewer = await requireViewer(ctx);
  const meeting = await ctx.db.get("meetings", meetingId);
  const role = meeting === null ? null : roleOf(meeting, viewer);
  if (meeting === null || role === null) return refuse("unknown_meeting", "There is no such meeting. Check the link.");
  if (!may(role, action)) return refuse("not_allowed", "Only hosts of the meeting can do this. Ask one of them.");
  return { meeting, viewer, role };
}

/** Like `allowed` to see it, but answers null instead of ending: for queries a page keeps open. */
export async function seen(ctx: Reading, meetingId: Id<"meetings">): Promise<Access | null> {
  const viewer = await viewerOf(ctx);
  const meeting = viewer === null ? null : await ctx.db.get("meetings", meetingId);
  if (viewer === null || meeting === null) return null;
  const role = roleOf(meeting, viewer);
  return role === null ? null : { meeting, viewer, role };
}

/** The role of somebody in a meeting. People of other tenants have one only when they were asked by name. */
export function roleOf(meeting: Doc<"meetings">, person: Person): Role | null {
  const standing = { hostId: meeting.hostId, coHosts: meeting.coHosts, tenant: tenantOf(meeting) };
  return roleIn(standing, person) ?? (isInvited(meeting, person.userId) ? "participant" : null);
}

/** Whether somebody was asked to the meeting by name. */
export function isInvited(meeting: Doc<"meetings">, userId: Id<"users">): boolean {
  return (
    meeting.hostId === userId ||
    meeting.coHosts.includes(userId) ||
    (meeting.invitedParticipants?.includes(userId) ?? false)
  );
}

/** Another person of the call, who must have an account. */
export async function requirePerson(ctx: Reading, userId: Id<"users">): Promise<Person> {
  return (await personOf(ctx, userId)) ?? refuse("unknown_person", "There is no such account, or it is closed.");
}

/** Somebody's own fault in what they sent. */
export function check(holds: boolean, message: string): asserts holds {
  if (!holds) refuse("invalid", message);
}
