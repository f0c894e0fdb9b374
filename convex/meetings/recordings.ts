// The recordings of a meeting, as far as files of them are known. Making them is not part of the nodes yet; the host
// project's own recording functions stay as they are.
import { v } from "convex/values";
import type { Id } from "../_generated/dataModel";
import { query } from "../_generated/server";
import type { QueryCtx } from "../_generated/server";
import { may } from "../model/meetings/roles";
import { seen } from "./access";
import { meetingId } from "./validators";

const RECORDINGS_MAX = 100;

export const listFunction = {
  args: { meetingId },
  returns: v.array(
    v.object({
      recordingId: v.string(),
      url: v.string(),
      duration: v.number(),
      fileSize: v.number(),
      format: v.string(),
      resolution: v.string(),
      createdAt: v.number(),
    }),
  ),
  handler: async (ctx: QueryCtx, args: { meetingId: Id<"meetings"> }) => {
    const access = await seen(ctx, args.meetingId);
    if (access === null) return [];
    const rows = await ctx.db
      .query("meetingRecordings")
      .withIndex("by_meeting", (q) => q.eq("meetingId", args.meetingId))
      .take(RECORDINGS_MAX);
    return rows
      .filter((row) => row.isPublic || may(access.role, "record"))
      .map(({ recordingId, url, duration, fileSize, format, resolution, createdAt }) => ({
        recordingId, url, duration, fileSize, format, resolution, createdAt,
      }));
  },
};
/** The recordings of a meeting: all for its hosts, public ones for others. */
export const list = query(listFunction);
