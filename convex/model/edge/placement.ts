// Which node somebody should connect to. The order is a proposal: the page measures the first few and takes the nearest.

/** What is known of a node when somebody has to be placed. */
export type NodeLoad = {
  node: string;
  region: string;
  url: string;
  capacity: number;
  participants: number;
  busyPercent: number;
  alive: boolean;
  draining: boolean;
};

/** Round trips to regions in ms as the page measured them, as many as it knows. */
export type RegionTimes = Record<string, number>;

/** A processor this busy leaves nothing for a burst of keyframes. */
const FULL_PERCENT = 85;

/** Loads closer together than this are the same to us: they are some seconds old. */
const LOAD_STEP = 0.1;

/**
 * The nodes from the best to the least. A node of the caller's own region comes first, attached to the room or not: the
 * room reaches it over the relay, and the caller's packets cross the long way once. Then nodes that have the room
 * already, then the rest; nearer before farther, emptier before fuller. Full nodes serve only when all are full.
 */
export function orderNodes(nodes: readonly NodeLoad[], attached: ReadonlySet<string>, times: RegionTimes): NodeLoad[] {
  const alive = nodes.filter((node) => node.alive && !node.draining);
  const roomy = alive.filter((node) => load(node) < 1);
  const own = nearestRegion(roomy, times);
  return sortBy(roomy.length > 0 ? roomy : alive, (node) => [
    node.region === own ? 0 : attached.has(node.node) ? 1 : 2,
    times[node.region] ?? Number.MAX_SAFE_INTEGER,
    attached.has(node.node) ? 0 : 1,
    Math.floor(load(node) / LOAD_STEP),
  ]);
}

/** 1 is full. */
function load(node: NodeLoad): number {
  return Math.max(node.participants / Math.max(1, node.capacity), node.busyPercent / FULL_PERCENT);
}

function nearestRegion(nodes: readonly NodeLoad[], times: RegionTimes): string | null {
  const [nearest] = sortBy(
    nodes.filter((node) => times[node.region] !== undefined),
    (node) => [times[node.region] ?? 0],
  );
  return nearest?.region ?? null;
}

/** By each key in turn, then by name, so that the same question always has the same answer. */
function sortBy(nodes: readonly NodeLoad[], keys: (node: NodeLoad) => number[]): NodeLoad[] {
  return nodes
    .map((node) => ({ node, keys: keys(node) }))
    .sort((a, b) => {
      const place = a.keys.findIndex((key, index) => key !== b.keys[index]);
      return place < 0 ? (a.node.node < b.node.node ? -1 : 1) : (a.keys[place] ?? 0) - (b.keys[place] ?? 0);
    })
    .map(({ node }) => node);
}
