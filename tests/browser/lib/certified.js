// @ts-check
/** A certificate for a worker's clients, and browsers that take it for that of any host. */

import { X509Certificate, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const fixture = (/** @type {string} */ name) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const CERTIFICATE = fixture('receiver.pem');

/** What a worker has to be told. */
export const CERTIFIED = { EDGE_TLS__CERTIFICATE: CERTIFICATE, EDGE_TLS__KEY: fixture('receiver.key.pem') };

const key = new X509Certificate(readFileSync(CERTIFICATE)).publicKey.export({ type: 'spki', format: 'der' });

/** Flags of Chromium; they hold for pages' connections and for TURN alike. */
export const TRUSTING = [`--ignore-certificate-errors-spki-list=${createHash('sha256').update(key).digest('base64')}`];
