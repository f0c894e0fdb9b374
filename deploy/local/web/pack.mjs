// Ends a build: makes the compressed copies that the page server sends, and
// refuses a page whose first join weighs too much for a 2G line.

import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { filesOf, LIMIT_BYTES } from './weight.mjs';

const DIST = fileURLToPath(new URL('./dist/', import.meta.url));
const SHRINKABLE = new Set(['.css', '.html', '.js', '.svg']);

/** What is fetched until one is in a call, by the way one comes. */
const WAYS_IN = {
  'a room by its name': ['index.html'],
  'a meeting': ['index.html', 'src/meetings/platform.tsx'],
};

/** @type {Map<string, { plain: number, gzip: number, brotli: number }>} */
const sizes = new Map();
for (const name of await readdir(DIST, { recursive: true })) {
  if (!SHRINKABLE.has(extname(name))) continue;
  const plain = await readFile(join(DIST, name));
  const [zipped, small] = await Promise.all([promisify(gzip)(plain, { level: 9 }), promisify(brotliCompress)(plain)]);
  sizes.set(name, { plain: plain.length, gzip: zipped.length, brotli: small.length });
  // The page itself is told where its meetings are and so is compressed as it is sent.
  if (name === 'index.html') continue;
  await Promise.all([writeFile(join(DIST, `${name}.gz`), zipped), writeFile(join(DIST, `${name}.br`), small)]);
}

const manifest = JSON.parse(await readFile(join(DIST, '.vite/manifest.json'), 'utf8'));
let heavy = false;
for (const [way, entries] of Object.entries(WAYS_IN)) {
  const sum = { plain: 0, gzip: 0, brotli: 0 };
  for (const file of ['index.html', 'mark.svg', ...filesOf(manifest, entries)]) {
    const size = sizes.get(file);
    if (size === undefined) throw new Error(`${file} is in the manifest and not in dist`);
    sum.plain += size.plain;
    sum.gzip += size.gzip;
    sum.brotli += size.brotli;
  }
  // Calls need a secure origin, and there every browser that can call takes Brotli.
  console.log(`first join of ${way}: ${kilobytes(sum.brotli)} as sent (gzip ${kilobytes(sum.gzip)}, plain ${kilobytes(sum.plain)}), limit ${kilobytes(LIMIT_BYTES)}`);
  if (sum.brotli > LIMIT_BYTES) heavy = true;
}
// Whoever asks whether the build is up to date looks at the age of this file.
await utimes(join(DIST, 'index.html'), new Date(), new Date());
if (heavy) {
  console.error('the first join weighs too much: load later what the way in does not need');
  process.exit(1);
}

/** @param {number} bytes */
function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
