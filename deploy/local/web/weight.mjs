// What a browser must fetch before its first call, by the build's own manifest:
// a file that is only needed later does not count, one that the way in needs does.

/** What a first join may weigh, compressed: ten seconds of a 2G line. */
export const LIMIT_BYTES = 250_000;

/**
 * @typedef {{ file: string, imports?: string[], css?: string[] }} Chunk
 * @typedef {Record<string, Chunk>} Manifest
 */

/** The files of these entries with all that they import, each once.
 * @param {Manifest} manifest
 * @param {string[]} entries
 * @returns {string[]} */
export function filesOf(manifest, entries) {
  const files = new Set();
  const seen = new Set();
  const waiting = [...entries];
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    if (seen.has(key)) continue;
    seen.add(key);
    const chunk = manifest[key];
    // A renamed file must not make the page look light.
    if (chunk === undefined) throw new Error(`the build has no "${key}"; say in pack.mjs what a join needs now`);
    files.add(chunk.file);
    for (const sheet of chunk.css ?? []) files.add(sheet);
    waiting.push(...(chunk.imports ?? []));
  }
  return [...files].sort();
}
