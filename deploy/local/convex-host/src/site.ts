// The port of the HTTP actions: each request goes to the action of its path, each
// answer back, within Convex's bounds.

import { ACTION_BYTES, readBody, TooLarge } from './bounds.ts';
import type { Backend } from './backend.ts';
import { originOrNobody, type Answer } from './door.ts';
import type { Identities } from './identity.ts';

/** Meant for the connection, not for the action. */
const HOP_BY_HOP = new Set(['connection', 'content-length', 'expect', 'host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

export function makeSite(backend: Backend, identities: Identities, trustForwarded: boolean): Answer {
  return async (request, response) => {
    const body = await readBody(request, ACTION_BYTES);
    const headers = new Headers();
    for (const [name, values] of Object.entries(request.headersDistinct)) {
      if (!HOP_BY_HOP.has(name)) for (const value of values ?? []) headers.append(name, value);
    }
    const origin = await originOrNobody(request, identities, trustForwarded);
    const method = request.method ?? 'GET';
    const answer = await backend.fetch(request.url ?? '/', { method, headers, ...(body.length > 0 ? { body: new Uint8Array(body) } : {}) }, origin);
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (bytes.length > ACTION_BYTES) throw new TooLarge(ACTION_BYTES);
    const back: Record<string, string | string[]> = {};
    answer.headers.forEach((value, name) => {
      if (!HOP_BY_HOP.has(name)) back[name] = value;
    });
    const cookies = answer.headers.getSetCookie();
    if (cookies.length > 0) back['set-cookie'] = cookies;
    response.writeHead(answer.status, back);
    response.end(method === 'HEAD' ? undefined : bytes);
  };
}
