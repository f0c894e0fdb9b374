// @ts-check
/** Waiting for a condition, never for a time. */

import { setTimeout as pause } from 'node:timers/promises';

/** Often enough that a test loses no noticeable time, rare enough to leave two cores to the call. */
const EVERY_MS = 100;

/**
 * Asks `probe` until `accept` likes the answer, and answers with it. On failure it tells what was last seen.
 * @template T
 * @param {string} what what is waited for, as it will read in the failure
 * @param {() => T | Promise<T>} probe
 * @param {(value: T) => unknown} accept
 * @param {{ timeoutMs?: number, explain?: () => string }} [options] `explain` adds to a failure, such as a log's tail
 * @returns {Promise<T>}
 */
export async function until(what, probe, accept, { timeoutMs = 15_000, explain = () => '' } = {}) {
  const started = performance.now();
  for (;;) {
    const value = await probe();
    if (accept(value)) return value;
    if (performance.now() - started > timeoutMs) {
      throw new Error(`waited ${timeoutMs} ms in vain for: ${what}\nlast seen: ${show(value)}\n${explain()}`);
    }
    await pause(EVERY_MS);
  }
}

/** @param {unknown} value */
function show(value) {
  const text = JSON.stringify(value, null, 1) ?? String(value);
  return text.length > 6_000 ? `${text.slice(0, 6_000)} ... (${text.length} characters)` : text;
}
