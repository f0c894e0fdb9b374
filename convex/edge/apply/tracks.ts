// What participants publish, and for how long.
import type { Doc } from "../../_generated/dataModel";
import type { MutationCtx } from "../../_generated/server";
import * as facts from "../../meetings/facts";
import { settle } from "../../model/edge/clock";
import type { TrackPublished, TrackUnpublished } from "../wire";
import { spanOf, type Source } from "./spans";

/** Tracks of one connection: camera, microphone, screen and its sound, a few times over. */
const MAX_TRACKS = 100;

export async function applyTrackPublished(ctx: MutationCtx, event: TrackPublished, source: Source): Promise<void> {
  if ((await trackOf(ctx, event)) !== null) {
    return;
  }
  const span = await spanOf(ctx, event.room, event.sid);
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
  const span = await spanOf(ctx, event.room, event.sid);
  await end(ctx, track, span, settle(event.at, source.now, track.publishedAt));
}

/** Ends what a connection still published. */
export async function endTracks(ctx: MutationCtx, span: Doc<"edgeSpans">, at: number): Promise<void> {
  const tracks = await ctx.db
    .query("edgeTracks")
    .withIndex("by_room_sid_track", (q) => q.eq("room", span.room).eq("sid", span.sid))
    .take(MAX_TRACKS);
  for (const track of tracks) {
    // An end set together with the connection's former end moves with it.
    if (track.unpublishedAt === undefined || track.unpublishedAt === span.leftAt) {
      await end(ctx, track, span, Math.max(at, track.publishedAt));
    }
  }
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

/** Takes up what had ended only because the connection seemed to. */
export async function resumeTracks(ctx: MutationCtx, span: Doc<"edgeSpans">): Promise<void> {
  const tracks = await ctx.db
    .query("edgeTracks")
    .withIndex("by_room_sid_track", (q) => q.eq("room", span.room).eq("sid", span.sid))
    .take(MAX_TRACKS);
  for (const track of tracks) {
    if (track.unpublishedAt !== undefined && track.unpublishedAt === span.leftAt) {
      await ctx.db.patch("edgeTracks", track._id, { unpublishedAt: undefined });
    }
  }
}
