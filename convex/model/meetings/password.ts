// Passwords of meetings as salted hashes (PBKDF2 of WebCrypto, so that it runs wherever Convex functions do). How
// often one may guess is for the join.

/** A password as it is kept. The count of rounds is kept with it, so that it can be raised. */
export interface Hashed {
  hash: string;
  salt: string;
  rounds: number;
}

/** About 40 ms of one core: dear for guessers, and well within a mutation's second. */
export const ROUNDS = 120_000;
/** Longer ones add nothing and cost time. */
export const PASSWORD_MAX = 128;

/** `password` as it may be stored. */
export async function hashPassword(password: string, salt: Uint8Array): Promise<Hashed> {
  return { hash: hex(await derive(password, salt, ROUNDS)), salt: hex(salt), rounds: ROUNDS };
}

/** Whether `password` is the one that was hashed. */
export async function isPassword(password: string, hashed: Hashed): Promise<boolean> {
  if (password.length > PASSWORD_MAX) return false;
  return sameText(hex(await derive(password, unhex(hashed.salt), hashed.rounds)), hashed.hash);
}

/** Compares in a time that does not tell how much was right. */
export function sameText(left: string, right: string): boolean {
  let difference = left.length ^ right.length;
  for (let at = 0; at < left.length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at % Math.max(1, right.length));
  return difference === 0;
}

async function derive(password: string, salt: Uint8Array, rounds: number): Promise<Uint8Array> {
  const text = new TextEncoder().encode(password.normalize("NFC"));
  const key = await crypto.subtle.importKey("raw", text, "PBKDF2", false, ["deriveBits"]);
  const bits = await crypto.subtle.deriveBits(
    { name: "PBKDF2", hash: "SHA-256", salt: salt as BufferSource, iterations: rounds },
    key,
    256,
  );
  return new Uint8Array(bits);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
