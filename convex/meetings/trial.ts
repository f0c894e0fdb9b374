// A trial before a meeting: tokens for a room of the viewer's own, in which their page calls itself to learn what the
// network lets through and how far the nodes are. It belongs to no meeting, and ends when the page has seen enough.
import { v } from "convex/values";
import { mutation } from "../_generated/server";
import { placeFor } from "../edge/rooms";
import { joinToken } from "../edge/tokens";
import { viewerOf } from "../host";
import { limits } from "./limits";
import { regionsOf } from "./tokens";
import { admission } from "./validators";

/** The page looks for ten seconds, and may be slow to begin. */
const TRIAL_MS = 2 * 60_000;

const { token, url, candidates } = admission;

/** Two of the viewer's page: one sends a made-up picture, the other watches it. */
export const begin = mutation({
  args: { regions: v.optional(v.record(v.string(), v.number())) },
  returns: v.union(
    v.object({ status: v.literal("given"), sending: token, watching: token, url, candidates }),
    v.object({ status: v.literal("refused"), message: v.string(), retryAfterMs: v.optional(v.number()) }),
  ),
  handler: async (ctx, { regions = {} }) => {
    const viewer = await viewerOf(ctx);
    if (viewer === null) return { status: "refused" as const, message: "Sign in first." };
    const pause = await limits.often(ctx, "trial", viewer.userId);
    if (pause !== null) {
      return { status: "refused" as const, message: "Checked too often. Wait a minute.", retryAfterMs: pause };
    }
    const now = Date.now();
    // A room for each trial: one that was given up is still there for a moment.
    const room = `trial-${viewer.userId}-${Math.floor(Math.random() * 2 ** 32).toString(16)}`;
    const placement = await placeFor(ctx, { room, regions: regionsOf({ regions }), now });
    if (placement === null) return { status: "refused" as const, message: "No server takes calls now. Try again later." };
    const tokenOf = async (who: "sending" | "watching") =>
      await joinToken(
        { identity: `${viewer.userId}#${who}`, name: viewer.name, user: viewer.userId },
        { room, canPublish: who === "sending", canSubscribe: who === "watching", canPublishData: false },
        { now, stayUntil: now + TRIAL_MS },
      );
    const { url, candidates } = placement;
    return { status: "given" as const, sending: await tokenOf("sending"), watching: await tokenOf("watching"), url, candidates };
  },
});
