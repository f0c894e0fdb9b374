// Where chat is kept. What was said to all in a meeting's own room goes to the host's table, which its page shows to the
// whole tenant. Private messages, those of groups, and those whose writer nobody knows stay in the fleet's own rows,
// which are shown to their readers only. Sealed messages cannot be read here and are only counted.
import { v } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import { mutation } from "../_generated/server";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { personOf } from "../host";
import { may } from "../model/meetings/roles";
import { allowed, refuse } from "./access";

/** Stores a message in the host's table, if that is its place. */
export async function keepChat(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  chat: Doc<"edgeChat">,
  writer: { userId: Id<"users">; name?: string },
): Promise<boolean> {
  if (chat.to.length > 0 || chat.room !== meeting.roomName || chat.text === undefined) return false;
  const chatMessageId = await ctx.db.insert("meetingChatMessages", {
    meetingId: meeting._id,
    senderId: writer.userId,
    senderName: (await personOf(ctx, writer.userId))?.name ?? writer.name ?? "",
    message: chat.text,
    type: "text",
    timestamp: chat.sentAt,
  });
  await ctx.db.insert("meetingChatPlaces", { chatId: chat._id, meetingId: meeting._id, chatMessageId });
  return true;
}

/** Changes the text where the host's table has it. */
export async function editChat(ctx: MutationCtx, chatId: Id<"edgeChat">, message: string): Promise<void> {
  const place = await placeOf(ctx, chatId);
  const stored = place === null ? null : await ctx.db.get("meetingChatMessages", place.chatMessageId);
  if (stored !== null) await ctx.db.patch("meetingChatMessages", stored._id, { message });
}

/** Takes the text out of the host's table, whose page knows of no deleted messages. */
export async function eraseChat(ctx: MutationCtx, chatId: Id<"edgeChat">): Promise<void> {
  const place = await placeOf(ctx, chatId);
  if (place === null) return;
  const stored = await ctx.db.get("meetingChatMessages", place.chatMessageId);
  if (stored !== null) await ctx.db.delete("meetingChatMessages", stored._id);
  await ctx.db.delete("meetingChatPlaces", place._id);
}

/** Deletes a message, by its writer or by somebody who leads the meeting. */
export const remove = mutation({
  args: { meetingId: v.id("meetings"), chatId: v.id("edgeChat") },
  returns: v.null(),
  handler: async (ctx, { meetingId, chatId }) => {
    const { meeting, viewer, role } = await allowed(ctx, meetingId, "see");
    const chat = await ctx.db.get("edgeChat", chatId);
    if (chat === null || chat.meetingId !== meeting._id) return refuse("unknown_message", "There is no such message.");
    // Private messages are their writers' own; nobody else has read them.
    const theirs = chat.userId === viewer.userId || (chat.to.length === 0 && may(role, "moderate_chat"));
    if (!theirs) return refuse("not_allowed", "Only its writer or a host can delete this message.");
    await eraseChat(ctx, chatId);
    await ctx.db.patch("edgeChat", chatId, { text: undefined, deletedAt: chat.deletedAt ?? Date.now() });
    return null;
  },
});

async function placeOf(ctx: Pick<QueryCtx, "db">, chatId: Id<"edgeChat">): Promise<Doc<"meetingChatPlaces"> | null> {
  return await ctx.db
    .query("meetingChatPlaces")
    .withIndex("by_chat", (q) => q.eq("chatId", chatId))
    .unique();
}
