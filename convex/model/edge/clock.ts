// The times nodes tell. Their clocks are corrected to ours, but never wholly.

/** How far ahead of us a node's time is believed. */
const AHEAD_MS = 2000;

/** `at` as it is stored: not in the future, and not before the last fact about the same thing. */
export function settle(at: number, now: number, lastAt = 0): number {
  return Math.max(lastAt, Math.min(at, now + AHEAD_MS));
}
