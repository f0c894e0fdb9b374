// The room of a meeting on the fleet, as the meeting side speaks to it: opened and closed, told things, asked who is in.
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { closeRoom, command, openRoom } from "../edge/rooms";
import type { CommandBody, RoomSettings } from "../edge/wire";
import { controlsOf, roomSettingsOf } from "./controls";

type Reading = Pick<QueryCtx, "db">;

/** As many people as one room can hold. */
export const PEOPLE_MAX = 1000;
/** One person's connections at a time: their devices, and those a node has not missed yet. */
const DEVICES_MAX = 32;

/** Opens a meeting's room with its settings, or changes them where it is open. */
export async function openMeetingRoom(ctx: MutationCtx, meeting: Doc<"meetings">, now: number): Promise<void> {
  const settings = roomSettingsOf(meeting, await controlsOf(ctx, meeting._id));
  await openRoomNamed(ctx, meeting.roomName, meeting._id, settings, now);
}

/** The connections that are open in a room. */
export async function spansIn(ctx: Reading, room: string): Promise<Doc<"edgeSpans">[]> {
  return await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_open", (q) => q.eq("room", room).eq("leftAt", undefined))
    .take(PEOPLE_MAX);
}

/** The connections one person has open in a meeting, its groups included. */
export async function spansOf(
  ctx: Reading,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
): Promise<Doc<"edgeSpans">[]> {
  const latest = await ctx.db
    .query("edgeSpans")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId))
    .order("desc")
    .take(DEVICES_MAX);
  return latest.filter((span) => span.leftAt === undefined);
}

/** Opens a room under its name, or changes its settings where it is open. */
export async function openRoomNamed(
  ctx: MutationCtx,
  room: string,
  meetingId: Id<"meetings">,
  settings: RoomSettings,
  now: number,
): Promise<void> {
  await openRoom(ctx, { room, settings, meetingId, now });
}

/** Sends everybody out of a room and closes it. */
export async function closeMeetingRoom(ctx: MutationCtx, room: string, reason: string, now: number): Promise<void> {
  await closeRoom(ctx, { room, reason, now });
}

/** Tells the nodes of a room something. */
export async function tell(ctx: MutationCtx, body: CommandBody, now: number): Promise<void> {
  await command(ctx, body, now);
}
