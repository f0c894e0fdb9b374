// @ts-check
/** Serves the bare test page, once per version of the client: `/2.23.0/` is the page with that version's bundle. */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

/** What the tests call in from: the oldest version in use, one in between, the newest. */
export const VERSIONS = /** @type {const} */ (['2.15.5', '2.18.8', '2.23.0']);

/** @typedef {typeof VERSIONS[number]} Version */

const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8' };
const BARE = new URL('../bare/', import.meta.url);
const MODULES = new URL('../node_modules/', import.meta.url);

export class Pages {
  /** @param {import('node:http').Server} server */
  constructor(server) {
    this.server = server;
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    this.origin = `http://127.0.0.1:${port}`;
  }

  static async serve() {
    const server = createServer(async ({ url = '/' }, response) => {
      const file = fileFor(url);
      const body = file && (await readFile(file.path).catch(() => null));
      if (!file || !body) return response.writeHead(404).end();
      response.writeHead(200, { 'content-type': TYPES[file.type] }).end(body);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(null)));
    return new Pages(server);
  }

  /** @param {Version} version */
  address(version) {
    return `${this.origin}/${version}/`;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/**
 * @param {string} url
 * @returns {{ path: string, type: keyof typeof TYPES } | null}
 */
function fileFor(url) {
  const [, version, name] = url.match(/^\/([\d.]+)\/([\w.-]*)$/) ?? [];
  if (!VERSIONS.some((known) => known === version)) return null;
  switch (name) {
    case '':
      return { path: fileURLToPath(new URL('index.html', BARE)), type: 'html' };
    case 'livekit-client.umd.js':
    case 'livekit-client.e2ee.worker.js':
      return { path: fileURLToPath(new URL(`livekit-client-${version}/dist/${name}`, MODULES)), type: 'js' };
    case 'page.js':
    case 'encryption.js':
    case 'exchange.js':
    case 'frames.js':
    case 'tracks.js':
      return { path: fileURLToPath(new URL(name, BARE)), type: 'js' };
    default:
      return null;
  }
}
