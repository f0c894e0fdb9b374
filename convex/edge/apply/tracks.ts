// What participants publish, and for how long.
import type { Doc } from "../../_generated/dataModel";
import type { MutationCtx } from "../../_generated/server";
import * as facts from "../../meetings/facts";
import { settle } from "../../model/edge/clock";
import type { TrackPublished, TrackUnpublished } from "../wire";
import { spanOf, type Source } from "./spans";

/** Tracks of one connection that are ended with it: camera, microphone, screen and its sound, a few times over. */
const MAX_TRACKS = 16;

export async function applyTrackPublished(ctx: MutationCtx, event: TrackPublished, source: Source): Promise<void> {
  if ((await trackOf(ctx, event)) !== null) {
    return;
  }
  const span = await spanOf(ctx, event.room, event.sid, source);
  const { type, at, ...told } = event;
  const publishedAt = settle(at, source.now, span?.joinedAt);
  const id = await ctx.db.insert("edgeTracks", {
    ...told,
    identity: span?.identity,
    meetingId: span?.meetingId,
    userId: span?.userId,
    publishedAt,
    // Its publisher has gone already, by a fact of another node or by the end of a lease.
    unpublishedAt: span?.leftAt === undefined ? undefined : Math.max(span.leftAt, publishedAt),
  });
  const track = await ctx.db.get("edgeTracks", id);
  if (track !== null) {
    await facts.onTrackPublished(ctx, { track, span });
  }
}

export async function applyTrackUnpublished(ctx: MutationCtx, event: TrackUnpublished, source: Source): Promise<void> {
  const track = await trackOf(ctx, event);
  if (track === null) {
    throw new Error("no such track was published");
  }
  const span = await spanOf(ctx, event.room, event.sid, source);
  if (span === null && track.identity !== undefined) {
    throw new Error("the track was published on another node");
  }
  await end(ctx, track, span, settle(event.at, source.now, track.publishedAt));
}

/** Ends what a connection still published; an end set together with the connection's former end moves with it. */
export async function endTracks(ctx: MutationCtx, span: Doc<"edgeSpans">, at: number): Promise<void> {
  for (const track of await tracksEndedWith(ctx, span)) {
    await end(ctx, track, span, Math.max(at, track.publishedAt));
  }
}

/** Takes up what had ended only because the connection seemed to. */
export async function resumeTracks(ctx: MutationCtx, span: Doc<"edgeSpans">): Promise<void> {
  for (const track of await tracksEndedWith(ctx, span)) {
    await ctx.db.patch("edgeTracks", track._id, { unpublishedAt: undefined });
  }
}

async function tracksEndedWith(ctx: MutationCtx, span: Doc<"edgeSpans">): Promise<Doc<"edgeTracks">[]> {
  return await ctx.db
    .query("edgeTracks")
    .withIndex("by_room_sid_end", (q) =>
      q.eq("room", span.room).eq("sid", span.sid).eq("unpublishedAt", span.leftAt),
    )
    .take(MAX_TRACKS);
}

async function end(
  ctx: MutationCtx,
  track: Doc<"edgeTracks">,
  span: Doc<"edgeSpans"> | null,
  unpublishedAt: number,
): Promise<void> {
  await ctx.db.patch("edgeTracks", track._id, { unpublishedAt });
  await facts.onTrackUnpublished(ctx, { track: { ...track, unpublishedAt }, span });
}

async function trackOf(
  ctx: MutationCtx,
  { room, sid, track }: { room: string; sid: string; track: string },
): Promise<Doc<"edgeTracks"> | null> {
  return await ctx.db
    .query("edgeTracks")
    .withIndex("by_room_sid_track", (q) => q.eq("room", room).eq("sid", sid).eq("track", track))
    .order("desc")
    .first();
}
