// The sync sockets: queries that are watched, mutations and actions, as the
// reactive clients speak them.
//
// A watched query runs again after a commit that wrote a table it looked at, and
// is sent if its answer differs. Convex itself follows index ranges, not tables.

import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { JSONValue } from 'convex/values';
import { encodeVersion, failed } from './answers.ts';
import { NOBODY, type Backend, type Origin } from './backend.ts';
import { BACKLOG, CALL_BYTES, KEPT_ANSWERS, SOCKETS, SUBSCRIPTIONS, UNREAD_BYTES } from './bounds.ts';
import { addressOf, pathOf } from './door.ts';
import { NotSignedIn, type Identities } from './identity.ts';

const PATH = /^\/api\/(?:[^/]+\/)?sync$/;
/** Clients hang up when they hear nothing for a minute. */
const PING_MS = 15_000;
/** What closed a socket, for its client's log. */
const POLICY = 1008;
const AWAY = 1001;

export interface SyncOptions {
  backend: Backend;
  identities: Identities;
  trustForwarded: boolean;
}

/** Serves the sync path of `server`; returns how to stop. */
export function serveSync(server: Server, options: SyncOptions): () => void {
  const sockets = new Set<Socket>();
  const answers = new Answers();
  const accept = new WebSocketServer({ noServer: true, maxPayload: CALL_BYTES });
  const upgrade = (request: IncomingMessage, line: Duplex, head: Buffer) => {
    line.on('error', () => line.destroy());
    if (!PATH.test(pathOf(request))) return void line.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    if (sockets.size >= SOCKETS) return void line.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
    accept.handleUpgrade(request, line, head, (wire) => {
      const socket = new Socket(wire, request, options, answers);
      sockets.add(socket);
      wire.on('close', () => sockets.delete(socket));
    });
  };
  server.on('upgrade', upgrade);
  const unheard = options.backend.onCommit((written) => {
    for (const socket of sockets) socket.heed(written);
  });
  const ping = setInterval(() => {
    for (const socket of sockets) socket.ping();
  }, PING_MS);
  return () => {
    clearInterval(ping);
    unheard();
    server.off('upgrade', upgrade);
    for (const socket of sockets) socket.close(AWAY, 'The host is stopping.');
  };
}

/** A mutation whose answer was lost with its socket is asked again under the same number: once is enough. */
class Answers {
  private readonly kept = new Map<string, object>();

  find(key: string): object | undefined {
    return this.kept.get(key);
  }

  keep(key: string, answer: object): void {
    this.kept.set(key, answer);
    if (this.kept.size > KEPT_ANSWERS) this.kept.delete(this.kept.keys().next().value!);
  }
}

interface Watched {
  path: string;
  args: JSONValue;
  /** Tables the last answer hangs on; null before the first. */
  reads: Set<string> | null;
  sent: string | null;
  stale: boolean;
}

type Message =
  | { type: 'Connect'; sessionId: string }
  | { type: 'Authenticate'; tokenType: string; value?: string; baseVersion: number }
  | { type: 'ModifyQuerySet'; newVersion: number; modifications: Modification[] }
  | { type: 'Mutation' | 'Action'; requestId: number; udfPath: string; args: JSONValue[]; componentPath?: string }
  | { type: 'Event' };
type Modification = { type: 'Add'; queryId: number; udfPath: string; args: JSONValue[]; componentPath?: string } | { type: 'Remove'; queryId: number };

class Socket {
  private readonly watched = new Map<number, Watched>();
  private version = { querySet: 0, identity: 0, ts: 0n };
  private token: string | null = null;
  private client = '';
  private waiting = 0;
  private refreshing = false;
  /** Messages and refreshes one after another, as they came. */
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly wire: WebSocket,
    private readonly request: IncomingMessage,
    private readonly options: SyncOptions,
    private readonly answers: Answers,
  ) {
    wire.on('error', () => wire.terminate());
    wire.on('message', (raw) => this.take(String(raw)));
  }

  ping(): void {
    this.send({ type: 'Ping' });
  }

  close(code: number, reason: string): void {
    this.wire.close(code, reason);
  }

  /** Marks what a commit may have changed, and looks at it when it is this socket's turn. */
  heed(written: ReadonlySet<string>): void {
    let touched = false;
    for (const query of this.watched.values()) {
      if (query.stale || query.reads === null || disjoint(query.reads, written)) continue;
      query.stale = true;
      touched = true;
    }
    if (!touched || this.refreshing) return;
    this.refreshing = true;
    this.queue(async () => {
      this.refreshing = false;
      await this.transition({}, [], false);
    });
  }

  private take(raw: string): void {
    if (++this.waiting > BACKLOG) return this.close(POLICY, `More than ${BACKLOG} messages wait: send fewer at once.`);
    let message: Message;
    try {
      message = JSON.parse(raw) as Message;
    } catch {
      return this.fatal('A message was no JSON.');
    }
    this.queue(async () => {
      this.waiting--;
      await this.on(message);
    });
  }

  private queue(step: () => Promise<void>): void {
    this.turn = this.turn.then(step).catch((error: unknown) => this.fatal(failed(error).errorMessage));
  }

  private async on(message: Message): Promise<void> {
    switch (message.type) {
      case 'Connect':
        this.client = String(message.sessionId);
        return;
      case 'Authenticate':
        return await this.authenticate(message.tokenType === 'User' ? String(message.value) : null, message.baseVersion);
      case 'ModifyQuerySet':
        return await this.modify(message.newVersion, message.modifications);
      case 'Mutation':
        return await this.mutate(message.requestId, message.udfPath, message.args, message.componentPath);
      case 'Action':
        // Not awaited: an action may take minutes, and nothing else of this client waits for it.
        void this.act(message.requestId, message.udfPath, message.args, message.componentPath);
        return;
      case 'Event':
        return;
      default:
        this.fatal('A message was of no known type.');
    }
  }

  private async authenticate(token: string | null, baseVersion: number): Promise<void> {
    try {
      if (token !== null) await this.options.identities.check(token);
    } catch (error) {
      this.token = null;
      return this.send({ type: 'AuthError', error: failed(error).errorMessage, baseVersion, authUpdateAttempted: true });
    }
    this.token = token;
    for (const query of this.watched.values()) query.stale = true;
    await this.transition({ identity: baseVersion + 1 }, [], true);
  }

  private async modify(newVersion: number, modifications: Modification[]): Promise<void> {
    const removed: number[] = [];
    for (const change of modifications) {
      if (change.type === 'Remove') {
        if (this.watched.delete(change.queryId)) removed.push(change.queryId);
        continue;
      }
      if (this.watched.size >= SUBSCRIPTIONS) return this.close(POLICY, `More than ${SUBSCRIPTIONS} queries are watched: watch fewer.`);
      rootOnly(change.componentPath);
      this.watched.set(change.queryId, { path: change.udfPath, args: change.args[0] ?? {}, reads: null, sent: null, stale: true });
    }
    await this.transition({ querySet: newVersion }, removed, true);
  }

  private async mutate(requestId: number, path: string, args: JSONValue[], componentPath?: string): Promise<void> {
    const key = `${this.client}/${requestId}`;
    let answer = this.client === '' ? undefined : this.answers.find(key);
    if (answer === undefined) {
      try {
        rootOnly(componentPath);
        const result = await this.options.backend.call('mutation', path, args[0] ?? {}, await this.origin());
        answer = { type: 'MutationResponse', requestId, success: true, result, ts: encodeVersion(this.options.backend.version), logLines: [] };
      } catch (error) {
        answer = refusal('MutationResponse', requestId, error);
      }
      this.answers.keep(key, answer);
    }
    this.send(answer);
    // The client shows its own guess until it hears of a time at or past the mutation's.
    await this.transition({}, [], true);
  }

  private async act(requestId: number, path: string, args: JSONValue[], componentPath?: string): Promise<void> {
    try {
      rootOnly(componentPath);
      const result = await this.options.backend.call('action', path, args[0] ?? {}, await this.origin());
      this.send({ type: 'ActionResponse', requestId, success: true, result, logLines: [] });
    } catch (error) {
      this.send(refusal('ActionResponse', requestId, error));
    }
  }

  /** Runs what is stale and tells the client what changed; `always` also when nothing did. */
  private async transition(next: { querySet?: number; identity?: number }, removed: number[], always: boolean): Promise<void> {
    const changes: object[] = removed.map((queryId) => ({ type: 'QueryRemoved', queryId }));
    let origin: Origin;
    try {
      origin = await this.origin();
    } catch (error) {
      if (!(error instanceof NotSignedIn)) throw error;
      // The token ran out meanwhile; the client brings a new one and asks again.
      this.token = null;
      this.send({ type: 'AuthError', error: error.message, baseVersion: this.version.identity, authUpdateAttempted: false });
      origin = { ...NOBODY, ...addressOf(this.request, this.options.trustForwarded) };
    }
    const ts = this.options.backend.version;
    for (const [queryId, query] of this.watched) {
      if (!query.stale) continue;
      query.stale = false;
      const change = await this.look(queryId, query, origin);
      const text = JSON.stringify(change);
      if (text === query.sent) continue;
      query.sent = text;
      changes.push(change);
    }
    if (changes.length === 0 && !always) return;
    const startVersion = { ...this.version, ts: encodeVersion(this.version.ts) };
    this.version = { ...this.version, ...next, ts: ts > this.version.ts ? ts : this.version.ts };
    this.send({ type: 'Transition', startVersion, endVersion: { ...this.version, ts: encodeVersion(this.version.ts) }, modifications: changes });
  }

  private async look(queryId: number, query: Watched, origin: Origin): Promise<object> {
    const reads = new Set<string>();
    // Set before the call, so that a commit in the middle of it is not missed.
    query.reads = reads;
    try {
      const value = await this.options.backend.look(query.path, query.args, origin, reads);
      return { type: 'QueryUpdated', queryId, value, logLines: [], journal: null };
    } catch (error) {
      const { errorMessage, errorData } = failed(error);
      // Without a request's number, so that the same failure is not sent again and again.
      const words = errorMessage.replace(/^\[Request ID: [^\]]*\] /, '');
      return { type: 'QueryFailed', queryId, errorMessage: words, ...(errorData === undefined ? {} : { errorData }), logLines: [], journal: null };
    }
  }

  private async origin(): Promise<Origin> {
    const identity = this.token === null ? null : (await this.options.identities.check(this.token)).identity;
    return { ...addressOf(this.request, this.options.trustForwarded), identity };
  }

  private fatal(error: string): void {
    this.send({ type: 'FatalError', error });
    this.close(POLICY, 'FatalError');
  }

  private send(message: object): void {
    if (this.wire.readyState !== this.wire.OPEN) return;
    if (this.wire.bufferedAmount > UNREAD_BYTES) return void this.wire.terminate();
    this.wire.send(JSON.stringify(message));
  }
}

function refusal(type: string, requestId: number, error: unknown): object {
  const { errorMessage, errorData } = failed(error);
  return { type, requestId, success: false, result: errorMessage, ...(errorData === undefined ? {} : { errorData }), logLines: [] };
}

/** Components are reached through the app's functions only. */
function rootOnly(componentPath: string | undefined): void {
  if (componentPath !== undefined && componentPath !== '') throw new Error('Functions of components are not for callers from outside.');
}

function disjoint(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  for (const value of other) if (one.has(value)) return false;
  return true;
}
