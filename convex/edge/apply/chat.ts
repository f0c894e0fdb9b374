// Chat messages, each once: a message is known by its id and its author, so that nobody can get in the way of another's.
import type { Doc } from "../../_generated/dataModel";
import type { MutationCtx } from "../../_generated/server";
import * as facts from "../../meetings/facts";
import { settle } from "../../model/edge/clock";
import { openRoomRow } from "../desired";
import type { Chat, ChatDeleted, ChatEdited, ChatSealed } from "../wire";
import { spanOf, type Source } from "./spans";

export async function applyChat(ctx: MutationCtx, event: Chat, source: Source): Promise<void> {
  if ((await messageOf(ctx, event)) !== null) {
    return;
  }
  const span = await spanOf(ctx, event.room, event.sid, source);
  const { type, at, ...told } = event;
  const id = await ctx.db.insert("edgeChat", {
    ...told,
    // Nobody of this node: kept, but as nobody's.
    userId: span === null ? undefined : (told.userId ?? span.userId),
    meetingId: span === null ? undefined : (told.meetingId ?? span.meetingId),
    truncated: told.truncated === true,
    // The sender's own clock is anybody's; the node's is near ours.
    sentAt: Math.min(told.sentAt, settle(at, source.now)),
  });
  const chat = await ctx.db.get("edgeChat", id);
  if (chat !== null && (await facts.onChat(ctx, { chat, span }))) {
    await ctx.db.patch("edgeChat", id, { text: undefined });
  }
}

export async function applyChatEdited(ctx: MutationCtx, event: ChatEdited, source: Source): Promise<void> {
  const chat = await ownMessage(ctx, event, source);
  if (chat.deletedAt !== undefined) {
    return;
  }
  await facts.onChatEdited(ctx, { chat, edit: event });
  await ctx.db.patch("edgeChat", chat._id, {
    text: chat.text === undefined ? undefined : event.text,
    truncated: event.truncated === true,
    editedAt: settle(event.at, source.now, chat.sentAt),
  });
}

export async function applyChatDeleted(ctx: MutationCtx, event: ChatDeleted, source: Source): Promise<void> {
  const chat = await ownMessage(ctx, event, source);
  if (chat.deletedAt !== undefined) {
    return;
  }
  await facts.onChatDeleted(ctx, { chat, deletion: event });
  await ctx.db.patch("edgeChat", chat._id, {
    text: undefined,
    deletedAt: settle(event.at, source.now, chat.sentAt),
  });
}

export async function applyChatSealed(ctx: MutationCtx, event: ChatSealed, source: Source): Promise<void> {
  const { room, count } = event;
  const node = source.node.node;
  const at = settle(event.at, source.now);
  const row = await ctx.db
    .query("edgeSealedChat")
    .withIndex("by_room_node", (q) => q.eq("room", room).eq("node", node))
    .unique();
  if (row === null) {
    await ctx.db.insert("edgeSealedChat", { room, node, count, updatedAt: at });
  } else {
    await ctx.db.patch("edgeSealedChat", row._id, { count: row.count + count, updatedAt: at });
  }
  const meetingId = (await openRoomRow(ctx, room))?.meetingId;
  await facts.onChatSealed(ctx, { room, meetingId, count, at });
}

/** Connections of an author that are looked through. */
const MAX_OWN = 20;

type Message = { room: string; messageId: string; identity: string };

/** Its author may have connected to another node since, but to the one that tells of the change. */
async function ownMessage(ctx: MutationCtx, message: Message, source: Source): Promise<Doc<"edgeChat">> {
  const chat = await messageOf(ctx, message);
  if (chat === null) {
    throw new Error("no such message of this identity");
  }
  const own = await ctx.db
    .query("edgeSpans")
    .withIndex("by_room_identity", (q) => q.eq("room", message.room).eq("identity", message.identity))
    .order("desc")
    .take(MAX_OWN);
  if (!own.some(({ node }) => node === source.node.node)) {
    throw new Error("its author is not on this node");
  }
  return chat;
}

async function messageOf(ctx: MutationCtx, { room, messageId, identity }: Message): Promise<Doc<"edgeChat"> | null> {
  return await ctx.db
    .query("edgeChat")
    .withIndex("by_room_message", (q) => q.eq("room", room).eq("messageId", messageId).eq("identity", identity))
    .unique();
}
