// Looking nodes up and telling them that something has changed.
import type { Doc } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import type { NodeLoad } from "../model/edge/placement";

/** A fleet is dozens of nodes; whoever has more runs more deployments. */
export const MAX_NODES = 200;

type Reads = Pick<QueryCtx, "db">;

export async function nodeOf(ctx: Reads, node: string): Promise<Doc<"edgeNodes"> | null> {
  return await ctx.db
    .query("edgeNodes")
    .withIndex("by_node", (q) => q.eq("node", node))
    .unique();
}

export async function loadOf(ctx: Reads, node: string): Promise<Doc<"edgeLoad"> | null> {
  return await ctx.db
    .query("edgeLoad")
    .withIndex("by_node", (q) => q.eq("node", node))
    .unique();
}

/** Every node that was not revoked, by name. */
export async function activeNodes(ctx: Reads): Promise<Doc<"edgeNodes">[]> {
  const nodes = await ctx.db.query("edgeNodes").withIndex("by_node").take(MAX_NODES);
  return nodes.filter((node) => node.status === "active");
}

/** The names of the nodes that could take a room now. */
export function openNodes(nodes: readonly Doc<"edgeNodes">[]): string[] {
  return nodes.filter((node) => node.alive && !isDraining(node)).map(({ node }) => node);
}

export function isDraining(node: Doc<"edgeNodes">): boolean {
  return node.draining || node.drainingItself;
}

/** The fleet as placement wants it. A lease that has just run out counts before the reaper has seen it. */
export async function nodeLoads(ctx: Reads, now: number): Promise<NodeLoad[]> {
  const [nodes, loads] = await Promise.all([
    activeNodes(ctx),
    ctx.db.query("edgeLoad").withIndex("by_node").take(MAX_NODES),
  ]);
  const byNode = new Map(loads.map((load) => [load.node, load]));
  return nodes.flatMap((node) => {
    const load = byNode.get(node.node);
    if (load === undefined) {
      return [];
    }
    return [
      {
        node: node.node,
        region: node.region,
        url: node.url,
        capacity: node.capacity,
        participants: load.participants,
        busyPercent: load.busyPercent,
        alive: node.alive && load.leaseUntil > now,
        draining: isDraining(node),
      },
    ];
  });
}

/** What these nodes should be like has changed: their next sync makes it anew. */
export async function touch(ctx: MutationCtx, nodes: Iterable<string>): Promise<void> {
  for (const node of new Set(nodes)) {
    const assignment = await assignmentRow(ctx, node);
    if (assignment !== null && !assignment.stale) {
      await ctx.db.patch("edgeAssignments", assignment._id, { stale: true });
    }
  }
}

/** Something that every node is told has changed. */
export async function touchAll(ctx: MutationCtx): Promise<void> {
  const assignments = await ctx.db.query("edgeAssignments").withIndex("by_node").take(MAX_NODES);
  for (const assignment of assignments) {
    if (!assignment.stale) {
      await ctx.db.patch("edgeAssignments", assignment._id, { stale: true });
    }
  }
}

export async function assignmentRow(ctx: Reads, node: string): Promise<Doc<"edgeAssignments"> | null> {
  return await ctx.db
    .query("edgeAssignments")
    .withIndex("by_node", (q) => q.eq("node", node))
    .unique();
}
