// A trial function that uses a component, which itself uses another.

import { RateLimiter, MINUTE, type RateLimiterApi } from './limits.ts';
import { componentsGeneric, mutationGeneric } from 'convex/server';
import { v } from 'convex/values';

const limiter = new RateLimiter((componentsGeneric() as unknown as { rateLimiter: RateLimiterApi }).rateLimiter, {
  tries: { kind: 'token bucket', rate: 3, period: MINUTE, capacity: 3 },
});

export const attempt = mutationGeneric({
  args: { who: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { who }) => (await limiter.limit(ctx, 'tries', { key: who })).ok,
});
