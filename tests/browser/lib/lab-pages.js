// @ts-check
/**
 * Serves the bare pages on the localhost of the network namespace that it runs in: cameras need a secure origin,
 * and a page should not have to cross the link that is tested. Says where, and ends with whoever started it.
 */

import { Pages } from './pages.js';

const pages = await Pages.serve();
process.stdin.resume().on('end', () => process.exit());
console.log(pages.origin);
