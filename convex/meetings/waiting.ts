// The waiting room: people who asked to come in, and hosts who decide. Both see it change without asking again.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import { mutation, query } from "../_generated/server";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import type { Person } from "../host";
import { may } from "../model/meetings/roles";
import { allowed, check, requirePerson, requireViewer, seen } from "./access";
import { meetingId, meetingStatus, userId } from "./validators";

/** Hosts look through this many at most at a time; who came first is first. */
const SHOWN = 200;

const entryState = v.union(
  v.literal("none"),
  v.literal("waiting"),
  v.literal("admitted"),
  v.literal("denied"),
  v.literal("left"),
);

/** What became of somebody's request at the door, if they made one. */
export async function entryOf(
  ctx: Pick<QueryCtx, "db">,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
): Promise<Doc<"meetingWaiting"> | null> {
  return await ctx.db
    .query("meetingWaiting")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId))
    .unique();
}

/** Puts somebody at the door, or leaves them where they stand. Answers since when. */
export async function wait(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  person: Person,
  now: number,
): Promise<number> {
  const entry = await entryOf(ctx, meeting._id, person.userId);
  if (entry?.state === "waiting") return entry.askedAt;
  const asking = { name: person.name, state: "waiting" as const, askedAt: now };
  if (entry !== null) {
    await ctx.db.patch("meetingWaiting", entry._id, { ...asking, decidedAt: undefined, decidedBy: undefined });
  } else await ctx.db.insert("meetingWaiting", { meetingId: meeting._id, userId: person.userId, ...asking });
  return now;
}

/** How the viewer's own request stands. The page joins again when it says `admitted`. */
export const mine = query({
  args: { meetingId },
  returns: v.union(
    v.object({
      state: entryState,
      askedAt: v.union(v.number(), v.null()),
      /** Those who asked before and still wait. */
      ahead: v.number(),
      status: meetingStatus,
    }),
    v.null(),
  ),
  handler: async (ctx, { meetingId }) => {
    const access = await seen(ctx, meetingId);
    if (access === null) return null;
    const entry = await entryOf(ctx, meetingId, access.viewer.userId);
    const ahead = entry?.state === "waiting" ? (await waitingBefore(ctx, meetingId, entry.askedAt)).length : 0;
    return { state: entry?.state ?? ("none" as const), askedAt: entry?.askedAt ?? null, ahead, status: access.meeting.status };
  },
});

/** Everybody at the door, for hosts; others see nobody. */
export const list = query({
  args: { meetingId },
  returns: v.array(v.object({ userId, name: v.string(), askedAt: v.number() })),
  handler: async (ctx, { meetingId }) => {
    const access = await seen(ctx, meetingId);
    if (access === null || !may(access.role, "admit")) return [];
    const rows = await waitingBefore(ctx, meetingId, Infinity);
    return rows.map(({ userId, name, askedAt }) => ({ userId, name, askedAt }));
  },
});

const someone = v.object({ meetingId, userId });

export const admitFunction = {
  args: someone,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId, userId }: Infer<typeof someone>) => {
    const { viewer } = await allowed(ctx, meetingId, "admit");
    await decide(ctx, meetingId, userId, "admitted", viewer);
    return null;
  },
};
/** Lets somebody in, also one who was refused or removed before. */
export const admit = mutation(admitFunction);

export const denyFunction = {
  args: someone,
  returns: v.null(),
  handler: async (ctx: MutationCtx, { meetingId, userId }: Infer<typeof someone>) => {
    const { viewer } = await allowed(ctx, meetingId, "admit");
    await decide(ctx, meetingId, userId, "denied", viewer);
    return null;
  },
};
/** Refuses somebody, until a host admits them after all. */
export const deny = mutation(denyFunction);

/** Lets in everybody at the door. Answers how many. */
export const admitAll = mutation({
  args: { meetingId },
  returns: v.number(),
  handler: async (ctx, { meetingId }) => {
    const { viewer } = await allowed(ctx, meetingId, "admit");
    const rows = await waitingBefore(ctx, meetingId, Infinity);
    const decidedAt = Date.now();
    for (const row of rows) {
      await ctx.db.patch("meetingWaiting", row._id, { state: "admitted", decidedAt, decidedBy: viewer.userId });
    }
    return rows.length;
  },
});

/** Somebody at the door goes away. */
export const leave = mutation({
  args: { meetingId },
  returns: v.null(),
  handler: async (ctx, { meetingId }) => {
    const viewer = await requireViewer(ctx);
    const entry = await entryOf(ctx, meetingId, viewer.userId);
    if (entry?.state === "waiting") {
      await ctx.db.patch("meetingWaiting", entry._id, { state: "left", decidedAt: Date.now() });
    }
    return null;
  },
});

async function decide(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
  state: "admitted" | "denied",
  by: Person,
): Promise<void> {
  const entry = await entryOf(ctx, meetingId, userId);
  check(entry !== null || state === "admitted", "This person has not asked to come in.");
  const decidedAt = Date.now();
  if (state === "admitted") await forgive(ctx, meetingId, userId);
  if (entry === null) {
    // Somebody removed without ever having waited: let in by name.
    const { name } = await requirePerson(ctx, userId);
    const decided = { state, decidedAt, decidedBy: by.userId };
    await ctx.db.insert("meetingWaiting", { meetingId, userId, name, askedAt: decidedAt, ...decided });
  } else await ctx.db.patch("meetingWaiting", entry._id, { state, decidedAt, decidedBy: by.userId });
}

async function forgive(ctx: MutationCtx, meetingId: Id<"meetings">, userId: Id<"users">): Promise<void> {
  const removal = await ctx.db
    .query("meetingRemovals")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId))
    .first();
  if (removal !== null) await ctx.db.delete("meetingRemovals", removal._id);
}

async function waitingBefore(
  ctx: Pick<QueryCtx, "db">,
  meetingId: Id<"meetings">,
  before: number,
): Promise<Doc<"meetingWaiting">[]> {
  return await ctx.db
    .query("meetingWaiting")
    .withIndex("by_meeting_state", (q) => q.eq("meetingId", meetingId).eq("state", "waiting").lt("askedAt", before))
    .take(SHOWN);
}
