// The stand-in as a whole: the functions behind their two ports, with crons and
// identities; started and stopped as one.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeApi } from './api.ts';
import { Backend } from './backend.ts';
import { Clockwork } from './clockwork.ts';
import { openDoor, portOf } from './door.ts';
import { Identities, type Person } from './identity.ts';
import { optional } from './modules.ts';
import { makeSite } from './site.ts';
import { serveSync } from './sync.ts';

export interface HostOptions {
  /** The folder of the functions. */
  functions: string;
  /** Where documents and the identity key are kept; null for a host that forgets. */
  state: string | null;
  host: string;
  /** Public API and sync; 0 takes a free one. */
  apiPort: number;
  /** HTTP actions; 0 takes a free one. */
  sitePort: number;
  people: Person[];
  pages: string[];
  trustForwarded: boolean;
  crons: boolean;
  /** Fills a host that has no documents yet, before anybody can ask for them. */
  seed?: (backend: Backend) => Promise<void>;
  /** The ids that `people` have among the documents, by subject. */
  idsOf?: (backend: Backend) => Promise<Map<string, string>>;
}

export interface Host {
  backend: Backend;
  identities: Identities;
  apiUrl: string;
  siteUrl: string;
  /** Documents read back from disk. */
  restored: number;
  close(): Promise<void>;
}

export async function startHost(options: HostOptions): Promise<Host> {
  const { functions, state, host } = options;
  const { backend, restored } = await Backend.open(functions, fileIn(state));
  if (restored === 0) await fill(backend, options);
  const authConfig = (await optional(functions, 'auth.config'))?.default;
  const identities = await Identities.open(state === null ? null : join(state, 'identity-key.json'), authConfig);
  const ids = (await options.idsOf?.(backend)) ?? new Map<string, string>();
  const people = options.people.map((person) => ({ ...person, ...(ids.has(person.subject) ? { userId: ids.get(person.subject)! } : {}) }));
  const api = await openDoor(host, options.apiPort, makeApi({ ...options, people, backend, identities }));
  const stopSync = serveSync(api, { backend, identities, trustForwarded: options.trustForwarded });
  const site = await openDoor(host, options.sitePort, makeSite(backend, identities, options.trustForwarded));
  const clockwork = options.crons ? await Clockwork.start(backend) : null;

  let closing: Promise<void> | null = null;
  const close = async () => {
    clockwork?.stop();
    stopSync();
    for (const server of [api, site]) server.close();
    await backend.close();
    for (const server of [api, site]) server.closeAllConnections();
  };
  return {
    backend, identities, restored,
    apiUrl: `http://${host}:${portOf(api)}`,
    siteUrl: `http://${host}:${portOf(site)}`,
    close: () => (closing ??= close()),
  };
}

/** All or nothing: what is half filled would never be filled again. */
async function fill(backend: Backend, { seed, state }: HostOptions): Promise<void> {
  try {
    await seed?.(backend);
  } catch (error) {
    await backend.close();
    const file = fileIn(state);
    if (file !== null) rmSync(file, { force: true });
    throw error;
  }
}

function fileIn(state: string | null): string | null {
  return state === null ? null : join(state, 'documents.jsonl');
}
