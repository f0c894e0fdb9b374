// Raised hands: who wants to speak, since when.
import type { Doc } from "../../_generated/dataModel";
import type { MutationCtx } from "../../_generated/server";
import * as facts from "../../meetings/facts";
import { settle } from "../../model/edge/clock";
import type { Hand } from "../wire";
import { spanOf, type Source } from "./spans";

export async function applyHand(ctx: MutationCtx, event: Hand, source: Source): Promise<void> {
  const span = await spanOf(ctx, event.room, event.sid, source);
  if (span === null) {
    throw new Error("nobody with this sid has joined the room on this node");
  }
  const known = await handOf(ctx, event.room, event.sid);
  const at = settle(event.at, source.now, span.joinedAt);
  if (!event.raised) {
    if (known?.raised === true) {
      await lower(ctx, known, span, Math.max(at, known.raisedAt));
    }
    return;
  }
  if (known?.raised === true || span.leftAt !== undefined) {
    return;
  }
  const { room, sid, identity } = event;
  const id = await ctx.db.insert("edgeHands", {
    room,
    sid,
    identity,
    userId: span.userId,
    meetingId: span.meetingId,
    raised: true,
    raisedAt: at,
  });
  const hand = await ctx.db.get("edgeHands", id);
  if (hand !== null) {
    await facts.onHand(ctx, { hand, span });
  }
}

/** Nobody keeps a hand up who has left. */
export async function endHand(ctx: MutationCtx, span: Doc<"edgeSpans">, at: number): Promise<void> {
  const hand = await handOf(ctx, span.room, span.sid);
  if (hand?.raised === true) {
    await lower(ctx, hand, span, Math.max(at, hand.raisedAt));
  }
}

async function lower(
  ctx: MutationCtx,
  hand: Doc<"edgeHands">,
  span: Doc<"edgeSpans"> | null,
  loweredAt: number,
): Promise<void> {
  await ctx.db.patch("edgeHands", hand._id, { raised: false, loweredAt });
  await facts.onHand(ctx, { hand: { ...hand, raised: false, loweredAt }, span });
}

/** The last time this connection raised its hand. */
async function handOf(ctx: MutationCtx, room: string, sid: string): Promise<Doc<"edgeHands"> | null> {
  return await ctx.db
    .query("edgeHands")
    .withIndex("by_room_sid", (q) => q.eq("room", room).eq("sid", sid))
    .order("desc")
    .first();
}
