// Trial HTTP actions: an echo, and a sync shaped as a node's: signature, events in
// order, a span for each join, one mutation.

import { httpActionGeneric, httpRouter } from 'convex/server';
import { internal } from './_generated/api.ts';

const http = httpRouter();

http.route({
  path: '/echo', method: 'POST',
  handler: httpActionGeneric(async (ctx, request) => {
    const identity = await ctx.auth.getUserIdentity();
    return Response.json({
      body: await request.text(), header: request.headers.get('x-trial'), who: identity?.name ?? null,
      query: new URL(request.url).searchParams.get('a'),
    }, { status: 201, headers: { 'X-Answer': 'yes' } });
  }),
});

/** Stands for a node's key; the trial is of speed, not of secrecy. */
const KEY = new TextEncoder().encode('trial key of the trial sync');

http.route({
  path: '/sync', method: 'POST',
  handler: httpActionGeneric(async (ctx, request) => {
    const body = await request.arrayBuffer();
    const key = await crypto.subtle.importKey('raw', KEY, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
    const signature = Uint8Array.from((request.headers.get('x-signature') ?? '').match(/../g) ?? [], (pair) => parseInt(pair, 16));
    if (!(await crypto.subtle.verify('HMAC', key, signature, body))) return Response.json({ error: 'signature' }, { status: 401 });
    return Response.json(await ctx.runMutation(internal.sync.apply, JSON.parse(new TextDecoder().decode(body))));
  }),
});

export default http;
