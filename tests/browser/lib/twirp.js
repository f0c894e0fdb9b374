// @ts-check
/** Calls of RoomService that the server SDK has no function for. */

import { AccessToken } from 'livekit-server-sdk';
import { KEY, SECRET } from './edge-worker.js';

/**
 * @param {import('./edge-worker.js').EdgeWorker} worker
 * @param {string} method
 * @param {Record<string, unknown>} body
 * @param {import('livekit-server-sdk').VideoGrant} grant
 */
export async function call(worker, method, body, grant) {
  const token = new AccessToken(KEY, SECRET, { ttl: '1m' });
  token.addGrant(grant);
  const response = await fetch(`${worker.url.replace('ws', 'http')}/twirp/livekit.RoomService/${method}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${await token.toJwt()}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: /** @type {any} */ (await response.json()) };
}
