// What facts from the nodes mean for meetings. Each function runs in the mutation that stores the fact, once for each
// fact, after the fleet's own tables were written; what it throws sends the event to the dead letters. Facts may come
// late (a node was cut off) and may name users and meetings that do not exist.
import type { Doc } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import type { ChatDeleted, ChatEdited } from "../edge/wire";

/** A connection began; `span` is its row, still open unless its end is known already. */
export type JoinedFact = { span: Doc<"edgeSpans">; attributes: Record<string, string> };

/**
 * A connection ended: `span.leftAt`, `span.closedBy` and `span.reason` say when and why. `corrects` is the end told
 * before, when a late fact corrects one that the node's lease had set.
 */
export type LeftFact = { span: Doc<"edgeSpans">; corrects?: number };

/** A span that a lease had closed at `closedAt` goes on: its node was only out of reach. */
export type ResumedFact = { span: Doc<"edgeSpans">; closedAt: number };

/** A track appeared or, with `track.unpublishedAt`, went; `span` is its publisher's, unless that is unknown. */
export type TrackFact = { track: Doc<"edgeTracks">; span: Doc<"edgeSpans"> | null };

/** How a connection was over some seconds. */
export type QualityFact = { quality: Doc<"edgeQuality">; span: Doc<"edgeSpans"> | null };

/** A chat message, told once. `chat.text` is there; `chat.to` empty is everybody. */
export type ChatFact = { chat: Doc<"edgeChat">; span: Doc<"edgeSpans"> | null };

/** A hand went up or down. */
export type HandFact = { hand: Doc<"edgeHands">; span: Doc<"edgeSpans"> | null };

/** A room came to life on a node, or ended; `room.closeReason` says why it ended. */
export type RoomFact = { room: Doc<"edgeRooms">; node: string; at: number };

export async function onJoined(_ctx: MutationCtx, _fact: JoinedFact): Promise<void> {}

export async function onLeft(_ctx: MutationCtx, _fact: LeftFact): Promise<void> {}

export async function onResumed(_ctx: MutationCtx, _fact: ResumedFact): Promise<void> {}

export async function onTrackPublished(_ctx: MutationCtx, _fact: TrackFact): Promise<void> {}

export async function onTrackUnpublished(_ctx: MutationCtx, _fact: TrackFact): Promise<void> {}

export async function onQuality(_ctx: MutationCtx, _fact: QualityFact): Promise<void> {}

/** True when the meeting side has stored the text, so that the fleet's own row need not keep it. */
export async function onChat(_ctx: MutationCtx, _fact: ChatFact): Promise<boolean> {
  return false;
}

/** Called for an edit by the message's own author only; `chat` is the row before the edit. */
export async function onChatEdited(
  _ctx: MutationCtx,
  _fact: { chat: Doc<"edgeChat">; edit: ChatEdited },
): Promise<void> {}

/** Called for a deletion by the message's own author only. */
export async function onChatDeleted(
  _ctx: MutationCtx,
  _fact: { chat: Doc<"edgeChat">; deletion: ChatDeleted },
): Promise<void> {}

/** `count` messages passed that only their readers can open. */
export async function onChatSealed(
  _ctx: MutationCtx,
  _fact: { room: string; meetingId?: string; count: number; at: number },
): Promise<void> {}

export async function onHand(_ctx: MutationCtx, _fact: HandFact): Promise<void> {}

export async function onRoomStarted(_ctx: MutationCtx, _fact: RoomFact): Promise<void> {}

export async function onRoomEnded(_ctx: MutationCtx, _fact: RoomFact): Promise<void> {}
