// The component's own names, in one place.

export { MINUTE, RateLimiter } from '@convex-dev/rate-limiter';
export type { ComponentApi as RateLimiterApi } from '@convex-dev/rate-limiter/_generated/component.js';
