// How often one may try: joins, codes, passwords, chat. Counted by the rate limiter component, one bucket each.
import { MINUTE, RateLimiter } from "@convex-dev/rate-limiter";
import type { ComponentApi } from "@convex-dev/rate-limiter/_generated/component.js";
import { componentsGeneric } from "convex/server";
import type { MutationCtx } from "../_generated/server";

// Generated types name components only when a deployment can be asked for them.
const components = componentsGeneric() as unknown as { rateLimiter: ComponentApi };

const limiter = new RateLimiter(components.rateLimiter, {
  /** A page that reconnects on a bad network asks now and then; nobody needs more. */
  join: { kind: "token bucket", rate: 20, period: MINUTE, capacity: 10 },
  /** Ten digits: at this rate half of them take longer than a career. */
  code: { kind: "token bucket", rate: 10, period: MINUTE, capacity: 10 },
  password: { kind: "token bucket", rate: 5, period: MINUTE, capacity: 5 },
  /** All guessers of one meeting together; a class that comes in at once stays below it. */
  passwords: { kind: "token bucket", rate: 300, period: MINUTE, capacity: 300 },
  /** Each is a call of ten seconds. */
  trial: { kind: "token bucket", rate: 4, period: MINUTE, capacity: 4 },
  create: { kind: "token bucket", rate: 10, period: MINUTE, capacity: 20 },
});

type Limit = "join" | "code" | "password" | "passwords" | "trial" | "create";

export const limits = {
  /** Counts one try. Null when it is allowed, else how many milliseconds to wait. */
  async often(ctx: MutationCtx, limit: Limit, key: string): Promise<number | null> {
    const { ok, retryAfter } = await limiter.limit(ctx, limit, { key });
    return ok ? null : Math.ceil(retryAfter);
  },
};
