// What the host accepts at most, each bound with its reason, and the reading of
// request bodies within them.

import type { IncomingMessage } from 'node:http';

/** What Convex takes as arguments of one call. */
export const CALL_BYTES = 16 * 1024 * 1024;
/** What Convex takes as the body of one HTTP action, and gives back. */
export const ACTION_BYTES = 20 * 1024 * 1024;
/** Requests in progress on one port; more would only wait for the one transaction at a time that there is. */
export const REQUESTS = 256;
/** Connections of one port, idle ones among them. */
export const CONNECTIONS = 2_048;
/** Open sync sockets: a page has one, a demo a few dozen. */
export const SOCKETS = 512;
/** Queries one socket may watch. */
export const SUBSCRIPTIONS = 512;
/** Messages of one socket that wait for their turn. */
export const BACKLOG = 256;
/** Bytes a slow reader may leave lying in its socket. */
export const UNREAD_BYTES = 16 * 1024 * 1024;
/** Answers to mutations kept in case a socket breaks before they arrive. */
export const KEPT_ANSWERS = 2_000;

/** The body went past its bound. */
export class TooLarge extends Error {
  constructor(limit: number) {
    super(`The body is larger than ${limit} bytes: send less at once.`);
  }
}

export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new TooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
