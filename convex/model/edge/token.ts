// Join tokens: a JWT signed with Ed25519, which every node can verify and none can make. Who may have one is left to
// the meeting side; the refresh tokens that nodes make of them are the nodes' own.
import { fromBase64Url, toBase64Url, utf8 } from "./bytes";

export type VideoGrant = {
  room: string;
  roomJoin: true;
  canPublish?: boolean;
  canSubscribe?: boolean;
  canPublishData?: boolean;
  canPublishSources?: string[];
  canUpdateOwnMetadata?: boolean;
  roomAdmin?: boolean;
  hidden?: boolean;
};

/** What of a token is ours. `stay`, in seconds, is how long refreshes may keep its holder in. */
export type TofClaim = { meeting?: string; user?: string; stay: number; invited?: boolean };

/** Times in seconds. */
export type JoinClaims = {
  iss: "tof-edge";
  sub: string;
  name: string;
  nbf: number;
  exp: number;
  jti: string;
  metadata?: string;
  attributes?: Record<string, string>;
  video: VideoGrant;
  tof: TofClaim;
};

/** A public key, base64url of its 32 raw bytes. */
export type TokenKey = { kid: string; key: string };

export type TokenVerdict =
  | { verdict: "valid"; claims: JoinClaims }
  | { verdict: "malformed" | "unknown_key" | "forged" | "early" | "expired" };

export const ISSUER = "tof-edge";

/** What a token may be long: some kilobytes of attributes, never a body of its own. */
const MAX_TOKEN = 16_384;

/** Signs with a PKCS8 private key in base64url. */
export async function signJoin(claims: JoinClaims, kid: string, privateKey: string): Promise<string> {
  const bytes = fromBase64Url(privateKey);
  if (bytes === null) {
    throw new Error("EDGE_TOKEN_KEY is not base64url: give it the PKCS8 bytes of an Ed25519 key, without padding");
  }
  const key = await crypto.subtle.importKey("pkcs8", bytes, { name: "Ed25519" }, false, ["sign"]);
  const signed = `${part({ alg: "EdDSA", typ: "JWT", kid })}.${part(claims)}`;
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", key, utf8(signed)));
  return `${signed}.${toBase64Url(signature)}`;
}

/** What the token is worth at `now` (ms). */
export async function verifyJoin(token: string, keys: readonly TokenKey[], now: number): Promise<TokenVerdict> {
  const read = readToken(token);
  if (read === null || read.header.alg !== "EdDSA" || !isJoinClaims(read.claims)) {
    return { verdict: "malformed" };
  }
  const known = keys.find(({ kid }) => kid === read.header.kid);
  if (known === undefined) {
    return { verdict: "unknown_key" };
  }
  if (!(await isSignedBy(read, known.key))) {
    return { verdict: "forged" };
  }
  const { claims } = read;
  if (now < claims.nbf * 1000) {
    return { verdict: "early" };
  }
  return now < claims.exp * 1000 ? { verdict: "valid", claims } : { verdict: "expired" };
}

export type ReadToken = {
  header: Record<string, unknown>;
  claims: unknown;
  signed: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
};

/** The parts of a token, unverified. */
export function readToken(token: string): ReadToken | null {
  const parts = token.length <= MAX_TOKEN ? token.split(".") : [];
  const [header, claims, signature] = parts;
  if (parts.length !== 3 || header === undefined || claims === undefined || signature === undefined) {
    return null;
  }
  const read = { header: parse(header), claims: parse(claims), signature: fromBase64Url(signature) };
  if (!isRecord(read.header) || read.signature === null) {
    return null;
  }
  return {
    header: read.header,
    claims: read.claims,
    signed: utf8(`${header}.${claims}`),
    signature: read.signature,
  };
}

export async function isSignedBy(token: ReadToken, publicKey: string): Promise<boolean> {
  const bytes = fromBase64Url(publicKey);
  if (bytes === null || bytes.length !== 32) {
    return false;
  }
  const key = await crypto.subtle.importKey("raw", bytes, { name: "Ed25519" }, false, ["verify"]);
  return await crypto.subtle.verify("Ed25519", key, token.signature, token.signed);
}

function isJoinClaims(claims: unknown): claims is JoinClaims {
  return (
    isRecord(claims) &&
    claims.iss === ISSUER &&
    typeof claims.sub === "string" &&
    claims.sub !== "" &&
    typeof claims.nbf === "number" &&
    typeof claims.exp === "number" &&
    isRecord(claims.video) &&
    claims.video.roomJoin === true &&
    typeof claims.video.room === "string" &&
    claims.video.room !== "" &&
    isRecord(claims.tof) &&
    typeof claims.tof.stay === "number"
  );
}

function part(value: unknown): string {
  return toBase64Url(utf8(JSON.stringify(value)));
}

function parse(encoded: string): unknown {
  const bytes = fromBase64Url(encoded);
  if (bytes === null) {
    return null;
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
