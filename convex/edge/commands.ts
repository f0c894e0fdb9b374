// The outbox: commands to nodes, kept until a node has said what became of them. A poke makes the node come for them at
// once; without it they wait for its next sync.
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { internal } from "../_generated/api";
import { assignmentRow, nodeOf } from "./fleet";
import type { Ack, Command, CommandBody } from "./wire";

/** A command that was not carried out by then is no longer wanted: somebody has seen that it was not. */
const DEADLINE_MS = 60_000;
/** What must be so in the end waits for a node that is cut off. */
const LASTING_DEADLINE_MS = 24 * 3_600_000;

/** Commands handed over with one sync. */
const MAX_PENDING = 100;

type Reads = Pick<QueryCtx, "db">;

/** Writes commands for a node, and pokes it once for all of them. */
export async function send(
  ctx: MutationCtx,
  node: string,
  bodies: readonly CommandBody[],
  now: number,
): Promise<Id<"edgeCommands">[]> {
  const ids = [];
  for (const body of bodies) {
    const lasting = body.type === "close_room" || (body.type === "remove" && body.revokeTokens);
    const deadlineAt = now + (lasting ? LASTING_DEADLINE_MS : DEADLINE_MS);
    ids.push(await ctx.db.insert("edgeCommands", { node, body, state: "pending", deadlineAt, createdAt: now }));
  }
  if (ids.length > 0) {
    await poke(ctx, node, now);
  }
  return ids;
}

/** Asks the node to come at once, for commands or for what it should be like now. */
export async function poke(ctx: MutationCtx, node: string, now: number): Promise<void> {
  const row = await nodeOf(ctx, node);
  const told = await assignmentRow(ctx, node);
  // The time stands still within a transaction.
  if (row?.alive === true && row.status === "active" && told !== null && told.pokedAt !== now) {
    await ctx.db.patch("edgeAssignments", told._id, { pokedAt: now });
    const { httpUrl, keyVersion } = row;
    await ctx.scheduler.runAfter(0, internal.edge.poke.poke, { node, httpUrl, keyVersion, attempt: 0 });
  }
}

/** What the node still has to do, the oldest first. */
export async function pendingCommands(ctx: Reads, node: string, now: number): Promise<Command[]> {
  const rows = await ctx.db
    .query("edgeCommands")
    .withIndex("by_node_state", (q) => q.eq("node", node).eq("state", "pending"))
    .take(MAX_PENDING);
  return rows
    .filter(({ deadlineAt }) => deadlineAt > now)
    .map(({ _id, deadlineAt, body }) => ({ id: _id, deadlineAt, body }));
}

/** Notes what became of commands. Ids of other nodes, or of nothing, are passed over. */
export async function settleCommands(ctx: MutationCtx, node: string, acks: readonly Ack[], now: number): Promise<void> {
  for (const ack of acks) {
    const row = await commandOf(ctx, ack.id);
    if (row?.node === node && row.state === "pending") {
      const state = ack.ok ? ("done" as const) : ("failed" as const);
      await ctx.db.patch("edgeCommands", row._id, { state, settledAt: now, error: ack.error });
    }
  }
}

async function commandOf(ctx: Reads, id: string): Promise<Doc<"edgeCommands"> | null> {
  const known = ctx.db.normalizeId("edgeCommands", id);
  return known === null ? null : await ctx.db.get("edgeCommands", known);
}
