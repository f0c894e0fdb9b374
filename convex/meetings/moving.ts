// Taking people from one room to another: the order to their node, and the token that lets them in there. By it a node
// knows what they may do in the other room and which meeting that is, and makes of it what they come back by.
import type { Doc } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import { tell } from "./room";
import { grantMove } from "./tokens";

/** Has the node of a connection take it to `room`, which is the meeting's own or one of its groups'. */
export async function sendOver(
  ctx: MutationCtx,
  { room: from, identity, userId }: Doc<"edgeSpans">,
  meeting: Doc<"meetings">,
  room: string,
  now: number,
): Promise<void> {
  const token = await grantMove(ctx, meeting, room, { identity, userId }, now);
  // Without a token they go all the same, with what they may do now, and come back to the room they came from.
  await tell(ctx, { type: "move", room: from, identity, to: room, ...(token === undefined ? {} : { token }) }, now);
}
