// What is on a meeting's whiteboard, saved now and then by the page of whoever draws; strokes themselves go over the
// call's data channel. A document is bounded, so a large drawing is uploaded as a file.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import { mutation, query } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { allowed, check, refuse, seen } from "./access";
import { meetingId } from "./validators";

/** A quarter of what one document can hold; larger drawings are files. */
const DRAWING_MAX = 256 * 1024;
const FILE_MAX = 20 * 1024 * 1024;
/** A page saves right after it has uploaded, even on a bad network. */
const UPLOAD_MS = 15 * 60_000;

const saveArgs = v.object({
  meetingId,
  /** The revision the drawing builds on; a save over a newer one is refused, so that nothing is wiped out. */
  revision: v.number(),
  drawing: v.optional(v.string()),
  file: v.optional(v.id("_storage")),
});

export const saveFunction = {
  args: saveArgs,
  returns: v.object({ revision: v.number() }),
  handler: async (ctx: MutationCtx, { meetingId, revision, drawing, file }: Infer<typeof saveArgs>) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "see");
    check(meeting.whiteboardEnabled && meeting.status === "live", "The whiteboard is not open.");
    check((drawing === undefined) !== (file === undefined), "Save a drawing or a file.");
    check((drawing?.length ?? 0) <= DRAWING_MAX, "This drawing is too large: upload it as a file.");
    const now = Date.now();
    const upload = file === undefined ? null : await ctx.db.system.get("_storage", file);
    // Only what was just uploaded: any older file belongs to something else, and the next save would delete it.
    check(file === undefined || (upload !== null && upload._creationTime > now - UPLOAD_MS), "Upload the drawing first.");
    check((upload?.size ?? 0) <= FILE_MAX, "A drawing has at most 20 MB.");
    const known = await ctx.db
      .query("meetingWhiteboards")
      .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
      .unique();
    if (revision !== (known?.revision ?? 0)) refuse("newer_drawing", "Somebody has drawn meanwhile: load it and save again.");
    const row = { revision: revision + 1, drawing, file, savedBy: viewer.userId, savedAt: now };
    if (known === null) await ctx.db.insert("meetingWhiteboards", { meetingId, ...row });
    else {
      if (known.file !== undefined && known.file !== file) await ctx.storage.delete(known.file);
      await ctx.db.patch("meetingWhiteboards", known._id, row);
    }
    return { revision: row.revision };
  },
};
/** Saves the whiteboard. */
export const save = mutation(saveFunction);

/** Where a large drawing is uploaded to. */
export const uploadUrl = mutation({
  args: { meetingId },
  returns: v.string(),
  handler: async (ctx, { meetingId }) => {
    const { meeting } = await allowed(ctx, meetingId, "see");
    check(meeting.whiteboardEnabled && meeting.status === "live", "The whiteboard is not open.");
    return await ctx.storage.generateUploadUrl();
  },
});

/** The whiteboard as last saved. */
export const load = query({
  args: { meetingId },
  returns: v.union(
    v.object({ revision: v.number(), drawing: v.union(v.string(), v.null()), url: v.union(v.string(), v.null()) }),
    v.null(),
  ),
  handler: async (ctx, args) => {
    const access = await seen(ctx, args.meetingId);
    const board =
      access === null
        ? null
        : await ctx.db
            .query("meetingWhiteboards")
            .withIndex("by_meeting", (q) => q.eq("meetingId", args.meetingId))
            .unique();
    if (board === null) return null;
    const url = board.file === undefined ? null : await ctx.storage.getUrl(board.file);
    return { revision: board.revision, drawing: board.drawing ?? null, url };
  },
});
