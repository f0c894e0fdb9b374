// What the meeting side asks of the fleet: open a room, close it, tell its nodes something, find a node for somebody.
// Plain functions, to be called inside a mutation of the caller's, so that they happen together with what it writes.
import type { MutationCtx } from "../_generated/server";
import type { Doc } from "../_generated/dataModel";
import type { CommandBody, RoomSettings } from "./wire";

/** A node somebody may connect to; the caller's page measures and takes the nearest. */
export type Candidate = { node: string; region: string; url: string };

export type Placement = { node: string; url: string; candidates: Candidate[] };

/** Opens the room, or changes the settings of the one that is open already. */
export type OpenRoom = {
  (ctx: MutationCtx, wish: { room: string; settings?: Partial<RoomSettings>; meetingId?: string; now: number }): Promise<
    Doc<"edgeRooms">
  >;
};

/** Sends a command to every node that hosts its room. Answers the ids, none when no node hosts it. */
export type Command = (ctx: MutationCtx, body: CommandBody, now: number) => Promise<string[]>;
