// The command: reads its options, starts the host, seeds it when it is empty, and
// stops it cleanly.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Backend } from './backend.ts';
import { startHost, type HostOptions } from './host.ts';
import type { Person } from './identity.ts';

const USAGE = `usage: npm run serve -- --functions FOLDER [options]

The local stand-in for Convex: runs the functions of FOLDER behind a Convex backend's ports.

  --functions FOLDER   the folder with schema.ts
  --state FOLDER       keep documents and the identity key there (without it all is forgotten)
  --seeds FILE         a module with "people", "seed" and "idsOf": who may sign in, what an empty host
                       starts with, and their ids
  --host ADDRESS       where it listens (127.0.0.1)
  --api-port PORT      public API and sync (3210)
  --site-port PORT     HTTP actions (3211)
  --page ORIGIN        a page that may sign people in; may be given several times (http://127.0.0.1:3000)
  --trust-forwarded    take the caller's address from X-Forwarded-For
  --no-crons           leave periodic functions to whoever calls them
  --help               this text

Functions see this process's environment.`;

/** convex-test tries the members of a union by what they throw: traces of it that nobody reads take a quarter of all time. */
const TRACED = 3;

/** What a module of seeds exports. */
export interface Seeds {
  people: Person[];
  seed(backend: Backend): Promise<void>;
  idsOf(backend: Backend): Promise<Map<string, string>>;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      functions: { type: 'string' }, state: { type: 'string' }, seeds: { type: 'string' }, host: { type: 'string', default: '127.0.0.1' },
      'api-port': { type: 'string', default: '3210' }, 'site-port': { type: 'string', default: '3211' },
      page: { type: 'string', multiple: true, default: ['http://127.0.0.1:3000'] },
      'trust-forwarded': { type: 'boolean', default: false }, 'no-crons': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  if (values.functions === undefined) throw new Error('--functions is missing: name the folder that holds schema.ts.');
  const seeds = values.seeds === undefined ? null : ((await import(resolve(values.seeds))) as Seeds);
  const options: HostOptions = {
    functions: folder(values.functions), state: values.state === undefined ? null : resolve(values.state), host: values.host,
    apiPort: port('--api-port', values['api-port']), sitePort: port('--site-port', values['site-port']),
    people: seeds?.people ?? [], pages: values.page, trustForwarded: values['trust-forwarded'], crons: !values['no-crons'],
    ...(seeds === null ? {} : { seed: seeds.seed, idsOf: seeds.idsOf }),
  };
  Error.stackTraceLimit = TRACED;
  const host = await startHost(options);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      host.close().then(() => process.exit(0), (error: unknown) => end(error));
    });
  }
  console.log(`local stand-in for Convex: API ${host.apiUrl}, HTTP actions ${host.siteUrl}, ${host.restored} documents restored`);
}

function folder(path: string): string {
  const whole = resolve(path);
  if (!existsSync(whole)) throw new Error(`${whole} does not exist: --functions names the folder that holds schema.ts.`);
  return whole;
}

function port(name: string, raw: string): number {
  const value = Number(raw);
  if (Number.isInteger(value) && value >= 0 && value < 65_536) return value;
  throw new Error(`${name} is "${raw}": give a number up to 65535, or 0 for any free port.`);
}

function end(error: unknown): never {
  const taken = (error as { code?: string } | null)?.code === 'EADDRINUSE';
  const words = error instanceof Error ? error.message : String(error);
  console.error(`local stand-in for Convex: ${taken ? `${words}. Choose other ports with --api-port and --site-port.` : words}`);
  process.exit(1);
}

main().catch(end);
