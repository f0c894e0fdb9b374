// The seam to the host project, and the only file of ours a host edits: who the viewer is, what they may do, how users
// are keyed, where the host wants to hear of things. Written for the TOF platform's tables, whose people come from
// Clerk. The meeting side asks only these functions about users and tenants.
import type { Doc, Id } from "./_generated/dataModel";
import type { MutationCtx, QueryCtx } from "./_generated/server";
import type { Rank } from "./model/meetings/roles";

/** Somebody as the meeting side sees them. */
export interface Person {
  userId: Id<"users">;
  name: string;
  email: string;
  /** The tenant they belong to; null for somebody not placed yet. */
  tenant: Id<"foundations"> | null;
  rank: Rank;
}

type Reading = Pick<QueryCtx, "db">;

/** Whoever calls, or null when nobody is signed in or their account is closed. */
export async function viewerOf(ctx: Pick<QueryCtx, "db" | "auth">): Promise<Person | null> {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null) return null;
  return await personByClerk(ctx, identity.subject);
}

/** The person with this id, which may come from outside: null for anything that is no open account. */
export async function personOf(ctx: Reading, id: string): Promise<Person | null> {
  const userId = ctx.db.normalizeId("users", id);
  if (userId === null) return null;
  const user = await ctx.db.get("users", userId);
  return user === null ? null : described(user);
}

/** The id of a person's account, open or closed; null for what is no account. Facts outlive accounts. */
export async function accountOf(ctx: Reading, id: string | undefined): Promise<Id<"users"> | null> {
  const userId = id === undefined ? null : ctx.db.normalizeId("users", id);
  return userId === null ? null : ((await ctx.db.get("users", userId))?._id ?? null);
}

/**
 * Who an identity of a token says to be, where that token was made by the host itself and carries no claim of ours:
 * its server signs Clerk's ids. Its page signs `name_<milliseconds>`, which says nobody: such facts stay unattributed.
 */
export async function userOfIdentity(ctx: Reading, identity: string): Promise<Id<"users"> | null> {
  if (!/^user_[A-Za-z0-9]{8,64}$/.test(identity)) return null;
  return (await personByClerk(ctx, identity))?.userId ?? null;
}

/** The tenant a meeting belongs to. */
export function tenantOf(meeting: Doc<"meetings">): Id<"foundations"> {
  return meeting.foundationId;
}

/** Everybody may call together at once; only staff may plan ahead, as in the host's own functions. */
export function mayCreate(person: Person, kind: "instant" | "scheduled" | "recurring"): boolean {
  return person.tenant !== null && (kind === "instant" || person.rank !== "member");
}

/** Where a meeting is joined by its code. */
export function meetingLink(code: string): string {
  return `${process.env.NEXT_PUBLIC_APP_URL ?? ""}/meetings/join/${code.replace(/\s/g, "")}`;
}

/** The code as it is stored, out of what people type: `1234567890` is `123 456 7890`. */
export function storedCode(typed: string): string {
  const digits = typed.replace(/[\s-]/g, "");
  return `${digits.slice(0, 3)} ${digits.slice(3, 6)} ${digits.slice(6)}`;
}

/** Tells people that a meeting is near. The host decides how they hear of it: here, by its notifications. */
export async function remind(
  ctx: MutationCtx,
  reminder: { meeting: Doc<"meetings">; people: Id<"users">[]; minutesBefore: number; now: number },
): Promise<void> {
  const { meeting, people, minutesBefore, now } = reminder;
  await ctx.db.insert("notifications", {
    foundationId: meeting.foundationId,
    recipientType: "specific_users",
    recipients: people,
    title: `Meeting soon: ${meeting.title}`,
    message: `“${meeting.title}” begins in ${minutesBefore} minutes.`,
    notificationType: "reminder",
    channels: ["in_app"],
    isScheduled: false,
    isSent: true,
    sentAt: now,
    priority: "normal",
    requiresAction: true,
    ...(meeting.meetingLink === undefined ? {} : { actionUrl: meeting.meetingLink, actionText: "Join" }),
    createdBy: meeting.hostId,
    createdAt: now,
    updatedAt: now,
  });
}

/** Notes who did what to a meeting. `person` null is the schedule. */
export async function audit(
  ctx: MutationCtx,
  entry: { meeting: Doc<"meetings">; person: Person | null; action: string; now: number },
): Promise<void> {
  const { meeting, person, action, now } = entry;
  await ctx.db.insert("auditLogs", {
    foundationId: meeting.foundationId,
    ...(person === null ? {} : { userId: person.userId, userEmail: person.email, userRole: person.rank }),
    action,
    entityType: "meetings",
    entityId: meeting._id,
    description: `${action.replace(/_/g, " ")}: ${meeting.title}`,
    riskLevel: action === "delete_meeting" ? "medium" : "low",
    createdAt: now,
  });
}

async function personByClerk(ctx: Reading, clerkId: string): Promise<Person | null> {
  // Accounts that were only invited have an empty id, all of them the same one.
  if (clerkId === "") return null;
  const user = await ctx.db
    .query("users")
    .withIndex("by_clerk_id", (q) => q.eq("clerkId", clerkId))
    .first();
  return user === null ? null : described(user);
}

function described(user: Doc<"users">): Person | null {
  if (!user.isActive) return null;
  return {
    userId: user._id,
    name: `${user.firstName} ${user.lastName}`.trim() || user.email,
    email: user.email,
    tenant: user.foundationId ?? null,
    rank: RANKS[user.role],
  };
}

const RANKS: Readonly<Record<Doc<"users">["role"], Rank>> = {
  super_admin: "owner",
  admin: "admin",
  reviewer: "moderator",
  beneficiary: "member",
  guardian: "member",
};
