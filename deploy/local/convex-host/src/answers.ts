// What the ports answer with: JSON, errors as a Convex deployment words them,
// and commit times as its clients read them.

import type { ServerResponse } from 'node:http';
import { convexToJson, type JSONValue, type Value } from 'convex/values';
import { TooLarge } from './bounds.ts';
import { NoSuchFunction } from './backend.ts';
import { NotSignedIn } from './identity.ts';

export interface Failed {
  errorMessage: string;
  errorData?: JSONValue;
}

/** Functions may bring their own copy of the library, so errors are known by its mark, not by their class. */
const CONVEX_ERROR = Symbol.for('ConvexError');

let requests = 0;

export function failed(error: unknown): Failed {
  if (typeof error === 'object' && error !== null && CONVEX_ERROR in error) {
    const { message, data } = error as unknown as { message: string; data: Value };
    return { errorMessage: `[Request ID: ${nextRequest()}] Server Error\nUncaught ConvexError: ${message}`, errorData: convexToJson(data) };
  }
  if (error instanceof NoSuchFunction || error instanceof NotSignedIn || error instanceof TooLarge) return { errorMessage: error.message };
  const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { errorMessage: `[Request ID: ${nextRequest()}] Server Error\nUncaught ${words}` };
}

function nextRequest(): string {
  return (requests++).toString(16).padStart(16, '0');
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers });
  response.end(JSON.stringify(body));
}

/** Eight bytes, least first, in base64. */
export function encodeVersion(version: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(version);
  return bytes.toString('base64');
}
