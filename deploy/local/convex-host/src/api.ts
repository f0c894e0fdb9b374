// The public HTTP API, as ConvexHttpClient speaks it, and the sign-in of the
// seeded people, which is this host's own.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JSONValue } from 'convex/values';
import { encodeVersion, failed, sendJson } from './answers.ts';
import type { Backend, Kind } from './backend.ts';
import { CALL_BYTES, readBody } from './bounds.ts';
import { originOf, pathOf, type Answer } from './door.ts';
import type { Identities, Person } from './identity.ts';

export interface ApiOptions {
  backend: Backend;
  identities: Identities;
  people: Person[];
  /** Pages that may sign people in. */
  pages: string[];
  trustForwarded: boolean;
}

/** Convex's status for a function that threw; the body says what. */
const FUNCTION_FAILED = 560;
const SIGN_IN_BYTES = 4 * 1024;

export function makeApi(options: ApiOptions): Answer {
  return async (request, response) => {
    const path = pathOf(request);
    if (path.startsWith('/local/')) return await local(options, path, request, response);
    for (const [name, value] of Object.entries(ANY_PAGE)) response.setHeader(name, value);
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    if (request.method === 'GET') {
      if (path === '/version') return void response.end('local-stand-in');
      if (path === '/instance_name') return void response.end('local-stand-in');
      if (path === '/') return void response.end('This is the local stand-in for Convex: its public API and sync socket.\n');
    }
    if (request.method === 'POST') {
      if (path === '/api/query_ts') return sendJson(response, 200, { ts: encodeVersion(options.backend.version) });
      const kind = KINDS[path];
      if (kind !== undefined) return await call(options, kind, request, response);
    }
    sendJson(response, 404, { code: 'NotFound', message: `${request.method} ${path} is not known here.` });
  };
}

const KINDS: Record<string, Kind | undefined> = {
  '/api/query': 'query', '/api/query_at_ts': 'query', '/api/mutation': 'mutation', '/api/action': 'action',
};
const ANY_PAGE = {
  'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': '*, Authorization', 'Access-Control-Allow-Methods': 'GET, POST',
  'Access-Control-Max-Age': '86400',
};

async function call({ backend, identities, trustForwarded }: ApiOptions, kind: Kind, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = parse(await readBody(request, CALL_BYTES));
  if (body === null || typeof body.path !== 'string') {
    return sendJson(response, 400, { code: 'BadJsonBody', message: 'Send JSON with "path" and "args".' });
  }
  try {
    const origin = await originOf(request, identities, trustForwarded);
    const args = (Array.isArray(body.args) ? body.args[0] : body.args) ?? {};
    sendJson(response, 200, { status: 'success', value: await backend.call(kind, body.path, args, origin), logLines: [] });
  } catch (error) {
    sendJson(response, FUNCTION_FAILED, { status: 'error', ...failed(error), logLines: [] });
  }
}

function parse(body: Buffer): { path?: unknown; args?: JSONValue } | null {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? parsed : null;
  } catch {
    return null;
  }
}

/** Whoever can ask here can be anybody: so only pages that were named, and only under this machine's own names. */
async function local(options: ApiOptions, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const page = request.headers.origin;
  if (page !== undefined && !options.pages.includes(page)) {
    return sendJson(response, 403, { code: 'Forbidden', message: `Pages of ${page} may not sign people in: start the host with --page ${page}.` });
  }
  if (!OWN_NAME.test(request.headers.host ?? '')) {
    return sendJson(response, 403, { code: 'Forbidden', message: 'Sign in under a name of this machine itself: 127.0.0.1 or localhost.' });
  }
  const headers: Record<string, string> = page === undefined ? {} : { 'Access-Control-Allow-Origin': page, 'Access-Control-Allow-Headers': 'Content-Type', Vary: 'Origin' };
  if (request.method === 'OPTIONS') return void response.writeHead(204, headers).end();
  if (path === '/local/keys' && request.method === 'GET') return sendJson(response, 200, options.identities.keys, headers);
  if (path === '/local/people' && request.method === 'GET') return sendJson(response, 200, { people: options.people }, headers);
  if (path === '/local/sign-in' && request.method === 'POST') {
    const wanted = parse(await readBody(request, SIGN_IN_BYTES)) as { subject?: unknown } | null;
    const person = options.people.find(({ subject }) => subject === wanted?.subject);
    if (person === undefined) return sendJson(response, 404, { code: 'NotFound', message: 'Nobody of that subject was seeded: GET /local/people lists them.' }, headers);
    return sendJson(response, 200, { ...(await options.identities.signIn(person)), person }, headers);
  }
  sendJson(response, 404, { code: 'NotFound', message: `${request.method} ${path} is not known here.` }, headers);
}

const OWN_NAME = /^(?:127(?:\.\d+){3}|localhost|\[::1\])(?::\d+)?$/;
