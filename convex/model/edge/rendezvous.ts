// Where a room has its home when nobody can be asked: the node with the largest SHA-256 of "room\nnode". Every node
// computes the same from the same list, and a node that leaves moves only its own rooms.
import { sha256, toHex, utf8 } from "./bytes";

/** The nodes from the likeliest home to the least likely; none for an empty list. */
export async function rendezvousOrder(room: string, nodes: readonly string[]): Promise<string[]> {
  const scored = await Promise.all(
    nodes.map(async (node) => ({ node, score: toHex(await sha256(utf8(`${room}\n${node}`))) })),
  );
  scored.sort((a, b) => (a.score < b.score ? 1 : a.score > b.score ? -1 : 0));
  return scored.map(({ node }) => node);
}
