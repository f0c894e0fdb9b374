// One port: takes requests within bounds, and says who asks. What the paths mean
// is told by whoever opens it.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { failed, sendJson } from './answers.ts';
import type { Origin } from './backend.ts';
import { CONNECTIONS, REQUESTS, TooLarge } from './bounds.ts';
import { NotSignedIn, type Identities } from './identity.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** How long a client may take for its request's head, and for all of it. */
const HEAD_MS = 10_000;
const WHOLE_MS = 60_000;
const RETRY_SECONDS = 1;

export async function openDoor(host: string, port: number, answer: Answer): Promise<Server> {
  let inside = 0;
  const server = createServer({ headersTimeout: HEAD_MS, requestTimeout: WHOLE_MS, maxHeaderSize: 32 * 1024 }, (request, response) => {
    if (inside >= REQUESTS) {
      return sendJson(response, 503, { code: 'Busy', message: 'Too many requests at once: try again in a second.' }, { 'Retry-After': String(RETRY_SECONDS) });
    }
    inside++;
    response.once('close', () => inside--);
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy();
      if (error instanceof TooLarge) return sendJson(response, 413, { code: 'TooLarge', message: error.message }, { Connection: 'close' });
      console.error(`${request.method} ${pathOf(request)} failed:`, error);
      sendJson(response, 500, { code: 'InternalServerError', message: failed(error).errorMessage });
    });
  });
  server.maxConnections = CONNECTIONS;
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?')[0]!;
}

/** Without a token nobody; with a bad one [`NotSignedIn`]. */
export async function originOf(request: IncomingMessage, identities: Identities, trustForwarded: boolean): Promise<Origin> {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  const identity = scheme === 'Bearer' && token ? (await identities.check(token)).identity : null;
  return { ...addressOf(request, trustForwarded), identity };
}

/** As [`originOf`], but a bad token is nobody's: HTTP actions may have tokens of their own. */
export async function originOrNobody(request: IncomingMessage, identities: Identities, trustForwarded: boolean): Promise<Origin> {
  return await originOf(request, identities, trustForwarded).catch((error: unknown) => {
    if (error instanceof NotSignedIn) return { ...addressOf(request, trustForwarded), identity: null };
    throw error;
  });
}

export function addressOf(request: IncomingMessage, trustForwarded: boolean): { ip: string | null; userAgent: string | null } {
  const forwarded = trustForwarded ? String(request.headers['x-forwarded-for'] ?? '').split(',')[0]!.trim() : '';
  return { ip: forwarded || (request.socket.remoteAddress ?? null), userAgent: request.headers['user-agent'] ?? null };
}
