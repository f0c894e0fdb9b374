// @ts-check
/** An app's server that webhooks are posted to. It can be away, out of order, or well; what it took it has verified. */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { fileURLToPath } from 'node:url';
import { WebhookReceiver } from 'livekit-server-sdk';

/** @typedef {import('livekit-server-sdk').WebhookEvent} WebhookEvent */

const fixture = (/** @type {string} */ name) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** Who vouches for a receiver over HTTPS; nobody else does. */
export const AUTHORITY = fixture('authority.pem');

export class Receiver {
  /** Events taken, in the order they came. @type {WebhookEvent[]} */
  taken = [];
  /** Ids of all tries, the refused ones too. @type {string[]} */
  tries = [];
  /** What was wrong with requests that no app would accept. @type {string[]} */
  complaints = [];
  /** How many of the next requests are answered with an error. */
  failures = 0;

  /**
   * @param {string} key
   * @param {string} secret
   * @param {'http' | 'https'} [scheme]
   */
  constructor(key, secret, scheme = 'http') {
    this.scheme = scheme;
    this.receiver = new WebhookReceiver(key, secret);
    const answer = (/** @type {import('node:http').IncomingMessage} */ request,
      /** @type {import('node:http').ServerResponse} */ response) => {
      this.answer(request).then((status) => response.writeHead(status).end());
    };
    this.server = scheme === 'http'
      ? createServer(answer)
      : createSecureServer({ cert: readFileSync(fixture('receiver.pem')), key: readFileSync(fixture('receiver.key.pem')) }, answer);
  }

  /**
   * Opens the door, on the port it had before if it had one.
   * @returns {Promise<void>}
   */
  open() {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject).listen(this.port ?? 0, '127.0.0.1', () => {
        this.port = /** @type {import('node:net').AddressInfo} */ (this.server.address()).port;
        resolve();
      });
    });
  }

  /** @returns {Promise<void>} */
  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  get url() {
    return `${this.scheme}://127.0.0.1:${this.port}/livekit`;
  }

  /** @param {string} room */
  eventsOf(room) {
    return this.taken.filter((event) => event.room?.name === room);
  }

  /** @param {import('node:http').IncomingMessage} request */
  async answer(request) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const { authorization, 'content-type': type, 'user-agent': agent } = request.headers;
    if (request.method !== 'POST' || type !== 'application/webhook+json' || agent !== 'LiveKit') {
      this.complaints.push(`${request.method} ${type} ${agent}`);
    }
    const event = await this.receiver.receive(body, authorization).catch((error) => {
      this.complaints.push(`${error}: ${body}`);
    });
    if (!event) return 401;
    this.tries.push(event.id);
    if (this.failures > 0) {
      this.failures -= 1;
      return 503;
    }
    this.taken.push(event);
    return 200;
  }
}
