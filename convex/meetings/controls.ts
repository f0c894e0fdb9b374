// What a host may set on a meeting beyond the host project's own table, and the rules of the door that follow.
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { hashPassword, isPassword, PASSWORD_MAX, sameText } from "../model/meetings/password";
import { isNetwork, NETWORKS_MAX } from "../model/meetings/network";
import { HOME_ZONE, isZone } from "../model/meetings/zone";
import type { RoomSettings } from "../edge/wire";
import { check } from "./access";

type Reading = Pick<QueryCtx, "db">;

/** The controls of a meeting, stored or not. */
export type Controls = Omit<Doc<"meetingControls">, "_id" | "_creationTime" | "meetingId" | "updatedAt">;

/** A day, an hour and ten minutes ahead: enough to plan, to travel, to sit down. */
const REMINDERS = [1440, 60, 10];
/** A room whose people have all gone stays this long for those who come back. */
const EMPTY_TIMEOUT_S = 300;
/** Somebody reconnecting is waited for this long before the room is thought empty. */
const DEPARTURE_TIMEOUT_S = 20;
const DOMAINS_MAX = 64;

/** Meetings made by the host's own functions have no controls: nodes take the host's own tokens there. */
const DEFAULTS: Controls = {
  allowedDomains: [],
  allowedNetworks: [],
  timeZone: HOME_ZONE,
  reminders: REMINDERS,
  emptyTimeoutS: EMPTY_TIMEOUT_S,
  onlyOurTokens: false,
};

/** The controls of a meeting. */
export async function controlsOf(ctx: Reading, meetingId: Id<"meetings">): Promise<Controls> {
  return (await storedControls(ctx, meetingId)) ?? DEFAULTS;
}

/** Changes some of a meeting's controls, after checking them. */
export async function setControls(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  changes: Partial<Controls>,
  now: number,
): Promise<void> {
  checkControls(changes);
  const stored = await storedControls(ctx, meetingId);
  if (stored !== null) await ctx.db.patch("meetingControls", stored._id, { ...changes, updatedAt: now });
  else await ctx.db.insert("meetingControls", { ...DEFAULTS, ...changes, meetingId, updatedAt: now });
}

/** Sets or, with null, takes away the password. The host's own field is never written. */
export async function setPassword(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  password: string | null,
  now: number,
): Promise<void> {
  const stored = await secretOf(ctx, meetingId);
  if (password === null) {
    if (stored !== null) await ctx.db.delete("meetingSecrets", stored._id);
    return;
  }
  check(password.length >= 4 && password.length <= PASSWORD_MAX, `A password has 4 to ${PASSWORD_MAX} characters.`);
  const hashed = await hashPassword(password, crypto.getRandomValues(new Uint8Array(16)));
  if (stored !== null) await ctx.db.patch("meetingSecrets", stored._id, { ...hashed, updatedAt: now });
  else await ctx.db.insert("meetingSecrets", { meetingId, ...hashed, updatedAt: now });
}

/** Whether a meeting has a password, of ours or of the host's own. */
export async function hasPassword(ctx: Reading, meeting: Doc<"meetings">): Promise<boolean> {
  return (meeting.password ?? "") !== "" || (await secretOf(ctx, meeting._id)) !== null;
}

/** What a password that came with a join is worth. Our hash goes before the host's plain text. */
export async function passwordVerdict(
  ctx: Reading,
  meeting: Doc<"meetings">,
  password: string | undefined,
): Promise<"none_needed" | "missing" | "wrong" | "right"> {
  const secret = await secretOf(ctx, meeting._id);
  const plain = meeting.password ?? "";
  if (secret === null && plain === "") return "none_needed";
  if (password === undefined || password === "") return "missing";
  const right = secret === null ? sameText(password, plain) : await isPassword(password, secret);
  return right ? "right" : "wrong";
}

/** How the nodes are to keep a meeting's room. */
export function roomSettingsOf(meeting: Doc<"meetings">, controls: Controls): RoomSettings {
  return {
    // Somebody let in past the lock needs a way in, so the nodes keep out only those without a token of ours.
    locked: false,
    maxParticipants: meeting.maxParticipants ?? 0,
    emptyTimeoutS: controls.emptyTimeoutS,
    departureTimeoutS: DEPARTURE_TIMEOUT_S,
    tokens: controls.onlyOurTokens || controls.lockedAt !== undefined ? "ours" : "any",
  };
}

async function storedControls(ctx: Reading, meetingId: Id<"meetings">): Promise<Doc<"meetingControls"> | null> {
  return await ctx.db
    .query("meetingControls")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
    .unique();
}

async function secretOf(ctx: Reading, meetingId: Id<"meetings">): Promise<Doc<"meetingSecrets"> | null> {
  return await ctx.db
    .query("meetingSecrets")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
    .unique();
}

function checkControls(changes: Partial<Controls>): void {
  const { allowedDomains, allowedNetworks, timeZone, reminders, emptyTimeoutS } = changes;
  check((allowedDomains?.length ?? 0) <= DOMAINS_MAX, `At most ${DOMAINS_MAX} domains.`);
  check(
    allowedDomains?.every((domain) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(domain) && domain.length <= 253) ?? true,
    "Write domains like school.edu.ng.",
  );
  check((allowedNetworks?.length ?? 0) <= NETWORKS_MAX, `At most ${NETWORKS_MAX} networks.`);
  check(allowedNetworks?.every(isNetwork) ?? true, "Write networks like 196.220.0.0/16 or 2001:db8::/32.");
  check(timeZone === undefined || isZone(timeZone), "Name the time zone like Africa/Lagos.");
  check(
    reminders === undefined ||
      (reminders.length <= 8 && reminders.every((minutes) => Number.isInteger(minutes) && minutes >= 1 && minutes <= 40_320)),
    "At most 8 reminders, each 1 minute to 4 weeks ahead.",
  );
  check(
    emptyTimeoutS === undefined || (Number.isInteger(emptyTimeoutS) && emptyTimeoutS >= 10 && emptyTimeoutS <= 3600),
    "A room stays empty for 10 to 3600 seconds.",
  );
}
