// The keys of nodes, derived from the master secrets. A derived key is kept, since each request of a node would derive
// it anew; this is a cache only, and an instance of the functions that has none derives them again.
import { nodeKey, purposeKey, type Purpose } from "../model/edge/signing";
import { master } from "./env";

type Key = Uint8Array<ArrayBuffer>;

/** More than a fleet has; whoever knocks under other names only drives out what can be derived again. */
const KEPT = 500;

const kept = new Map<string, Promise<Key>>();

/** What signs what this node and the functions send each other; null for a key version that is not accepted. */
export async function keyOf(node: string, version: number, purpose: Purpose): Promise<Key | null> {
  const secret = master(version);
  if (secret === null) {
    return null;
  }
  // The secret is a part of the name: another under the same version is another key.
  const name = JSON.stringify([secret, node, version, purpose]);
  const known = kept.get(name) ?? derive(secret, node, version, purpose);
  kept.delete(name);
  kept.set(name, known);
  const [oldest] = kept.keys();
  if (kept.size > KEPT && oldest !== undefined) {
    kept.delete(oldest);
  }
  return await known;
}

async function derive(secret: string, node: string, version: number, purpose: Purpose): Promise<Key> {
  return await purposeKey(await nodeKey(secret, node, version), purpose);
}
