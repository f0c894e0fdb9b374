// A node as Convex sees one, for tests and the benchmark: registers and syncs by
// signed requests, with events of its own making. It carries no media.

import { createHash, createHmac, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';

/** Secrets of a deployment for this process; the master secret, for the nodes. */
export function setSecrets(environment: NodeJS.ProcessEnv): string {
  const master = randomBytes(32).toString('base64url');
  const { privateKey } = generateKeyPairSync('ed25519');
  Object.assign(environment, {
    EDGE_MASTER_1: master, EDGE_KEY_VERSIONS: '1', EDGE_TOKEN_KEY_ID: 'trial',
    EDGE_TOKEN_KEY: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64url'),
  });
  return master;
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export class PretendNode {
  /** Where clients and pokes would find it. */
  url = 'ws://127.0.0.1:7880';
  /** What it was last told to be like. */
  desired: { hash: string; scheduled: { meetingId: string; startsAt: number }[] } | null = null;
  private readonly key: Buffer;
  private readonly log = randomUUID();
  private epoch = 0;
  private next = 1;

  constructor(private readonly site: string, readonly name: string, master: string, private readonly version = 1) {
    this.key = createHmac('sha256', createHmac('sha256', master).update(`node|${name}|${version}`).digest()).update('sync').digest();
  }

  async register(): Promise<Answer> {
    const signingKey = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x;
    const answer = await this.send('/edge/v1/register', {
      node: this.name, region: this.name, url: this.url, httpUrl: this.url.replace('ws', 'http'), relay: null, capacity: 500, build: '0.1.0',
      startedAtMs: Date.now(), stream: this.log, signingKey,
    });
    if (answer.status === 200) this.epoch = answer.body.epoch as number;
    this.learn(answer);
    return answer;
  }

  /** Sends the events after those sent before, and insists that all were applied. */
  async sync(events: object[]): Promise<void> {
    const answer = await this.send('/edge/v1/sync', {
      node: this.name, epoch: this.epoch, stream: this.log, firstSeq: this.next, events, acks: [], desiredHash: this.desired?.hash ?? '',
      load: { participants: 0, rooms: 0, busyPercent: 1, draining: false },
    });
    this.next += events.length;
    this.learn(answer);
    if (answer.body.ackSeq !== this.next - 1) throw new Error(`${this.name}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`);
  }

  private learn({ body }: Answer): void {
    this.desired = (body.desired as PretendNode['desired']) ?? this.desired;
  }

  private async send(path: string, body: object): Promise<Answer> {
    const text = JSON.stringify(body);
    const [timestamp, nonce] = [String(Date.now()), randomUUID()];
    const signed = ['v1', 'POST', path, timestamp, nonce, createHash('sha256').update(text).digest('hex')].join('\n');
    const answer = await fetch(this.site + path, {
      method: 'POST', body: text,
      headers: {
        'X-Edge-Node': this.name, 'X-Edge-Key-Version': String(this.version), 'X-Edge-Timestamp': timestamp, 'X-Edge-Nonce': nonce,
        'X-Edge-Signature': createHmac('sha256', this.key).update(signed).digest('hex'),
      },
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }
}
