// The page server as a program: what it signs, what it refuses, how it stops.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { request } from 'node:http';
import { TokenVerifier } from 'livekit-server-sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';

const KEY = 'tester';
const SECRET = 'a secret of thirty-two characters';
let program;
let port;

beforeAll(async () => {
  port = await freePort();
  program = spawn(process.execPath, ['server.mjs', '--port', String(port)], {
    cwd: import.meta.dirname,
    env: { ...process.env, LIVEKIT_URL: 'wss://edge.example', LIVEKIT_API_KEY: KEY, LIVEKIT_API_SECRET: SECRET, CITY_URLS: 'lagos=wss://lagos.example odd', NAIRA_PER_GB: '350' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(program.stdout, 'data');
});

afterAll(() => program.kill('SIGKILL'));

test('a token lets one participant into one room', async () => {
  const answer = await ask('/api/token?room=board%20room&name=Ad%C3%A9b%C3%A1y%E1%BB%8D%CC%80&id=tab12345');
  expect(answer.status).toBe(200);
  const { token, url, room, identity } = JSON.parse(answer.body);
  expect({ url, room, identity }).toEqual({ url: 'wss://edge.example', room: 'board-room', identity: 'adebayo-tab12345' });
  const claims = await new TokenVerifier(KEY, SECRET).verify(token);
  expect(claims.video).toEqual({ room: 'board-room', roomJoin: true, canPublish: true, canPublishData: true, canSubscribe: true, canUpdateOwnMetadata: true });
  expect(claims).toMatchObject({ sub: 'adebayo-tab12345', name: 'Adébáyọ̀'.normalize('NFC'), iss: KEY });
});

test('a tab that brings no id is somebody new each time', async () => {
  const first = JSON.parse((await ask('/api/token?room=a&name=b')).body).identity;
  const second = JSON.parse((await ask('/api/token?room=a&name=b', 'POST')).body).identity;
  expect(first).not.toBe(second);
});

test('what can’t be signed or served is refused with a reason', async () => {
  for (const [path, method, status, part] of [
    ['/api/token?room=a', 'GET', 400, 'bad-name'],
    ['/api/token?name=a', 'GET', 400, 'bad-room'],
    ['/api/token?name=a&room=a/b', 'GET', 400, 'bad-room'],
    ['/api/token?name=a&room=b&id=%3C', 'GET', 400, 'bad-id'],
    ['/api/token?name=a&room=b', 'DELETE', 405, 'GET, POST'],
    ['/', 'POST', 405, 'GET, HEAD'],
    ['/..%2fserver.mjs', 'GET', 404, 'Not found'],
    ['/../server.mjs', 'GET', 404, 'Not found'],
    ['/%', 'GET', 404, 'Not found'],
    ['/%00', 'GET', 404, 'Not found'],
    ['//nowhere', 'GET', 404, 'Not found'],
    ['//', 'GET', 404, 'Not found'],
  ]) {
    const answer = await ask(path, method);
    expect([path, answer.status, answer.body]).toEqual([path, status, expect.stringContaining(part)]);
  }
});

test('the page may talk to its own meeting server only', async () => {
  const { headers } = await ask('/api/token');
  expect(headers['content-security-policy']).toContain("connect-src 'self' https://edge.example wss://edge.example https://lagos.example wss://lagos.example;");
  expect(headers['x-content-type-options']).toBe('nosniff');
});

test('with Convex the page is told where it is, and nothing is signed here', async () => {
  const own = await freePort();
  const other = spawn(process.execPath, ['server.mjs', '--port', String(own)], {
    cwd: import.meta.dirname,
    env: { ...process.env, CONVEX_URL: 'https://school.example/"<', EDGE_URLS: 'wss://lagos.example  wss://abuja.example' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(other.stdout, 'data');
    const page = await ask('/', 'GET', own);
    // Without a build there is no page; what is sent for it is the same either way.
    if (page.status === 200) expect(page.body).toContain('name="convex-url" content="https://school.example/&#34;&#60;"');
    for (const server of ['https://school.example', 'wss://school.example', 'wss://lagos.example', 'wss://abuja.example']) {
      expect(page.headers['content-security-policy']).toContain(server);
    }
    const link = await ask('/meetings/join/123%20456%207890', 'GET', own);
    expect(link.status).toBe(page.status);
    expect((await ask('/meetings/join/a/b', 'GET', own)).status).toBe(404);
    expect((await ask('/api/token?room=a&name=b', 'GET', own)).status).toBe(404);
  } finally {
    other.kill('SIGKILL');
  }
  expect((await ask('/meetings/join/123')).status).toBe(404);
});

test('the page is told what data costs and where cities are, and comes compressed to who takes that', async () => {
  const page = await ask('/');
  // Without a build there is no page to tell.
  if (page.status !== 200) return;
  expect(page.body).toContain('name="naira-per-gb" content="350"');
  expect(page.body).toContain('name="city-urls" content="lagos=wss://lagos.example odd"');
  const script = /src="(\/assets\/[^"]+)"/.exec(page.body)?.[1] ?? '';
  const sizes = [];
  for (const [accepted, encoding] of [['', undefined], ['gzip', 'gzip'], ['gzip, br', 'br']]) {
    const answer = await ask(script, 'HEAD', port, { 'Accept-Encoding': accepted });
    expect([answer.status, answer.headers['content-encoding'], answer.headers.vary]).toEqual([200, encoding, 'Accept-Encoding']);
    sizes.push(Number(answer.headers['content-length']));
  }
  expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
});

test('it stops cleanly when asked', async () => {
  const ended = once(program, 'exit');
  program.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});

/** Sends a path as it is; `fetch` would tidy it first. */
function ask(path, method = 'GET', at = port, headers = {}) {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: at, path, method, headers }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, headers: response.headers, body });
    }).on('error', reject).end();
  });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address();
  server.close();
  await once(server, 'close');
  return free;
}
