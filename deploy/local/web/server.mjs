// The page server: hands out the built page and signs tokens for it, the way an
// application's own backend would. For one machine: it signs for whoever asks.
// With CONVEX_URL the page asks Convex instead, and nothing is signed here.

import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { AccessToken } from 'livekit-server-sdk';
import { acceptedCopies } from './encoding.mjs';
import { checkName, checkRoom, checkTab, identityOf } from './src/rules.mjs';

const HOST = '127.0.0.1';
const DIST = fileURLToPath(new URL('./dist/', import.meta.url));
const LIVEKIT_URL = process.env.LIVEKIT_URL || 'ws://127.0.0.1:7880';
const API_KEY = process.env.LIVEKIT_API_KEY || 'devkey';
const API_SECRET = process.env.LIVEKIT_API_SECRET || 'secret';
/** Where meetings are kept; none: the page joins rooms by their name. */
const CONVEX_URL = process.env.CONVEX_URL || null;
/** The workers that people are sent to by Convex, which the page may talk to. */
const EDGE_URLS = (process.env.EDGE_URLS ?? '').split(/\s+/).filter((url) => url !== '');
/** The cities that the check before a call measures: `lagos=wss://lagos.example abuja=…`. */
const CITY_URLS = process.env.CITY_URLS ?? '';
/** What a GB of data costs the page's people; none: the page's own default. */
const NAIRA_PER_GB = process.env.NAIRA_PER_GB ?? '';
/** Long enough for a long meeting's reconnects, short enough to be no standing pass. */
const TOKEN_LIFE = '6h';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const port = readPort();
const headers = pageHeaders(CONVEX_URL === null ? [LIVEKIT_URL, ...cityUrls()] : [CONVEX_URL, ...EDGE_URLS]);

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(`page server: ${request.method} failed: ${error.message}`);
    if (response.headersSent) response.destroy();
    else sendJson(response, 500, { error: 'The page server failed; its log says why.' });
  });
});
server.on('error', (error) => {
  const why = error.code === 'EADDRINUSE' ? `port ${port} is taken; choose another with --port or PORT` : error.message;
  console.error(`page server: ${why}`);
  process.exit(1);
});
server.listen(port, HOST, () => {
  const from = CONVEX_URL === null ? `tokens for ${LIVEKIT_URL} with key ${API_KEY}` : `meetings of ${CONVEX_URL}`;
  console.log(`page server: http://${HOST}:${port}, ${from}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}

async function answer(request, response) {
  // Taken apart by hand: a URL parser would take `//name` for a host.
  const [pathname, ...query] = (request.url ?? '/').split('?');
  if (pathname === '/api/token') {
    if (CONVEX_URL !== null) return sendJson(response, 404, { error: 'Convex makes the tokens here: sign in on the page.' });
    if (request.method !== 'GET' && request.method !== 'POST') return refuseMethod(response, 'GET, POST');
    return token(new URLSearchParams(query.join('?')), response);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod(response, 'GET, HEAD');
  return file(pathname, request, response);
}

async function token(query, response) {
  const name = checkName(query.get('name'));
  if (!name.ok) return sendJson(response, 400, { reason: 'bad-name', error: name.reason });
  const room = checkRoom(query.get('room'));
  if (!room.ok) return sendJson(response, 400, { reason: 'bad-room', error: room.reason });
  const asked = query.get('id');
  if (asked !== null && !checkTab(asked)) {
    return sendJson(response, 400, { reason: 'bad-id', error: 'id is 4 to 32 small letters or digits' });
  }
  const identity = identityOf(name.value, asked ?? randomBytes(5).toString('hex'));
  const pass = new AccessToken(API_KEY, API_SECRET, { identity, name: name.value, ttl: TOKEN_LIFE });
  pass.addGrant({ room: room.value, roomJoin: true, canPublish: true, canPublishData: true, canSubscribe: true, canUpdateOwnMetadata: true });
  return sendJson(response, 200, { token: await pass.toJwt(), url: LIVEKIT_URL, room: room.value, identity });
}

async function file(pathname, request, response) {
  const { method } = request;
  const copies = acceptedCopies(request.headers['accept-encoding']);
  if (isPage(pathname)) return page(method, copies, response);
  const path = await find(pathname);
  if (path === null) return sendText(response, 404, 'Not found\n');
  const sent = await smallest(path, copies);
  if (sent === null) return sendText(response, 503, 'The page is not built: run "npm run build".\n');
  const type = TYPES[extname(path)] ?? 'application/octet-stream';
  // Built files carry their content's hash in their name; the page itself is asked for anew each time.
  const keep = pathname.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
  response.writeHead(200, { ...headers, ...encoded(sent.encoding), 'Content-Type': type, 'Content-Length': sent.size, 'Cache-Control': keep });
  if (method === 'HEAD') return response.end();
  createReadStream(sent.path).on('error', () => response.destroy()).pipe(response);
}

/** The page itself, and the links by which people are asked to meetings. */
function isPage(pathname) {
  return pathname === '/' || pathname === '/index.html' || (CONVEX_URL !== null && INVITATION.test(pathname));
}

const INVITATION = /^\/meetings\/join\/[A-Za-z0-9%-]{1,64}$/;

/** The page, told where its meetings are and what data costs. */
async function page(method, copies, response) {
  const built = await readFile(join(DIST, 'index.html'), 'utf8').catch(() => null);
  if (built === null) return sendText(response, 503, 'The page is not built: run "npm run build".\n');
  const told = [['convex-url', CONVEX_URL ?? ''], ['naira-per-gb', NAIRA_PER_GB], ['city-urls', CITY_URLS]].reduce(
    // A function: what is put in may hold signs that `replace` would take for its own.
    (page, [name, value]) => page.replace(`name="${name}" content=""`, () => `name="${name}" content="${attribute(value)}"`),
    built,
  );
  const encoding = copies[0]?.encoding ?? null;
  const body = await shrink(told, encoding);
  response.writeHead(200, { ...headers, ...encoded(encoding), 'Content-Type': TYPES['.html'], 'Content-Length': body.length, 'Cache-Control': 'no-cache' });
  response.end(method === 'HEAD' ? undefined : body);
}

/** The page is small: it is compressed anew each time, and not as hard as what is kept. */
async function shrink(text, encoding) {
  if (encoding === 'br') return promisify(brotliCompress)(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } });
  if (encoding === 'gzip') return promisify(gzip)(text);
  return Buffer.from(text);
}

/** The smallest copy of a file that the browser takes, or the file itself. */
async function smallest(path, copies) {
  for (const { encoding, ending } of [...copies, { encoding: null, ending: '' }]) {
    const found = await stat(path + ending).catch(() => null);
    if (found?.isFile()) return { path: path + ending, size: found.size, encoding };
  }
  return null;
}

function encoded(encoding) {
  return { Vary: 'Accept-Encoding', ...(encoding === null ? {} : { 'Content-Encoding': encoding }) };
}

/** Each once; what is no address is left to the page, which passes it by. */
function cityUrls() {
  const urls = CITY_URLS.split(/\s+/).map((one) => one.slice(one.indexOf('=') + 1));
  return [...new Set(urls)].filter((url) => /^wss?:/.test(url) && URL.canParse(url));
}

function attribute(text) {
  return text.replace(/[&"<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** The file behind a path, if it is one inside `dist`. */
async function find(pathname) {
  let decoded;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    return null;
  }
  if (decoded.includes('\0')) return null;
  const path = normalize(join(DIST, decoded));
  if (!path.startsWith(DIST.endsWith(sep) ? DIST : DIST + sep)) return null;
  const found = await stat(path).catch(() => null);
  return found?.isFile() ? path : null;
}

/** Only our own files run, only our servers are talked to, and nobody frames the page. */
function pageHeaders(servers) {
  const reached = servers.flatMap((server) => {
    const url = new URL(server);
    const s = url.protocol === 'wss:' || url.protocol === 'https:' ? 's' : '';
    return [`http${s}://${url.host}`, `ws${s}://${url.host}`];
  });
  return {
    'Content-Security-Policy': [
      "default-src 'self'",
      `connect-src 'self' ${reached.join(' ')}`,
      "img-src 'self' data: blob:",
      "media-src 'self' blob: mediastream:",
      "worker-src 'self' blob:",
      "style-src 'self' 'unsafe-inline'",
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ].join('; '),
    'Permissions-Policy': 'camera=(self), microphone=(self), display-capture=(self), geolocation=()',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  };
}

function sendJson(response, status, body) {
  response.writeHead(status, { ...headers, 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
}

function sendText(response, status, body) {
  response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(body);
}

function refuseMethod(response, allowed) {
  response.setHeader('Allow', allowed);
  sendJson(response, 405, { error: `use ${allowed}` });
}

function readPort() {
  const flag = process.argv.indexOf('--port');
  const raw = flag > 0 ? process.argv[flag + 1] : (process.env.PORT ?? '3000');
  const value = Number(raw);
  if (Number.isInteger(value) && value > 0 && value < 65536) return value;
  console.error(`page server: "${raw}" is no port; give a number from 1 to 65535`);
  process.exit(2);
}
