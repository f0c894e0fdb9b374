// The two doors nodes knock at. Whether a request is genuine is decided here, before the database is touched; what it
// means is decided in one mutation each.
import type { HttpRouter } from "convex/server";
import type { GenericValidator, Infer } from "convex/values";
import { internal } from "../_generated/api";
import { httpAction } from "../_generated/server";
import { decode } from "../model/edge/decode";
import { readEvent } from "../model/edge/events";
import { CLOCK_WINDOW_MS, isNodeId, verify } from "../model/edge/signing";
import { keyOf } from "./keys";
import { LEASE_MS, registerRequest, syncRequest } from "./wire";

/** What a node may send at once; the events of one mutation stay well inside what a transaction may touch. */
const MAX_BODY = 256 * 1024;
const MAX_EVENTS = 200;
const MAX_ACKS = 500;
/** Ids, regions, addresses, hashes. */
const MAX_FIELD = 512;

const BUSY_RETRY_MS = 2000;

/** Adds the routes of the fleet to a host's router. */
export function registerEdgeRoutes(http: HttpRouter): void {
  http.route({ path: "/edge/v1/register", method: "POST", handler: register });
  http.route({ path: "/edge/v1/sync", method: "POST", handler: sync });
  http.route({ pathPrefix: "/edge/", method: "POST", handler: unknownVersion });
}

const register = httpAction(async (ctx, request) => {
  return await answer(request, registerRequest, async (body, genuine) => {
    const fault = faultyNode(body);
    if (fault !== null) {
      return refuse("malformed", fault);
    }
    const { stream, relay, ...rest } = body;
    const answered = await ctx.runMutation(internal.edge.register.register, {
      ...rest,
      relay: relay ?? null,
      log: stream,
      nonce: genuine.nonce,
      keyVersion: genuine.keyVersion,
    });
    if ("refused" in answered) {
      return refuse(answered.refused);
    }
    return json(200, { ...answered, leaseMs: LEASE_MS, serverTimeMs: Date.now() });
  });
});

const sync = httpAction(async (ctx, request) => {
  return await answer(request, syncRequest, async (body) => {
    if (body.events.length > MAX_EVENTS || body.acks.length > MAX_ACKS) {
      return refuse("too_large", `send at most ${MAX_EVENTS} events and ${MAX_ACKS} acks at once`);
    }
    const numbers = [body.epoch, body.firstSeq];
    if (!numbers.every(isCount) || body.firstSeq < 1 || ![body.stream, body.desiredHash].every(isShort)) {
      return refuse("malformed", "epoch and firstSeq are whole numbers, firstSeq 1 or more; stream and desiredHash are short");
    }
    const { stream, events, ...rest } = body;
    const answered = await ctx.runMutation(internal.edge.sync.sync, {
      ...rest,
      log: stream,
      events: events.map(readEvent),
      acks: body.acks.map((ack) => ({ ...ack, error: ack.error?.slice(0, MAX_FIELD) })),
    });
    if ("refused" in answered) {
      return refuse(answered.refused);
    }
    const commands = answered.commands.map(({ id, deadlineAt, body }) => ({ id, deadlineAt, ...body }));
    return json(200, { ...answered, commands, serverTimeMs: Date.now() });
  });
});

const unknownVersion = httpAction(async () => {
  return await Promise.resolve(refuse("unknown_version"));
});

type Genuine = { node: string; keyVersion: number; nonce: string };

/** Answers with what `act` makes of the body, once it is known to come from the node it names. */
async function answer<V extends GenericValidator>(
  request: Request,
  validator: V,
  act: (body: Infer<V>, genuine: Genuine) => Promise<Response>,
): Promise<Response> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY) {
    return refuse("too_large");
  }
  const bytes = new Uint8Array(await request.arrayBuffer());
  if (bytes.length > MAX_BODY) {
    return refuse("too_large");
  }
  const genuine = await judge(request, bytes);
  if (typeof genuine === "string") {
    return refuse(genuine);
  }
  const decoded = decode(validator, parse(bytes));
  if (!decoded.ok) {
    return refuse("malformed", decoded.reason);
  }
  if ((decoded.value as { node: string }).node !== genuine.node) {
    return refuse("node");
  }
  try {
    return await act(decoded.value, genuine);
  } catch (error) {
    // Nothing was written: the mutation failed whole. The node keeps its log and comes again.
    console.error(`${genuine.node}: ${error instanceof Error ? error.message : String(error)}`);
    return refuse("busy");
  }
}

async function judge(request: Request, body: Uint8Array<ArrayBuffer>): Promise<Genuine | "clock" | "signature"> {
  const header = (name: string): string => request.headers.get(`x-edge-${name}`) ?? "";
  const node = header("node");
  const version = header("key-version");
  const timestamp = header("timestamp");
  // The time is told to whoever asks: a node with a wrong clock cannot sign anything that would be taken.
  if (/^[0-9]{1,15}$/.test(timestamp) && Math.abs(Date.now() - Number(timestamp)) > CLOCK_WINDOW_MS) {
    return "clock";
  }
  if (!/^[1-9][0-9]{0,5}$/.test(version) || !isNodeId(node)) {
    return "signature";
  }
  const key = await keyOf(node, Number(version), "sync");
  if (key === null) {
    return "signature";
  }
  const signed = {
    method: request.method,
    path: new URL(request.url).pathname,
    timestamp,
    nonce: header("nonce"),
    body,
  };
  const verdict = await verify(key, signed, header("signature"), Date.now());
  return verdict === "genuine" ? { node, keyVersion: Number(version), nonce: signed.nonce } : verdict;
}

/** What is wrong with how a node describes itself. */
function faultyNode(body: Infer<typeof registerRequest>): string | null {
  const texts = [body.region, body.url, body.httpUrl, body.build, body.stream, body.signingKey, body.relay ?? "-"];
  if (!texts.every((text) => text !== "" && isShort(text))) {
    return `region, url, httpUrl, relay, build, stream and signingKey are texts of 1 to ${MAX_FIELD} letters`;
  }
  if (!isOrigin(body.url, ["ws:", "wss:"]) || !isOrigin(body.httpUrl, ["http:", "https:"])) {
    return "url is ws(s)://host and httpUrl http(s)://host, with a port at most";
  }
  if (!/^[A-Za-z0-9_-]{43}$/.test(body.signingKey)) {
    return "signingKey is the base64url of the 32 bytes of an Ed25519 public key";
  }
  return [body.capacity, body.startedAtMs].every(isCount) ? null : "capacity and startedAtMs are whole numbers";
}

/** No path, no query, no password: pokes go to a fixed path of it. */
function isOrigin(url: string, schemes: string[]): boolean {
  try {
    const { protocol, host, pathname, search, hash, username, password } = new URL(url);
    const bare = (pathname === "/" || pathname === "") && search + hash + username + password === "";
    return schemes.includes(protocol) && host !== "" && bare;
  } catch {
    return false;
  }
}

function isShort(text: string): boolean {
  return text.length <= MAX_FIELD;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

const REFUSALS = {
  clock: { status: 401, message: "the clock is more than five minutes off: correct it by serverTimeMs and sign again" },
  signature: { status: 401, message: "the signature is not this node's: check its id, its key and the key's version" },
  node: { status: 401, message: "a node speaks for itself only: the body names another node than the signature" },
  replayed: { status: 401, message: "this register was seen before: register again with a new nonce" },
  revoked: { status: 403, message: "this node was revoked: stop, and ask an operator" },
  stale_epoch: { status: 409, message: "the node was registered again since: register, then send the log again" },
  unknown_version: { status: 400, message: "this deployment speaks /edge/v1: use a node of that version" },
  malformed: { status: 400, message: "the body is not what the path asks for" },
  too_large: { status: 413, message: `send at most ${MAX_BODY} bytes at once` },
  busy: { status: 503, message: "the deployment could not do it now: try again after retryAfterMs" },
} as const;

function refuse(error: keyof typeof REFUSALS, detail?: string): Response {
  const { status, message } = REFUSALS[error];
  const later = error === "busy" ? { retryAfterMs: BUSY_RETRY_MS } : {};
  const said = detail === undefined ? message : `${message}: ${detail}`;
  return json(status, { error, message: said, serverTimeMs: Date.now(), ...later });
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}
