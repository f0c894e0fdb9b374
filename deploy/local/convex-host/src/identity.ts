// Who is calling: signs people in with a key of this host's own, and checks what
// they bring. In production an identity provider does both; here the seeded people
// sign in by choosing who they are, without a password, which is why nothing but
// this machine's own pages may ask.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createLocalJWKSet, exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';

/** RS256, as identity providers sign and Convex accepts. */
const ALGORITHM = 'RS256';
const KEY_ID = 'local';
/** Pages renew by themselves before it ends. */
const LIFE_SECONDS = 3_600;

export interface Person {
  /** What the provider would call them. */
  subject: string;
  name: string;
  email: string;
  /** Shown where one chooses who to be. */
  role: string;
  /** Their id in the platform's table, where the seeds know it: to ask them to a meeting. */
  userId?: string;
}

export class NotSignedIn extends Error {}

export class Identities {
  private constructor(
    private readonly key: CryptoKey,
    readonly keys: { keys: JWK[] },
    private readonly issuer: string,
    private readonly audience: string,
  ) {}

  /** The key of `file`, made if there is none; without a file one for this process. */
  static async open(file: string | null, authConfig: unknown): Promise<Identities> {
    const secret = await keyOf(file);
    const { issuer, audience } = expected(authConfig);
    const { kty, n, e } = secret;
    const key = (await importJWK(secret, ALGORITHM)) as CryptoKey;
    return new Identities(key, { keys: [{ kty, n, e, alg: ALGORITHM, use: 'sig', kid: KEY_ID }] }, issuer, audience);
  }

  async signIn(person: Person): Promise<{ token: string; expiresAt: number }> {
    const expiresAt = Math.floor(Date.now() / 1000) + LIFE_SECONDS;
    const token = await new SignJWT({ name: person.name, email: person.email, email_verified: true })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid: KEY_ID })
      .setIssuer(this.issuer).setAudience(this.audience).setSubject(person.subject)
      .setIssuedAt().setExpirationTime(expiresAt).sign(this.key);
    return { token, expiresAt: expiresAt * 1000 };
  }

  /** The identity as functions see it, or [`NotSignedIn`]. */
  async check(token: string): Promise<{ identity: Record<string, unknown>; expiresAt: number }> {
    let claims: JWTPayload;
    try {
      const options = { issuer: this.issuer, audience: this.audience, algorithms: [ALGORITHM], requiredClaims: ['sub', 'exp'] };
      ({ payload: claims } = await jwtVerify(token, createLocalJWKSet(this.keys), options));
    } catch (error) {
      throw new NotSignedIn(`Could not verify the identity token (${error instanceof Error ? error.message : 'unreadable'}): sign in again.`);
    }
    return { identity: identityOf(claims), expiresAt: claims.exp! * 1000 };
  }
}

async function keyOf(file: string | null): Promise<JWK> {
  if (file !== null && existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as JWK;
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const secret = await exportJWK(privateKey);
  if (file !== null) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(secret), { mode: 0o600 });
  }
  return secret;
}

/** Speaks as the first provider that the functions trust, so that they need not know where they run. */
function expected(authConfig: unknown): { issuer: string; audience: string } {
  const [first] = (authConfig as { providers?: Record<string, unknown>[] } | undefined)?.providers ?? [];
  const issuer = first?.issuer ?? first?.domain;
  return {
    issuer: typeof issuer === 'string' && issuer !== '' ? issuer : 'https://local.invalid',
    audience: typeof first?.applicationID === 'string' ? first.applicationID : 'convex',
  };
}

/** Claims of OpenID Connect under the names that Convex gives them; others keep theirs. */
const NAMES: Record<string, string> = {
  sub: 'subject', iss: 'issuer', given_name: 'givenName', family_name: 'familyName', preferred_username: 'preferredUsername',
  profile: 'profileUrl', picture: 'pictureUrl', email_verified: 'emailVerified', birthdate: 'birthday', zoneinfo: 'timezone',
  locale: 'language', phone_number: 'phoneNumber', phone_number_verified: 'phoneNumberVerified', updated_at: 'updatedAt',
};
const PLUMBING = new Set(['aud', 'exp', 'iat', 'nbf', 'jti', 'azp']);

function identityOf(claims: JWTPayload): Record<string, unknown> {
  const identity: Record<string, unknown> = { tokenIdentifier: `${claims.iss}|${claims.sub}` };
  for (const [claim, value] of Object.entries(claims)) if (!PLUMBING.has(claim)) identity[NAMES[claim] ?? claim] = value;
  return identity;
}
