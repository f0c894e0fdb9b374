// A poke: an empty, signed request that makes a node sync at once. It carries nothing, so losing one costs a few seconds.
import { v } from "convex/values";
import { internal } from "../_generated/api";
import { internalAction } from "../_generated/server";
import { toHex } from "../model/edge/bytes";
import { sign } from "../model/edge/signing";
import { keyOf } from "./keys";

const PATH = "/edge/v1/poke";

/** By the time these are over, the node has come by itself. */
const RETRY_MS = [250, 1000];

/** Longer than a round trip from any of Convex's regions to Nigeria, shorter than the wait for the next sync. */
const TIMEOUT_MS = 2500;

export const poke = internalAction({
  args: { node: v.string(), httpUrl: v.string(), keyVersion: v.number(), attempt: v.number() },
  returns: v.null(),
  handler: async (ctx, { attempt, ...to }) => {
    const wait = RETRY_MS[attempt];
    if (!(await reached(to)) && wait !== undefined) {
      await ctx.scheduler.runAfter(wait, internal.edge.poke.poke, { ...to, attempt: attempt + 1 });
    }
    return null;
  },
});

async function reached(to: { node: string; httpUrl: string; keyVersion: number }): Promise<boolean> {
  const key = await keyOf(to.node, to.keyVersion, "poke");
  if (key === null) {
    // The key's version was retired; the node registers with a new one or not at all.
    return true;
  }
  const timestamp = String(Date.now());
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(16)));
  const signature = await sign(key, { method: "POST", path: PATH, timestamp, nonce, body: new Uint8Array() });
  // Convex's runtime has no AbortSignal.timeout.
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(new URL(PATH, to.httpUrl), {
      method: "POST",
      redirect: "manual",
      signal: abort.signal,
      headers: {
        "x-edge-node": to.node,
        "x-edge-key-version": String(to.keyVersion),
        "x-edge-timestamp": timestamp,
        "x-edge-nonce": nonce,
        "x-edge-signature": signature,
      },
    });
    // A node that answers anything has been reached; one that refuses will not change its mind.
    return response.status < 500;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
