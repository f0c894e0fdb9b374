// One event, and what it does. A batch is one transaction within the sync's: either all of it stands or none.
import { v } from "convex/values";
import type { MutationCtx } from "../../_generated/server";
import { internalMutation } from "../../_generated/server";
import { nodeOf } from "../fleet";
import { event, type Event } from "../wire";
import { applyChat, applyChatDeleted, applyChatEdited, applyChatSealed } from "./chat";
import { applyHand } from "./hands";
import { applyQuality } from "./quality";
import { applyRoomEnded, applyRoomStarted } from "./rooms";
import { applyJoined, applyLeft, type Source } from "./spans";
import { applyTrackPublished, applyTrackUnpublished } from "./tracks";

/** Applies events of a node in their order; `now` and `formerUntil` are the sync's. */
export const apply = internalMutation({
  args: { node: v.string(), events: v.array(event), now: v.number(), formerUntil: v.number() },
  returns: v.null(),
  handler: async (ctx, { node: name, events, now, formerUntil }) => {
    const node = await nodeOf(ctx, name);
    if (node === null) {
      throw new Error(`${name} is not registered`);
    }
    for (const told of events) {
      await applyOne(ctx, told, { node, now, formerUntil });
    }
    return null;
  },
});

async function applyOne(ctx: MutationCtx, told: Event, source: Source): Promise<void> {
  switch (told.type) {
    case "room_started":
      return await applyRoomStarted(ctx, told, source);
    case "room_ended":
      return await applyRoomEnded(ctx, told, source);
    case "joined":
      return await applyJoined(ctx, told, source);
    case "left":
      return await applyLeft(ctx, told, source);
    case "track_published":
      return await applyTrackPublished(ctx, told, source);
    case "track_unpublished":
      return await applyTrackUnpublished(ctx, told, source);
    case "quality":
      return await applyQuality(ctx, told, source);
    case "chat":
      return await applyChat(ctx, told, source);
    case "chat_edited":
      return await applyChatEdited(ctx, told, source);
    case "chat_deleted":
      return await applyChatDeleted(ctx, told, source);
    case "chat_sealed":
      return await applyChatSealed(ctx, told, source);
    case "hand":
      return await applyHand(ctx, told, source);
  }
}
