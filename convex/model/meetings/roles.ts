// Who somebody is in one meeting, and what that lets them do. Pure; who the viewer is in the host's tables is decided
// in `host.ts`.

/** Standing in the tenant, as the host's adapter states it. */
export type Rank = "member" | "moderator" | "admin" | "owner";

/** Standing in one meeting. `staff` are admins of the tenant who are not hosts of this meeting. */
export type Role = "host" | "co_host" | "staff" | "moderator" | "participant";

/** What one may ask of a meeting. Each is one row of the table below. */
export type Action =
  | "see"
  | "edit"
  | "delete"
  | "start"
  | "end"
  | "end_session"
  | "admit"
  | "lock"
  | "mute"
  | "remove"
  | "permit"
  | "move"
  | "lower_hands"
  | "invite"
  | "appoint"
  | "see_report"
  | "moderate_chat"
  | "record"
  | "run_activity";

const HOSTS: readonly Role[] = ["host", "co_host"];
const HOSTS_AND_STAFF: readonly Role[] = [...HOSTS, "staff"];
const ALL_BUT_PARTICIPANTS: readonly Role[] = [...HOSTS_AND_STAFF, "moderator"];
const EVERYBODY: readonly Role[] = [...ALL_BUT_PARTICIPANTS, "participant"];

/** The whole policy: who may do what. */
export const POLICY: Readonly<Record<Action, readonly Role[]>> = {
  see: EVERYBODY,
  edit: HOSTS_AND_STAFF,
  delete: ["host", "staff"],
  start: HOSTS_AND_STAFF,
  end: HOSTS_AND_STAFF,
  end_session: HOSTS_AND_STAFF,
  admit: HOSTS_AND_STAFF,
  lock: HOSTS_AND_STAFF,
  mute: ALL_BUT_PARTICIPANTS,
  remove: HOSTS_AND_STAFF,
  permit: HOSTS_AND_STAFF,
  move: HOSTS_AND_STAFF,
  lower_hands: ALL_BUT_PARTICIPANTS,
  invite: HOSTS_AND_STAFF,
  appoint: ["host", "staff"],
  see_report: HOSTS_AND_STAFF,
  moderate_chat: ALL_BUT_PARTICIPANTS,
  record: HOSTS_AND_STAFF,
  run_activity: ALL_BUT_PARTICIPANTS,
};

/** Whether `role` may do `action`. */
export function may(role: Role, action: Action): boolean {
  return POLICY[action].includes(role);
}

/** People who open doors are not stopped by them. */
export function opensDoors(role: Role): boolean {
  return HOSTS_AND_STAFF.includes(role);
}

/** The part of a meeting that makes somebody a host of it. */
export interface Hosts {
  hostId: string;
  coHosts: readonly string[];
  tenant: string;
}

/** The part of a viewer that matters for a role. */
export interface Standing {
  userId: string;
  tenant: string | null;
  rank: Rank;
}

/**
 * The role of `viewer`, or null for somebody of another tenant: an owner of
 * the whole platform belongs to every tenant, an admin only to their own.
 */
export function roleIn(meeting: Hosts, viewer: Standing): Role | null {
  if (viewer.rank !== "owner" && viewer.tenant !== meeting.tenant) return null;
  if (viewer.userId === meeting.hostId) return "host";
  if (meeting.coHosts.includes(viewer.userId)) return "co_host";
  if (viewer.rank === "owner" || viewer.rank === "admin") return "staff";
  return viewer.rank === "moderator" ? "moderator" : "participant";
}
