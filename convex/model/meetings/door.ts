// Whether somebody may come into a meeting: one judgement over all its rules, in an order that tells a stranger as
// little as possible. Pure; gathering what it is told and acting on the verdict is for `meetings/join.ts`.
import { inNetworks } from "./network";
import { opensDoors } from "./roles";
import type { Role } from "./roles";

/** Others than hosts may come in this long before the start, as the platform has it. */
export const EARLY_MS = 15 * 60_000;

/** Why somebody is refused: also the answer's code. */
export type Refusal =
  | "cancelled"
  | "ended"
  | "removed"
  | "too_early"
  | "over"
  | "network"
  | "domain"
  | "password_missing"
  | "password_wrong"
  | "locked"
  | "denied"
  | "full";

/** All that the rules ask about. */
export interface Caller {
  role: Role;
  email: string;
  address: string | null;
  /** Asked to the meeting by name. */
  invited: boolean;
  /** Of the meeting's own tenant. */
  ownTenant: boolean;
  password: "none_needed" | "missing" | "wrong" | "right";
  /** What became of an earlier request at the door. */
  asked: "never" | "waiting" | "admitted" | "denied" | "left";
  removed: boolean;
  /** Was in the meeting before it was locked. */
  wasInBeforeLock: boolean;
  /** Is in it now, with some device. */
  present: boolean;
}

/** The meeting's own rules. */
export interface Rules {
  status: "scheduled" | "live" | "ended" | "cancelled";
  startsAt: number;
  endsAt: number;
  locked: boolean;
  waitingRoom: boolean;
  bypass: "everyone" | "invited" | "organization" | "nobody";
  /** Whether people who were not asked may come without a host's word. */
  openToUninvited: boolean;
  allowedDomains: readonly string[];
  allowedNetworks: readonly string[];
  /** 0 is no limit. */
  maxParticipants: number;
  participants: number;
}

/** What is to be done with the caller. */
export type Verdict = { enter: true } | { enter: false; wait: true } | { enter: false; wait: false; refusal: Refusal };

/** Judges. The first rule that speaks against somebody decides. */
export function judge(caller: Caller, rules: Rules, now: number): Verdict {
  const refusal = refusalOf(caller, rules, now);
  if (refusal !== null) return { enter: false, wait: false, refusal };
  return mustWait(caller, rules) ? { enter: false, wait: true } : fits(caller, rules);
}

function refusalOf(caller: Caller, rules: Rules, now: number): Refusal | null {
  const host = opensDoors(caller.role);
  if (rules.status === "cancelled" || rules.status === "ended") return rules.status;
  if (caller.removed && !host) return "removed";
  if (now >= rules.endsAt) return "over";
  if (!host && rules.status === "scheduled" && now < rules.startsAt - EARLY_MS) return "too_early";
  // A network rule is about places, and holds for hosts as well.
  if (rules.allowedNetworks.length > 0 && !inNetworks(caller.address, rules.allowedNetworks)) return "network";
  if (host) return null;
  if (rules.allowedDomains.length > 0 && !inDomains(caller.email, rules.allowedDomains)) return "domain";
  if (caller.password === "missing") return "password_missing";
  if (caller.password === "wrong") return "password_wrong";
  if (rules.locked && !caller.wasInBeforeLock && caller.asked !== "admitted") return "locked";
  return caller.asked === "denied" ? "denied" : null;
}

function mustWait(caller: Caller, rules: Rules): boolean {
  if (opensDoors(caller.role) || caller.asked === "admitted" || caller.present) return false;
  if (!caller.invited && !rules.openToUninvited) return true;
  return rules.waitingRoom && !passes(caller, rules.bypass);
}

function passes(caller: Caller, bypass: Rules["bypass"]): boolean {
  switch (bypass) {
    case "everyone":
      return true;
    case "invited":
      return caller.invited;
    case "organization":
      return caller.ownTenant;
    case "nobody":
      return false;
  }
}

function fits(caller: Caller, rules: Rules): Verdict {
  const full = rules.maxParticipants > 0 && rules.participants >= rules.maxParticipants;
  // The host's own seat is never taken by others.
  if (full && !caller.present && caller.role !== "host") return { enter: false, wait: false, refusal: "full" };
  return { enter: true };
}

/** Whether the address belongs to one of the domains, or to a part of one. */
export function inDomains(email: string, domains: readonly string[]): boolean {
  const at = email.lastIndexOf("@");
  if (at < 1) return false;
  const domain = email.slice(at + 1).toLowerCase();
  return domains.some((allowed) => domain === allowed.toLowerCase() || domain.endsWith(`.${allowed.toLowerCase()}`));
}

/** What each refusal says to the person, and what they can do. */
export const ADVICE: Readonly<Record<Refusal | "unknown_meeting" | "not_allowed" | "too_often" | "no_node", string>> = {
  cancelled: "This meeting was cancelled. Ask its host for another date.",
  ended: "This meeting has ended.",
  removed: "A host has removed you from this meeting. Ask a host to let you in again.",
  too_early: "This meeting has not begun. You can come in 15 minutes before its start.",
  over: "The time of this meeting is over. A host can extend it.",
  network: "This meeting can only be joined from certain networks. Join from your school's network.",
  domain: "This meeting is only for certain e-mail addresses. Sign in with the address of your school.",
  password_missing: "This meeting has a password. Enter it to join.",
  password_wrong: "That is not the password of this meeting. Check it and try again.",
  locked: "A host has locked this meeting. Ask a host to unlock it.",
  denied: "A host did not let you in.",
  full: "This meeting is full. Try again when somebody has left.",
  unknown_meeting: "There is no such meeting. Check the link or the code.",
  not_allowed: "This meeting is not open to your account. Sign in with the account that was invited.",
  too_often: "You have tried too often. Wait a little and try again.",
  no_node: "No server is free right now. Try again in a moment.",
};
