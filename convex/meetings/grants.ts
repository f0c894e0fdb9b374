// The grants of one person in one meeting, out of the rows that bear on them.
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import { tenantOf } from "../host";
import type { Person } from "../host";
import { grantsOf } from "../model/meetings/grants";
import type { Grants } from "../model/meetings/grants";
import type { Role } from "../model/meetings/roles";

type Reading = Pick<QueryCtx, "db">;

/** What somebody may do in the room of a meeting. */
export async function grantsFor(
  ctx: Reading,
  meeting: Doc<"meetings">,
  who: { viewer: Person; role: Role },
): Promise<Grants> {
  const { viewer, role } = who;
  return grantsOf(
    { userId: viewer.userId, role, ownTenant: viewer.tenant === tenantOf(meeting) },
    {
      chatEnabled: meeting.chatEnabled,
      screenShareEnabled: meeting.screenShareEnabled,
      presenters: meeting.allowedPresenters ?? "everyone",
      presenterIds: meeting.allowedPresentersIds ?? [],
    },
    (await permissionsOf(ctx, meeting._id, viewer.userId)) ?? {},
  );
}

/** What a host has changed for somebody. */
export async function permissionsOf(
  ctx: Reading,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
): Promise<Doc<"meetingPermissions"> | null> {
  return await ctx.db
    .query("meetingPermissions")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId))
    .unique();
}
