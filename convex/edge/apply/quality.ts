// How connections were, one row for each minute or so of each participant.
import type { MutationCtx } from "../../_generated/server";
import * as facts from "../../meetings/facts";
import type { Quality } from "../wire";
import { spanOf, type Source } from "./spans";

export async function applyQuality(ctx: MutationCtx, event: Quality, source: Source): Promise<void> {
  const span = await spanOf(ctx, event.room, event.sid, source);
  const { type, at, ...told } = event;
  const id = await ctx.db.insert("edgeQuality", {
    ...told,
    score: Math.min(5, Math.max(1, told.score)),
    identity: span?.identity,
    meetingId: span?.meetingId,
    userId: span?.userId,
  });
  const quality = await ctx.db.get("edgeQuality", id);
  if (quality !== null) {
    await facts.onQuality(ctx, { quality, span });
  }
}
