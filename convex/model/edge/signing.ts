// Signatures on what nodes and functions send each other. Every key derives from one master secret, so there is nothing
// to look up before a request is known to be genuine. What follows from a verdict is left to the HTTP actions.
import { fromHex, sha256, toHex, utf8 } from "./bytes";

/** Requests and pokes are signed with different keys, so that neither can be played back as the other. */
export type Purpose = "sync" | "poke";

export type SignedRequest = {
  method: string;
  path: string;
  timestamp: string;
  nonce: string;
  body: Uint8Array<ArrayBuffer>;
};

/** How far a clock may be off. A register's nonce is remembered for twice as long. */
export const CLOCK_WINDOW_MS = 300_000;

const NONCE = /^[A-Za-z0-9_-]{16,64}$/;
const NODE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export type SignatureVerdict = "genuine" | "clock" | "signature";

/** Letters, digits, dot, dash and underscore, 63 at most: what fits a key's derivation, a URL and a log line. */
export function isNodeId(value: string): boolean {
  return NODE.test(value);
}

/** The key given to a node; the master secret is taken as the UTF-8 bytes of its text. */
export async function nodeKey(master: string, node: string, version: number): Promise<Uint8Array<ArrayBuffer>> {
  return await hmac(utf8(master), utf8(`node|${node}|${version}`));
}

export async function purposeKey(key: Uint8Array<ArrayBuffer>, purpose: Purpose): Promise<Uint8Array<ArrayBuffer>> {
  return await hmac(key, utf8(purpose));
}

/** Lowercase hex, for the `x-edge-signature` header. `key` is a purpose's key. */
export async function sign(key: Uint8Array<ArrayBuffer>, request: SignedRequest): Promise<string> {
  return toHex(await hmac(key, await signedText(request)));
}

/** Whether whoever holds `key` made this request about now. The clock is judged first: its answer names the right time. */
export async function verify(
  key: Uint8Array<ArrayBuffer>,
  request: SignedRequest,
  signature: string,
  now: number,
): Promise<SignatureVerdict> {
  if (!/^[0-9]{1,15}$/.test(request.timestamp) || !NONCE.test(request.nonce)) {
    return "signature";
  }
  if (Math.abs(now - Number(request.timestamp)) > CLOCK_WINDOW_MS) {
    return "clock";
  }
  const given = signature.length === 64 ? fromHex(signature) : null;
  if (given === null) {
    return "signature";
  }
  // The runtime compares in constant time.
  const genuine = await crypto.subtle.verify("HMAC", await importKey(key, "verify"), given, await signedText(request));
  return genuine ? "genuine" : "signature";
}

async function signedText(request: SignedRequest): Promise<Uint8Array<ArrayBuffer>> {
  const body = toHex(await sha256(request.body));
  return utf8(["v1", request.method, request.path, request.timestamp, request.nonce, body].join("\n"));
}

async function hmac(key: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", await importKey(key, "sign"), message));
}

async function importKey(key: Uint8Array<ArrayBuffer>, usage: "sign" | "verify"): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, [usage]);
}
