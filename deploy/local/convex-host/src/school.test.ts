// The project's own functions on the host, with the seeds of the demo: a node
// registers by a signed request, a host and a student meet at the door.

import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ConvexHttpClient } from 'convex/browser';
import { anyApi, type FunctionReference } from 'convex/server';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idsOf, people, seed } from '../seeds/school.ts';
import { startHost, type Host } from './host.ts';
import { PretendNode, setSecrets } from './pretend-node.ts';

const api = anyApi as unknown as Record<string, Record<string, Record<string, FunctionReference<any, 'public', any, any>>>>;

let host: Host;
let master: string;
beforeAll(async () => {
  master = setSecrets(process.env);
  host = await startHost({
    functions: fileURLToPath(new URL('../../../../convex', import.meta.url)), state: null, host: '127.0.0.1', apiPort: 0, sitePort: 0,
    people, pages: [], trustForwarded: false, crons: false, seed, idsOf,
  });
});
afterAll(() => host.close());

async function signedIn(name: string): Promise<ConvexHttpClient> {
  const person = people.find((one) => one.name === name)!;
  const client = new ConvexHttpClient(host.apiUrl);
  client.setAuth((await host.identities.signIn(person)).token);
  return client;
}

test('the seeded see their meetings, a node takes calls, and the door holds until a host opens it', async () => {
  const [ada, bayo] = [await signedIn('Ada Obi'), await signedIn('Bayo Adeyemi')];
  const week = { from: Date.now() - 3_600_000, to: Date.now() + 7 * 86_400_000 };
  const seen = (await bayo.query(api.meetings!.list!.mine!, week)) as { meetingId: string; title: string; status: string }[];
  expect(new Set(seen.map(({ title }) => title))).toEqual(new Set(['Physics: light and lenses', 'Mathematics club', 'Parents’ evening']));
  const { meetingId } = seen.find(({ title }) => title.startsWith('Physics'))!;

  const lagos = new PretendNode(host.siteUrl, 'lagos', master);
  expect((await new PretendNode(host.siteUrl, 'lagos', 'not the secret').register()).status).toBe(401);
  expect(await lagos.register()).toMatchObject({ status: 200, body: { epoch: 1, ackSeq: 0 } });

  const come = (client: ConvexHttpClient, device: string) => client.mutation(api.meetings!.join!.join!, { meetingId, device });
  expect(await come(bayo, 'phone')).toMatchObject({ status: 'waiting' });
  expect(await come(ada, 'laptop')).toMatchObject({ status: 'joined', role: 'host', url: lagos.url });
  const [waiting] = (await ada.query(api.meetings!.waiting!.list!, { meetingId })) as { userId: string; name: string }[];
  expect(waiting?.name).toBe('Bayo Adeyemi');
  const listed = (await (await fetch(`${host.apiUrl}/local/people`)).json()) as { people: { name: string; userId: string }[] };
  expect(listed.people.find(({ name }) => name === 'Bayo Adeyemi')?.userId).toBe(waiting?.userId);
  await ada.mutation(api.meetings!.waiting!.admit!, { meetingId, userId: waiting!.userId });
  const joined = (await come(bayo, 'phone')) as { status: string; identity: string; token: string };
  expect(joined).toMatchObject({ status: 'joined', role: 'participant', identity: `${waiting!.userId}#phone` });
  const claims = JSON.parse(Buffer.from(joined.token.split('.')[1]!, 'base64url').toString()) as { sub: string; video: { roomJoin: boolean } };
  expect(claims).toMatchObject({ sub: joined.identity, video: { roomJoin: true } });
});

test('a node is poked for a meeting that was just planned, and knows it before its next sync', async () => {
  const ada = await signedIn('Ada Obi');
  const abuja = new PretendNode(host.siteUrl, 'abuja', master);
  let poked: () => void = () => undefined;
  const server = createServer((request, response) => {
    if (request.method === 'POST' && request.url === '/edge/v1/poke') poked();
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    abuja.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await abuja.register();
    await abuja.sync([]);
    const came = new Promise<void>((done) => { poked = done; });
    const startsAt = Date.now() + 3_600_000;
    const plan = { kind: 'scheduled', title: 'Choir', startsAt, endsAt: startsAt + 3_600_000 };
    const { meetingId } = (await ada.mutation(api.meetings!.life!.create!, plan)) as { meetingId: string };
    const asked = performance.now();
    await came;
    await abuja.sync([]);
    const took = performance.now() - asked;
    expect(abuja.desired?.scheduled).toContainEqual(expect.objectContaining({ meetingId, startsAt }));
    // Told a second later, together with what else has changed; the rest is the machine's.
    expect(took).toBeLessThan(5_000);
  } finally {
    server.close();
  }
});
