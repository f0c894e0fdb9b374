// The settings of the deployment that the fleet needs, and nothing else reads the environment for them. Their names
// carry a version number, so they cannot be declared one by one beforehand.
import { fromBase64Url, toBase64Url } from "../model/edge/bytes";
import type { TokenKey } from "../model/edge/token";

/** The master secret of a key version that is accepted now; null for any other. */
export function master(version: number): string | null {
  return acceptedVersions().includes(version) ? (read(`EDGE_MASTER_${version}`) ?? null) : null;
}

function acceptedVersions(): number[] {
  const versions = (read("EDGE_KEY_VERSIONS") ?? "1").split(",").map((version) => version.trim());
  return versions.filter((version) => /^[1-9][0-9]{0,5}$/.test(version)).map(Number);
}

export type TokenSecret = { kid: string; privateKey: string };

/** The key that join tokens are signed with. */
export function tokenSecret(): TokenSecret {
  const kid = read("EDGE_TOKEN_KEY_ID");
  const privateKey = read("EDGE_TOKEN_KEY");
  if (kid === undefined || privateKey === undefined) {
    throw new Error("set EDGE_TOKEN_KEY (base64url PKCS8 of an Ed25519 key) and EDGE_TOKEN_KEY_ID in the deployment");
  }
  return { kid, privateKey };
}

/** The keys whose tokens nodes accept: the present one, and those of EDGE_TOKEN_KEYS_OLD as `kid:key,kid:key`. */
export async function tokenKeys(): Promise<TokenKey[]> {
  const former = (read("EDGE_TOKEN_KEYS_OLD") ?? "")
    .split(",")
    .map((entry) => entry.trim().split(":"))
    .flatMap(([kid, key]) => (kid && key && fromBase64Url(key)?.length === 32 ? [{ kid, key }] : []));
  const privateKey = read("EDGE_TOKEN_KEY");
  const kid = read("EDGE_TOKEN_KEY_ID");
  if (privateKey === undefined || kid === undefined) {
    return former;
  }
  return [{ kid, key: await publicKey(privateKey) }, ...former];
}

/** The public half, from EDGE_TOKEN_PUBLIC_KEY or worked out of the private one. */
async function publicKey(privateKey: string): Promise<string> {
  const told = read("EDGE_TOKEN_PUBLIC_KEY");
  if (told !== undefined) {
    return told;
  }
  if (worked?.privateKey !== privateKey) {
    worked = { privateKey, publicKey: await workOut(privateKey) };
  }
  return worked.publicKey;
}

/** A cache: it is asked for whenever a node's picture is made, and is always the same. */
let worked: { privateKey: string; publicKey: string } | undefined;

async function workOut(privateKey: string): Promise<string> {
  const pkcs8 = fromBase64Url(privateKey);
  if (pkcs8 === null) {
    throw new Error("EDGE_TOKEN_KEY is not base64url: give it the PKCS8 bytes of an Ed25519 key, without padding");
  }
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, { name: "Ed25519" }, true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", key);
  const raw = fromBase64Url(x ?? "");
  if (raw === null) {
    throw new Error("the public half of EDGE_TOKEN_KEY cannot be had: set EDGE_TOKEN_PUBLIC_KEY too");
  }
  return toBase64Url(raw);
}

function read(name: string): string | undefined {
  const value = process.env[name];
  return value === undefined || value === "" ? undefined : value;
}
