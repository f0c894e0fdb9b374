// Makes the secrets of a fleet on one machine, once: the control plane's master
// secret and the key that signs join tokens, and for each node the key derived for
// it. Files of NAME=value, for whoever starts the programs. A deployment's secrets
// are made the same way and set with `convex env set`.

import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = 1;
const API_KEY = 'local';

const [folder, ...nodes] = process.argv.slice(2);
if (folder === undefined || nodes.length === 0) {
  console.error('usage: npm run secrets -- FOLDER NODE...');
  process.exit(2);
}
mkdirSync(folder, { recursive: true, mode: 0o700 });
if (existsSync(join(folder, 'convex.env')) && nodes.every((node) => existsSync(join(folder, `${node}.env`)))) {
  console.log('the secrets are there already');
  process.exit(0);
}

const master = randomBytes(32).toString('base64url');
const { privateKey } = generateKeyPairSync('ed25519');
const apiSecret = randomBytes(32).toString('base64url');
for (const node of nodes) {
  write(node, {
    EDGE_CONTROL__KEY: createHmac('sha256', master).update(`node|${node}|${VERSION}`).digest('hex'),
    EDGE_CONTROL__KEY_VERSION: String(VERSION),
    [`EDGE_KEYS__${API_KEY.toUpperCase()}`]: apiSecret,
  });
}
// Last: it says that all is complete.
write('convex', {
  [`EDGE_MASTER_${VERSION}`]: master,
  EDGE_KEY_VERSIONS: String(VERSION),
  EDGE_TOKEN_KEY: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64url'),
  EDGE_TOKEN_KEY_ID: `local-${randomBytes(4).toString('hex')}`,
});
console.log(`made the secrets of ${nodes.join(', ')} and of the control plane`);

function write(name: string, values: Record<string, string>): void {
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(join(folder!, `${name}.env`), lines.join(''), { mode: 0o600 });
}
