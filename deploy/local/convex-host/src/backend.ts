// The functions, running: loaded from their folder onto convex-test, with their
// components, their documents kept on disk, and word of each commit.
//
// Ports, sockets and identities are the business of others.

import { AsyncLocalStorage } from 'node:async_hooks';
import { makeFunctionReference } from 'convex/server';
import { convexToJson, jsonToConvex, type JSONValue, type Value } from 'convex/values';
import { indexDocuments, tableOf } from './documents.ts';
import { open, type Caller, type Inside, type Opened, type Schema, type Modules } from './internals.ts';
import { Jobs } from './jobs.ts';
import { Journal } from './journal.ts';
import { componentsOf, modulesOf, optional } from './modules.ts';

export type Kind = 'query' | 'mutation' | 'action';

/** Who calls, from where. */
export interface Origin {
  ip: string | null;
  userAgent: string | null;
  identity: Record<string, unknown> | null;
}

export const NOBODY: Origin = { ip: null, userAgent: null, identity: null };

/** A function that is not there, or not for callers from outside. */
export class NoSuchFunction extends Error {
  constructor(path: string) {
    super(`Could not find public function for '${path}'. Did you forget to export it, or is it internal?`);
  }
}

type Heard = (written: ReadonlySet<string>) => void;

export class Backend {
  private readonly listeners = new Set<Heard>();
  /** The tables that one call looks at, down to the components it calls. */
  private readonly reading = new AsyncLocalStorage<Set<string>>();
  private journal: Journal | null = null;
  private jobs!: Jobs;

  private constructor(
    readonly folder: string,
    private readonly convex: Opened,
    private readonly inside: Inside,
    private readonly modules: Modules,
  ) {}

  /** Loads `folder`; with `file` the documents are those that an earlier process kept there. */
  static async open(folder: string, file: string | null): Promise<{ backend: Backend; restored: number }> {
    const schema = (await optional(folder, 'schema'))?.default as Schema | undefined;
    if (schema === undefined) throw new Error(`${folder} has no schema.ts: name the folder of Convex functions.`);
    const modules = modulesOf(folder);
    const { convex, inside } = await open(schema, modules);
    for (const component of await componentsOf(folder)) {
      convex.registerComponent(component.path, component.schema, component.modules);
    }
    const backend = new Backend(folder, convex, inside, modules);
    const restored = backend.settle(file);
    return { backend, restored };
  }

  /** Puts the host's ears and its index into the state, in this order: the index is built of what was restored. */
  private settle(file: string | null): number {
    const runsIn = new Map<string, string>();
    this.jobs = new Jobs(this.convex, this.inside, runsIn);
    let restored = 0;
    if (file !== null) ({ journal: this.journal, restored } = Journal.open(file, this.inside, runsIn));
    for (const [component, { db }] of Object.entries(this.inside.components)) {
      indexDocuments(db, (table) => this.reading.getStore()?.add(`${component}/${table}`));
    }
    this.watchCommits();
    this.jobs.resume();
    return restored;
  }

  private watchCommits(): void {
    const { transactionManager: transactions, components } = this.inside;
    const commit = transactions.commit.bind(transactions);
    transactions.commit = (nested) => {
      const changed = new Map<string, string[]>();
      if (!nested) {
        for (const [component, { db }] of Object.entries(components)) {
          const ids = Object.keys(db._writes[0] ?? {});
          if (ids.length > 0) changed.set(component, ids);
        }
      }
      const commitTs = commit(nested);
      if (commitTs !== null && changed.size > 0) {
        this.journal?.append(commitTs, changed);
        const written = new Set([...changed].flatMap(([component, ids]) => ids.map((id) => `${component}/${tableOf(id)}`)));
        for (const listener of this.listeners) listener(written);
      }
      return commitTs;
    };
    // Results of queries that were not read to their end are kept for ever otherwise.
    const end = transactions._endTransaction.bind(transactions);
    transactions._endTransaction = (nested) => {
      end(nested);
      if (!nested) for (const { db } of Object.values(components)) db._queryResults = {};
    };
  }

  /** Hears which tables each commit wrote; returns how to stop. */
  onCommit(listener: Heard): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The last commit's time in nanoseconds; clients order what they see by it. */
  get version(): bigint {
    return this.inside.transactionManager._lastCommitTs;
  }

  /** How many documents there are, those of components among them. */
  get documents(): number {
    return Object.values(this.inside.components).reduce((sum, { db }) => sum + Object.keys(db._documents).length, 0);
  }

  /** Calls a public function. */
  async call(kind: Kind, path: string, args: JSONValue, origin: Origin): Promise<JSONValue> {
    await this.insist(kind, path);
    const result = await this.as(origin)[kind](makeFunctionReference(tidy(path)), jsonToConvex(args));
    return convexToJson((result ?? null) as Value);
  }

  /** Calls a public query and says which tables its answer hangs on. */
  async look(path: string, args: JSONValue, origin: Origin, reads: Set<string>): Promise<JSONValue> {
    return await this.reading.run(reads, () => this.call('query', path, args, origin));
  }

  /** Passes a request to the HTTP action of its path. */
  async fetch(path: string, init: RequestInit, origin: Origin): Promise<Response> {
    return await this.as(origin).fetch(path, init);
  }

  /** Calls any function, as crons do. */
  async callAny(path: string, args: JSONValue): Promise<unknown> {
    return await this.convex.fun({ componentPath: '', udfPath: tidy(path) }, jsonToConvex(args));
  }

  /** Changes documents directly, as a dashboard does: in a transaction, by the schema, past the functions. */
  async change<T>(change: (ctx: never) => Promise<T>): Promise<T> {
    return await this.convex.run(change);
  }

  /** Lets running jobs end, and closes the file. */
  async close(): Promise<void> {
    this.jobs.stop();
    await this.inside.scheduler.finishInProgressScheduledFunctions();
    this.journal?.close();
    this.journal = null;
  }

  private as(origin: Origin): Caller {
    const from = this.convex.withRequestMetadata({ ip: origin.ip, userAgent: origin.userAgent });
    return origin.identity === null ? from : from.withIdentity(origin.identity);
  }

  /** convex-test runs internal functions for whoever asks; callers from outside get only what is public. */
  private async insist(kind: Kind, path: string): Promise<void> {
    const [module, name = 'default'] = tidy(path).split(':');
    const load = this.modules[`./${module}.ts`] ?? this.modules[`./${module}.js`];
    const found = load === undefined ? undefined : ((await load())[name] as Record<string, unknown> | undefined);
    const mark = { query: 'isQuery', mutation: 'isMutation', action: 'isAction' }[kind];
    if (typeof found !== 'function' || !Reflect.get(found, 'isPublic') || !Reflect.get(found, mark)) throw new NoSuchFunction(path);
  }
}

function tidy(path: string): string {
  return path.replace(/\.js(?=:|$)/, '');
}
