// The host from outside: what Convex's own clients get of it over real ports.

import { ConvexClient, ConvexHttpClient } from 'convex/browser';
import { ConvexReactClient } from 'convex/react';
import { anyApi, type FunctionReference } from 'convex/server';
import { ConvexError } from 'convex/values';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startHost, type Host, type HostOptions } from './host.ts';

/** Any function, of any kind: what the trial has no generated types for. */
const api = anyApi as unknown as Record<string, Record<string, FunctionReference<any, 'public', any, any>>>;
const ADA = { subject: 'user_ada', name: 'Ada Obi', email: 'ada@example.org', role: 'host' };
const PAGE = 'http://127.0.0.1:3000';
const OPTIONS: HostOptions = {
  functions: fileURLToPath(new URL('../trial', import.meta.url)), state: null, host: '127.0.0.1', apiPort: 0, sitePort: 0,
  people: [ADA], pages: [PAGE], trustForwarded: true, crons: false,
};
const webSocketConstructor = WebSocket as unknown as typeof globalThis.WebSocket;

let host: Host;
beforeAll(async () => {
  host = await startHost(OPTIONS);
});
afterAll(() => host.close());

test('the HTTP client queries, mutates and runs actions', async () => {
  const client = new ConvexHttpClient(host.apiUrl);
  await client.mutation(api.notes!.send!, { room: 'http', body: 'one' });
  expect(await client.query(api.notes!.list!, { room: 'http' })).toEqual(['one']);
  expect(await client.consistentQuery(api.notes!.list!, { room: 'http' })).toEqual(['one']);
  expect(await client.action(api.notes!.count!, { room: 'http' })).toBe(1);
});

test('errors reach the client as a deployment sends them, and undo what was written', async () => {
  const client = new ConvexHttpClient(host.apiUrl);
  const refused = await client.mutation(api.notes!.send!, { room: 'errors', body: 'refuse me' }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ConvexError);
  expect((refused as ConvexError<never>).data).toEqual({ code: 'refused', tries: 1n });
  await expect(client.mutation(api.notes!.fail!, { room: 'errors' })).rejects.toThrow('broken on purpose');
  await expect(client.mutation(api.notes!.send!, { room: 'errors' })).rejects.toThrow('Missing required field `body`');
  expect(await client.query(api.notes!.list!, { room: 'errors' })).toEqual([]);
});

test('only public functions of the right kind are called', async () => {
  const client = new ConvexHttpClient(host.apiUrl);
  for (const attempt of [
    () => client.mutation(api.notes!.keep!, { room: 'hidden', body: 'internal' }),
    () => client.query(api.notes!.send!, { room: 'hidden', body: 'a mutation' }),
    () => client.mutation(api.nowhere!.at!, {}),
    () => client.mutation(api.schema!.default!, {}),
  ]) {
    await expect(attempt()).rejects.toThrow('Could not find public function');
  }
});

test('a watched query is sent again when its answer changes, and only then', async () => {
  const client = new ConvexClient(host.apiUrl, { webSocketConstructor });
  const seen: string[][] = [];
  client.onUpdate(api.notes!.list!, { room: 'watched' }, (notes: string[]) => seen.push(notes));
  await vi.waitFor(() => expect(seen).toEqual([[]]));
  await client.mutation(api.notes!.send!, { room: 'watched', body: 'mine' });
  const other = new ConvexHttpClient(host.apiUrl);
  await other.mutation(api.notes!.send!, { room: 'elsewhere', body: 'not here' });
  await other.mutation(api.notes!.send!, { room: 'watched', body: 'theirs' });
  await vi.waitFor(() => expect(seen.at(-1)).toEqual(['mine', 'theirs']));
  expect(seen).toEqual([[], ['mine'], ['mine', 'theirs']]);
  await client.close();
});

test('the React client watches, mutates, and hears errors of both', async () => {
  const client = new ConvexReactClient(host.apiUrl, { webSocketConstructor });
  const watch = client.watchQuery(api.notes!.list!, { room: 'react' });
  await new Promise<void>((heard) => watch.onUpdate(heard));
  expect(watch.localQueryResult()).toEqual([]);
  await client.mutation(api.notes!.send!, { room: 'react', body: 'hello' });
  expect(watch.localQueryResult()).toEqual(['hello']);
  await expect(client.mutation(api.notes!.send!, { room: 'react', body: 'refuse me' })).rejects.toMatchObject({ data: { code: 'refused' } });
  expect(await client.action(api.notes!.count!, { room: 'react' })).toBe(1);
  const wrong = client.watchQuery(api.notes!.keep!, {});
  await new Promise<void>((heard) => wrong.onUpdate(heard));
  expect(() => wrong.localQueryResult()).toThrow('Could not find public function');
  await client.close();
});

test('the seeded sign in from the page, and functions see who they are', async () => {
  const answer = await fetch(`${host.apiUrl}/local/sign-in`, { method: 'POST', headers: { Origin: PAGE }, body: JSON.stringify({ subject: ADA.subject }) });
  const { token } = (await answer.json()) as { token: string };
  const http = new ConvexHttpClient(host.apiUrl);
  expect(await http.query(api.notes!.whoami!, {})).toBeNull();
  http.setAuth(token);
  expect(await http.query(api.notes!.whoami!, {})).toEqual({ subject: ADA.subject, name: ADA.name, email: ADA.email });

  const client = new ConvexClient(host.apiUrl, { webSocketConstructor });
  const seen: unknown[] = [];
  client.onUpdate(api.notes!.whoami!, {}, (who) => seen.push(who));
  await vi.waitFor(() => expect(seen).toEqual([null]));
  client.setAuth(() => Promise.resolve(token));
  await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ subject: ADA.subject }));
  await client.close();
});

test('nobody else signs anybody in', async () => {
  const ask = (headers: Record<string, string>, subject: string) =>
    fetch(`${host.apiUrl}/local/sign-in`, { method: 'POST', headers, body: JSON.stringify({ subject }) }).then((answer) => answer.status);
  expect(await ask({ Origin: 'https://elsewhere.example' }, ADA.subject)).toBe(403);
  expect(await ask({}, 'user_mallory')).toBe(404);
  const forged = new ConvexHttpClient(host.apiUrl);
  forged.setAuth('eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyX2FkYSJ9.');
  await expect(forged.query(api.notes!.whoami!, {})).rejects.toThrow('sign in again');
});

test('HTTP actions get the request and give their answer, with the caller’s identity and address', async () => {
  const { token } = await host.identities.signIn(ADA);
  const answer = await fetch(`${host.siteUrl}/echo?a=b%20c`, { method: 'POST', headers: { 'X-Trial': 'yes', Authorization: `Bearer ${token}` }, body: 'Ẹ kú àárọ̀' });
  expect(answer.status).toBe(201);
  expect(answer.headers.get('x-answer')).toBe('yes');
  expect(await answer.json()).toEqual({ body: 'Ẹ kú àárọ̀', header: 'yes', who: ADA.name, query: 'b c' });
  expect((await fetch(`${host.siteUrl}/nowhere`)).status).toBe(404);
  const address = await fetch(`${host.apiUrl}/api/mutation`, {
    method: 'POST', headers: { 'X-Forwarded-For': '203.0.113.9, 10.0.0.1' }, body: JSON.stringify({ path: 'notes:address', args: {} }),
  });
  expect(await address.json()).toMatchObject({ value: '203.0.113.9' });
});

test('components run, and those they use', async () => {
  const client = new ConvexHttpClient(host.apiUrl);
  const tries = [];
  for (let n = 0; n < 5; n++) tries.push(await client.mutation(api.limited!.attempt!, { who: 'ada' }));
  expect(tries).toEqual([true, true, true, false, false]);
  expect(await client.mutation(api.limited!.attempt!, { who: 'bayo' })).toBe(true);
});

test('scheduled functions run at their time, not before, and never when their mutation failed', async () => {
  const client = new ConvexHttpClient(host.apiUrl);
  const month = 40 * 24 * 3_600_000;
  await client.mutation(api.notes!.later!, { room: 'jobs', body: 'next month', delayMs: month });
  await client.mutation(api.notes!.later!, { room: 'jobs', body: 'soon', delayMs: 50 });
  await vi.waitFor(async () => expect(await client.query(api.notes!.list!, { room: 'jobs' })).toEqual(['soon']));
  expect(await client.query(api.notes!.waiting!, {})).toBe(1);
});

test('crons tick when they are wanted', async () => {
  const ticking = await startHost({ ...OPTIONS, crons: true });
  const client = new ConvexHttpClient(ticking.apiUrl);
  await vi.waitFor(async () => expect((await client.query(api.notes!.list!, { room: 'cron' })).length).toBeGreaterThan(0), 5_000);
  await ticking.close();
});

test('documents, component documents, waiting jobs, ids and the key outlive the process', async () => {
  const state = mkdtempSync(join(tmpdir(), 'convex-host-'));
  const first = await startHost({ ...OPTIONS, state });
  const before = new ConvexHttpClient(first.apiUrl);
  const id = await before.mutation(api.notes!.send!, { room: 'kept', body: 'before' });
  for (let n = 0; n < 3; n++) await before.mutation(api.limited!.attempt!, { who: 'ada' });
  await before.mutation(api.notes!.later!, { room: 'kept', body: 'from a job', delayMs: 200 });
  const { token } = await first.identities.signIn(ADA);
  await first.close();

  const second = await startHost({ ...OPTIONS, state });
  const after = new ConvexHttpClient(second.apiUrl);
  after.setAuth(token);
  expect(await after.query(api.notes!.whoami!, {})).toMatchObject({ subject: ADA.subject });
  expect(await after.mutation(api.limited!.attempt!, { who: 'ada' })).toBe(false);
  await vi.waitFor(async () => expect(await after.query(api.notes!.list!, { room: 'kept' })).toContain('from a job'));
  expect(await after.mutation(api.notes!.send!, { room: 'kept', body: 'after' })).not.toBe(id);
  expect(new Set(await after.query(api.notes!.list!, { room: 'kept' }))).toEqual(new Set(['before', 'from a job', 'after']));
  await second.close();
  rmSync(state, { recursive: true });
});

test('a broken socket’s mutation is not done twice when it is asked again', async () => {
  const ask = async () => {
    const socket = new WebSocket(`${host.apiUrl.replace('http', 'ws')}/api/1.48.0/sync`);
    const answer = new Promise<{ success: boolean }>((heard) => {
      socket.on('message', (raw) => {
        const message = JSON.parse(String(raw)) as { type: string; success: boolean };
        if (message.type === 'MutationResponse') heard(message);
      });
    });
    await new Promise((opened) => socket.once('open', opened));
    socket.send(JSON.stringify({ type: 'Connect', sessionId: 'a-client', connectionCount: 0 }));
    socket.send(JSON.stringify({ type: 'Mutation', requestId: 7, udfPath: 'notes:send', args: [{ room: 'again', body: 'once' }] }));
    const heard = await answer;
    socket.terminate();
    return heard;
  };
  const [first, second] = [await ask(), await ask()];
  expect(second).toEqual(first);
  expect(await new ConvexHttpClient(host.apiUrl).query(api.notes!.list!, { room: 'again' })).toEqual(['once']);
});

test('hostile input is refused and leaves the host as it was', async () => {
  const post = (url: string, body: string | Uint8Array<ArrayBuffer>) => fetch(url, { method: 'POST', body }).then((answer) => answer.status);
  expect(await post(`${host.apiUrl}/api/query`, 'no json')).toBe(400);
  expect(await post(`${host.apiUrl}/api/query`, '{"path": 7}')).toBe(400);
  expect(await post(`${host.apiUrl}/api/query`, '{"path": "notes:list", "args": [{"room": {"$bytes": 5}}]}')).toBe(560);
  expect(await post(`${host.apiUrl}/api/query`, '{"path": "../secret:default", "args": {}}')).toBe(560);
  expect(await post(`${host.apiUrl}/api/query`, '{"path": "_generated/api:api", "args": {}}')).toBe(560);
  expect(await post(`${host.apiUrl}/api/query`, new Uint8Array(17 * 1024 * 1024)).catch(() => 413)).toBe(413);
  for (const raw of ['no json', '{"type":"Unknown"}', '{"type":"ModifyQuerySet"}', 'null']) {
    const socket = new WebSocket(`${host.apiUrl.replace('http', 'ws')}/api/sync`);
    socket.once('open', () => socket.send(raw));
    await new Promise((closed) => socket.once('close', closed));
  }
  expect((await fetch(`${host.apiUrl}/version`)).status).toBe(200);
});
