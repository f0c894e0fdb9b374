// Join tokens with the deployment's key. Plain functions: who may have one, the caller has decided.
import { invitationClaims, joinClaims, type Holder, type Permission } from "../model/edge/claims";
import { signJoin as sign, verifyJoin as verify, type JoinClaims, type TokenVerdict } from "../model/edge/token";
import { tokenKeys, tokenSecret } from "./env";

export async function signJoin(claims: JoinClaims): Promise<string> {
  const { kid, privateKey } = tokenSecret();
  return await sign(claims, kid, privateKey);
}

/** A token to join with now; refreshes may keep its holder in until `stayUntil`. */
export async function joinToken(
  holder: Holder,
  permission: Permission,
  times: { now: number; stayUntil: number },
): Promise<string> {
  return await signJoin(joinClaims(holder, permission, times, tokenId()));
}

/** A token for a scheduled meeting, handed out ahead of it. */
export async function invitationFor(
  holder: Holder,
  permission: Permission,
  meeting: { startsAt: number; endsAt: number },
): Promise<string> {
  return await signJoin(invitationClaims(holder, permission, meeting, tokenId()));
}

/** What a token of ours is worth at `now`. */
export async function verifyJoin(token: string, now: number): Promise<TokenVerdict> {
  return await verify(token, await tokenKeys(), now);
}

/** Tells tokens apart in logs; it is no secret, and functions that must be repeatable have no other randomness. */
function tokenId(): string {
  return Array.from({ length: 4 }, () => Math.floor(Math.random() * 2 ** 32).toString(16).padStart(8, "0")).join("");
}
