// What a join token says: who, where, what they may, from when and for how long. Times come in ms and go out in seconds.
import { ISSUER, type JoinClaims, type VideoGrant } from "./token";

export type Holder = {
  /** `<user>#<device>`: one user may be in a room with two devices. */
  identity: string;
  name: string;
  user?: string;
  meeting?: string;
  metadata?: string;
  attributes?: Record<string, string>;
};

/** What the holder may, in this room. Nobody joins as a recorder: it would not be counted and not be seen. */
export type Permission = Omit<VideoGrant, "roomJoin">;

/** How long a token opens the door once it was asked for. */
const JOIN_MS = 10 * 60_000;

/** An invitation opens the door this long before the meeting and after it. */
const INVITED_BEFORE_MS = 15 * 60_000;
const INVITED_AFTER_MS = 30 * 60_000;

/** For somebody who asks to join now, and whom refreshes may keep in until `stayUntil`. */
export function joinClaims(
  holder: Holder,
  permission: Permission,
  times: { now: number; stayUntil: number },
  jti: string,
): JoinClaims {
  const exp = Math.min(times.now + JOIN_MS, times.stayUntil);
  // Valid from now and not from earlier: nodes tell by it whether a token is newer than its holder's removal. Clocks that
  // are a little behind are the nodes' own leeway.
  return claims(holder, permission, { from: times.now, to: exp, stayUntil: times.stayUntil }, jti);
}

/** For somebody who is expected at a scheduled meeting: handed out ahead, good while the meeting is. */
export function invitationClaims(
  holder: Holder,
  permission: Permission,
  meeting: { startsAt: number; endsAt: number },
  jti: string,
): JoinClaims {
  const to = meeting.endsAt + INVITED_AFTER_MS;
  const invited = claims(holder, permission, { from: meeting.startsAt - INVITED_BEFORE_MS, to, stayUntil: to }, jti);
  return { ...invited, tof: { ...invited.tof, invited: true } };
}

function claims(
  { identity, name, user, meeting, metadata, attributes }: Holder,
  permission: Permission,
  times: { from: number; to: number; stayUntil: number },
  jti: string,
): JoinClaims {
  return {
    iss: ISSUER,
    sub: identity,
    name,
    nbf: Math.floor(times.from / 1000),
    exp: Math.floor(times.to / 1000),
    jti,
    metadata,
    attributes,
    video: { ...permission, roomJoin: true },
    tof: { meeting, user, stay: Math.floor(times.stayUntil / 1000) },
  };
}
