// A calendar of one's meetings, behind a secret link that calendar programs can fetch without signing in. Only the hash
// of the secret is kept; making a new link closes the old one.
import { v } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import { internalQuery, mutation } from "../_generated/server";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { personOf } from "../host";
import { calendarOf } from "../model/meetings/calendar";
import type { Entry } from "../model/meetings/calendar";
import { requireViewer } from "./access";
import { drawn } from "./names";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** 190 bits: nobody finds one by trying. */
const SECRET_LENGTH = 32;
const BEHIND_MS = 30 * 24 * 3_600_000;
const AHEAD_MS = 180 * 24 * 3_600_000;
const ENTRIES_MAX = 500;
/** Links of one person; there is one, unless two pages made one at once. */
const LINKS_MAX = 8;

/** Where calendars are fetched. */
export const CALENDAR_PATH = "/api/calendar/";

/** Makes the viewer's link, and closes the one before. Its path is answered once and cannot be asked for again. */
export const makeLink = mutation({
  args: {},
  returns: v.object({ path: v.string() }),
  handler: async (ctx) => {
    const viewer = await requireViewer(ctx);
    await closeLinks(ctx, viewer.userId);
    const secret = drawn(LETTERS, SECRET_LENGTH);
    const secretHash = await hashOf(secret);
    await ctx.db.insert("meetingCalendars", { userId: viewer.userId, secretHash, createdAt: Date.now() });
    return { path: `${CALENDAR_PATH}${secret}.ics` };
  },
});

/** Closes the viewer's link. */
export const closeLink = mutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    await closeLinks(ctx, (await requireViewer(ctx)).userId);
    return null;
  },
});

/** The calendar behind a secret, or null. */
export const feed = internalQuery({
  args: { secret: v.string(), now: v.number() },
  returns: v.union(v.string(), v.null()),
  handler: async (ctx, { secret, now }) => {
    if (secret.length !== SECRET_LENGTH) return null;
    const secretHash = await hashOf(secret);
    const link = await ctx.db
      .query("meetingCalendars")
      .withIndex("by_secret", (q) => q.eq("secretHash", secretHash))
      .unique();
    const person = link === null ? null : await personOf(ctx, link.userId);
    if (person === null) return null;
    const rows = await ctx.db
      .query("meetingGuests")
      .withIndex("by_user_start", (q) =>
        q.eq("userId", person.userId).gte("startsAt", now - BEHIND_MS).lte("startsAt", now + AHEAD_MS),
      )
      .take(ENTRIES_MAX);
    const entries: Entry[] = [];
    for (const row of rows) {
      const meeting = await ctx.db.get("meetings", row.meetingId);
      if (meeting !== null && meeting.type !== "instant") entries.push(await entryOf(ctx, meeting));
    }
    return calendarOf(`Meetings of ${person.name}`, entries, now);
  },
});

async function entryOf(ctx: Pick<QueryCtx, "db">, meeting: Doc<"meetings">): Promise<Entry> {
  return {
    id: meeting._id,
    title: meeting.title,
    description: meeting.description,
    startsAt: meeting.scheduledStartTime,
    endsAt: meeting.scheduledEndTime,
    changedAt: meeting.updatedAt,
    link: meeting.meetingLink,
    hostName: (await personOf(ctx, meeting.hostId))?.name,
    cancelled: meeting.status === "cancelled",
  };
}

async function closeLinks(ctx: MutationCtx, userId: Id<"users">): Promise<void> {
  const links = await ctx.db
    .query("meetingCalendars")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(LINKS_MAX);
  for (const link of links) await ctx.db.delete("meetingCalendars", link._id);
}

async function hashOf(secret: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
