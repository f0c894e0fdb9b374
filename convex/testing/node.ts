// A node as the functions see it: a log that is sent again until it was acknowledged, signed requests, commands carried
// out once. It sends over the real HTTP actions; a test decides which requests and which answers get lost.
import type { TestConvex } from "convex-test";
import { toHex, utf8 } from "../model/edge/bytes";
import { nodeKey, purposeKey, sign } from "../model/edge/signing";
import type schema from "../schema";
import type { Desired } from "../edge/wire";

export const MASTER = "a master secret of the tests, version 1";
export const MAX_BATCH = 200;

export type Told = { type: string; [field: string]: unknown };

type Backend = Pick<TestConvex<typeof schema>, "fetch">;

export type Answer = { status: number; body: Record<string, unknown> };

/** What became of a request: it arrived and was answered, or one of the two got lost. */
export type Fate = "arrives" | "request lost" | "answer lost";

let nonces = 0;

/** Headers and body as a node of this key would send them. */
export async function signed(
  node: string,
  path: string,
  body: string,
  change: { master?: string; version?: number; timestamp?: number; nonce?: string } = {},
): Promise<RequestInit & { headers: Record<string, string>; body: string }> {
  const version = change.version ?? 1;
  const key = await purposeKey(await nodeKey(change.master ?? MASTER, node, version), "sync");
  const timestamp = String(change.timestamp ?? Date.now());
  nonces += 1;
  const nonce = change.nonce ?? `nonce-${String(nonces).padStart(16, "0")}`;
  const signature = await sign(key, { method: "POST", path, timestamp, nonce, body: utf8(body) });
  return {
    method: "POST",
    body,
    headers: {
      "x-edge-node": node,
      "x-edge-key-version": String(version),
      "x-edge-timestamp": timestamp,
      "x-edge-nonce": nonce,
      "x-edge-signature": signature,
    },
  };
}

export async function send(backend: Backend, path: string, init: RequestInit): Promise<Answer> {
  const response = await backend.fetch(path, init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

export class TestNode {
  epoch = 0;
  stream = crypto.randomUUID();
  log: Told[] = [];
  /** The number of the first event of `log`. */
  firstSeq = 1;
  desired: Desired | null = null;
  hash = "";
  nextSyncMs = 0;
  carriedOut: { id: string; type: string }[] = [];
  acks: { id: string; ok: boolean; error?: string }[] = [];
  startedAtMs = Date.now();
  load = { participants: 0, rooms: 0, busyPercent: 1, draining: false };
  /** How far the node's clock is off, in ms. */
  skew = 0;

  constructor(
    readonly backend: Backend,
    readonly node: string,
    readonly region = node.split("-")[0] ?? node,
  ) {}

  tell(...events: Told[]): void {
    this.log.push(...events.map((event) => ({ at: Date.now(), ...event })));
  }

  description(): Record<string, unknown> {
    return {
      node: this.node,
      region: this.region,
      url: `wss://${this.node}.edge.test`,
      httpUrl: `https://${this.node}.edge.test`,
      relay: `${this.node}.edge.test:7890`,
      capacity: 500,
      build: "0.1.0",
      startedAtMs: this.startedAtMs,
      stream: this.stream,
      signingKey: toHex(utf8(this.node.padEnd(32, "."))).slice(0, 43),
    };
  }

  async post(path: string, body: unknown): Promise<Answer> {
    const init = await signed(this.node, path, JSON.stringify(body), { timestamp: Date.now() + this.skew });
    return await send(this.backend, path, init);
  }

  async register(): Promise<Answer> {
    const answer = await this.post("/edge/v1/register", this.description());
    if (answer.status === 200) {
      const { epoch, ackSeq, desired } = answer.body as { epoch: number; ackSeq: number; desired: Desired };
      this.epoch = epoch;
      this.learn(desired);
      this.forget(ackSeq);
    }
    return answer;
  }

  report(most = MAX_BATCH): Record<string, unknown> {
    return {
      node: this.node,
      epoch: this.epoch,
      stream: this.stream,
      firstSeq: this.firstSeq,
      events: this.log.slice(0, most),
      load: this.load,
      acks: this.acks,
      desiredHash: this.hash,
    };
  }

  /** Sends the head of the log; null when the request or the answer got lost. */
  async sync(fate: Fate = "arrives", most = MAX_BATCH): Promise<Answer | null> {
    if (fate === "request lost") {
      return null;
    }
    const acked = this.acks.length;
    const answer = await this.post("/edge/v1/sync", this.report(most));
    if (fate === "answer lost") {
      return null;
    }
    if (answer.status === 200) {
      this.acks.splice(0, acked);
      this.take(answer.body);
    }
    return answer;
  }

  /** Syncs until nothing is left to tell. */
  async flush(): Promise<void> {
    do {
      const answer = await this.sync();
      if (answer?.status !== 200) {
        throw new Error(`sync failed: ${JSON.stringify(answer)}`);
      }
    } while (this.log.length > 0);
  }

  private take(body: Record<string, unknown>): void {
    const answer = body as {
      ackSeq: number;
      nextSyncMs: number;
      commands: { id: string; type: string }[];
      desired?: Desired;
    };
    this.forget(answer.ackSeq);
    this.nextSyncMs = answer.nextSyncMs;
    for (const command of answer.commands) {
      if (!this.carriedOut.some(({ id }) => id === command.id)) {
        this.carriedOut.push(command);
      }
      this.acks.push({ id: command.id, ok: true });
    }
    if (answer.desired !== undefined) {
      this.learn(answer.desired);
    }
  }

  private forget(ackSeq: number): void {
    const known = ackSeq - this.firstSeq + 1;
    if (known > 0) {
      this.log.splice(0, known);
      this.firstSeq += known;
    }
  }

  private learn(desired: Desired): void {
    this.desired = desired;
    this.hash = desired.hash;
  }
}

/** A connection's facts, with what tests seldom care about filled in. */
export function joined(room: string, who: string, more: Record<string, unknown> = {}): Told {
  return {
    type: "joined",
    room,
    roomSid: `RM_${room}`,
    sid: `PA_${who}`,
    identity: who,
    name: who,
    region: "lagos",
    client: { browser: "Chrome" },
    ...more,
  };
}

export function left(room: string, who: string, more: Record<string, unknown> = {}): Told {
  return { type: "left", room, sid: `PA_${who}`, identity: who, reason: "CLIENT_INITIATED", ...more };
}

export function said(room: string, who: string, messageId: string, more: Record<string, unknown> = {}): Told {
  return {
    type: "chat",
    room,
    sid: `PA_${who}`,
    identity: who,
    messageId,
    text: `message ${messageId}`,
    sentAt: Date.now(),
    to: [],
    ...more,
  };
}
