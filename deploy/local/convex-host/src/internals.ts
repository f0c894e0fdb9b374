// The parts of convex-test that its interface does not show and that the host
// cannot do without. They are private there, so the version is pinned, and what
// is expected is looked at once, at the start, rather than met as a riddle later.

import { AsyncLocalStorage } from 'node:async_hooks';
import { convexTest } from 'convex-test';
import type { GenericSchema, SchemaDefinition } from 'convex/server';
import type { GenericDocument } from 'convex/server';

export type Schema = SchemaDefinition<GenericSchema, boolean>;
export type Modules = Record<string, () => Promise<Record<string, unknown>>>;
export type Writes = Record<string, GenericDocument | null>;

/** One component's documents: what is committed, and a layer of writes for each open transaction. */
export interface Documents {
  _documents: Record<string, GenericDocument>;
  _writes: Writes[];
  _nextDocId: number;
  _lastCreationTime: number;
  _queryResults: Record<number, unknown>;
  get(table: string | undefined, id: string): GenericDocument | null;
  patch(table: string, id: string, value: Record<string, unknown>): void;
  delete(table: string, id: string): void;
  commit(commitTs: bigint | null): void;
  _iterateDocs(table: string, visit: (document: GenericDocument) => void): void;
  _resolveQuerySource(query: Query): unknown;
}

export interface Query {
  source: {
    type: string;
    indexName?: string;
    tableName?: string;
    range?: { type: string; fieldPath: string; value: unknown }[];
  };
}

/** Where one thing runs at a time. */
export interface Transactions {
  _lastCommitTs: bigint;
  commit(nested: boolean): bigint | null;
  _endTransaction(nested: boolean): void;
}

/** Everything one `convexTest` holds. */
export interface Inside {
  components: Record<string, { db: Documents }>;
  transactionManager: Transactions;
  scheduler: { finishInProgressScheduledFunctions(): Promise<void> };
  asyncSyscall: (operation: string, args: string) => Promise<string>;
}

export interface FunctionPath {
  componentPath: string;
  udfPath: string;
}

/** What `convexTest` returns, with the calls its types leave out. */
export interface Caller {
  query(reference: unknown, args?: unknown): Promise<unknown>;
  mutation(reference: unknown, args?: unknown): Promise<unknown>;
  action(reference: unknown, args?: unknown): Promise<unknown>;
  fun(path: FunctionPath, args: unknown): Promise<unknown>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  run<T>(change: (ctx: never) => Promise<T>): Promise<T>;
  runInComponent<T>(componentPath: string, change: (ctx: never) => Promise<T>): Promise<T>;
  withIdentity(identity: Record<string, unknown>): Caller;
  withRequestMetadata(metadata: { ip: string | null; userAgent: string | null }): Caller;
}

export interface Opened extends Caller {
  registerComponent(path: string, schema: Schema | null, modules: Modules): void;
}

export async function open(schema: Schema, modules: Modules): Promise<{ convex: Opened; inside: Inside }> {
  extendTimers();
  const convex = convexTest({ schema, modules: modules as never }) as unknown as Opened;
  return { convex, inside: await lookInside(convex) };
}

/** Every call runs within a store that carries the whole state; the first one is caught on its way in. */
async function lookInside(convex: Opened): Promise<Inside> {
  const run = AsyncLocalStorage.prototype.run;
  let found: Inside | null = null;
  AsyncLocalStorage.prototype.run = function catching(this: AsyncLocalStorage<unknown>, store: unknown, ...rest: never[]) {
    if (found === null && isInside(store)) found = store;
    return (run as (this: unknown, ...all: unknown[]) => unknown).call(this, store, ...rest) as never;
  } as typeof run;
  try {
    await convex.query(async () => null);
  } finally {
    AsyncLocalStorage.prototype.run = run;
  }
  if (found === null) throw new Error('This version of convex-test is built otherwise than the pinned one: install the version of package-lock.json.');
  return found;
}

function isInside(store: unknown): store is Inside {
  const inside = store as Partial<Inside> | null | undefined;
  const db = inside?.components?.['']?.db;
  return typeof db?._iterateDocs === 'function' && typeof db._resolveQuerySource === 'function' && Array.isArray(db._writes)
    && typeof inside?.transactionManager?._endTransaction === 'function' && typeof inside.asyncSyscall === 'function';
}

/** Node runs a timer of more than 24.8 days at once, and convex-test gives it jobs that are weeks away. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Makes long timers wait in several stages. Only their start is replaced: nobody here clears a job's timer. */
function extendTimers(): void {
  const short = globalThis.setTimeout;
  if ('extended' in short) return;
  const long = Object.assign(
    (run: (...args: unknown[]) => void, delay = 0, ...args: unknown[]): NodeJS.Timeout =>
      delay > LONGEST_TIMER ? short(() => long(run, delay - LONGEST_TIMER, ...args), LONGEST_TIMER) : short(run, delay, ...args),
    { extended: true, __promisify__: (short as { __promisify__?: unknown }).__promisify__ },
  );
  Object.defineProperty(long, promisify, { value: (short as never)[promisify] });
  globalThis.setTimeout = long as unknown as typeof setTimeout;
}

const promisify = Symbol.for('nodejs.util.promisify.custom');
