// Registers and reports of meetings that have ended: made once at the end, and again when facts come in later.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import { internalMutation, query } from "../_generated/server";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { personOf } from "../host";
import { engagement, lasted, NO_DEEDS, register } from "../model/meetings/attendance";
import type { Deeds, Line } from "../model/meetings/attendance";
import { averages } from "../model/meetings/quality";
import { may } from "../model/meetings/roles";
import { lengthOf, union } from "../model/meetings/spans";
import type { Span } from "../model/meetings/spans";
import { seen } from "./access";
import { peopleAsked } from "./guests";
import { lineFields, reportFields } from "./tables";
import { meetingId } from "./validators";

/** Rows of one kind that a report reads. All kinds together stay far below what one mutation may read. */
const READ_MAX = 4000;
const LINES_MAX = 1000;
/** What a node tells with the last leaving, and what another tells at the same time, is in by then. */
const SETTLED_MS = 1000;
/** A node that has not told by then who left is out of reach: what it tells later changes the register again. */
const SILENT_MS = 15_000;
/** Late facts come in bursts; the report is made again when the burst is over. */
const AGAIN_MS = 60_000;

const line = v.object(lineFields);

export const attendanceFunction = {
  args: { meetingId },
  returns: v.array(line),
  handler: async (ctx: QueryCtx, { meetingId }: { meetingId: Id<"meetings"> }): Promise<Infer<typeof line>[]> => {
    const access = await seen(ctx, meetingId);
    if (access === null) return [];
    const rows = await ctx.db
      .query("meetingAttendance")
      .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
      .take(LINES_MAX);
    const all = may(access.role, "see_report");
    return rows
      .filter((row) => all || row.userId === access.viewer.userId)
      .map(({ _id, _creationTime, meetingId: _meeting, ...told }) => told);
  },
};
/** The register of a meeting that has ended: all of it for hosts, their own line for others. */
export const attendanceOf = query(attendanceFunction);

export const reportFunction = {
  args: { meetingId },
  returns: v.union(v.object(reportFields), v.null()),
  handler: async (ctx: QueryCtx, { meetingId }: { meetingId: Id<"meetings"> }) => {
    const access = await seen(ctx, meetingId);
    if (access === null || !may(access.role, "see_report")) return null;
    const report = await reportOf(ctx, meetingId);
    if (report === null) return null;
    const { _id, _creationTime, ...told } = report;
    return told;
  },
};
/** How a meeting went, for its hosts. Null until it has ended and its report was made. */
export const report = query(reportFunction);

/** Makes the register and the report of a meeting that has ended; or makes them again, unless `first`. */
export const make = internalMutation({
  args: { meetingId: v.id("meetings"), first: v.optional(v.boolean()) },
  returns: v.null(),
  handler: async (ctx, { meetingId, first = false }): Promise<null> => {
    const meeting = await ctx.db.get("meetings", meetingId);
    if (meeting === null || meeting.status !== "ended") return null;
    if (first && (await reportOf(ctx, meetingId)) !== null) return null;
    const found = await gather(ctx, meeting);
    const lines = await linesOf(ctx, meeting, found);
    await storeLines(ctx, meeting, lines);
    await storeReport(ctx, meeting, found, lines);
    return null;
  },
});

/**
 * A meeting has ended: its register is made when the last of its people has left, which their nodes tell within
 * moments, and without them when a node is too long silent.
 */
export async function planRegister(ctx: MutationCtx, meeting: Doc<"meetings">): Promise<void> {
  if (await makeWhenEmpty(ctx, meeting)) return;
  await ctx.scheduler.runAfter(SILENT_MS, internal.meetings.reports.make, { meetingId: meeting._id, first: true });
}

/** Makes the register soon if nobody is in the meeting any more and there is none yet; answers whether it will be. */
export async function makeWhenEmpty(ctx: MutationCtx, meeting: Doc<"meetings">): Promise<boolean> {
  if ((await reportOf(ctx, meeting._id)) !== null || (await isAnybodyIn(ctx, meeting))) return false;
  await ctx.scheduler.runAfter(SETTLED_MS, internal.meetings.reports.make, { meetingId: meeting._id, first: true });
  return true;
}

async function isAnybodyIn(ctx: MutationCtx, meeting: Doc<"meetings">): Promise<boolean> {
  const groups = await ctx.db
    .query("breakoutRooms")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meeting._id))
    .take(LINES_MAX);
  for (const { roomName } of [meeting, ...groups]) {
    const inside = await ctx.db
      .query("edgeSpans")
      .withIndex("by_room_open", (q) => q.eq("room", roomName).eq("leftAt", undefined))
      .first();
    if (inside !== null) return true;
  }
  return false;
}

/** A fact came after the report was made: it is made again, once, when no more come. */
export async function markStale(ctx: MutationCtx, meetingId: Id<"meetings">, now: number): Promise<void> {
  const known = await reportOf(ctx, meetingId);
  if (known === null || known.stale) return;
  await ctx.db.patch("meetingReports", known._id, { stale: true, madeAt: now });
  await ctx.scheduler.runAfter(AGAIN_MS, internal.meetings.reports.make, { meetingId });
}

interface Found {
  startedAt: number;
  endedAt: number;
  spans: Doc<"edgeSpans">[];
  tracks: Doc<"edgeTracks">[];
  measures: Doc<"edgeQuality">[];
  chat: Doc<"edgeChat">[];
  hands: Doc<"edgeHands">[];
  votes: Doc<"meetingPollVotes">[];
  quizAnswers: Doc<"meetingQuizAnswers">[];
}

async function gather(ctx: MutationCtx, meeting: Doc<"meetings">): Promise<Found> {
  const id = meeting._id;
  const spans = await ctx.db.query("edgeSpans").withIndex("by_meeting", (q) => q.eq("meetingId", id)).take(READ_MAX);
  return {
    ...lasted(
      {
        plannedStart: meeting.scheduledStartTime,
        plannedEnd: meeting.scheduledEndTime,
        start: meeting.actualStartTime ?? null,
        end: meeting.actualEndTime ?? null,
      },
      spans.map(({ joinedAt, leftAt }) => ({ start: joinedAt, end: leftAt ?? null })),
    ),
    spans,
    tracks: await ctx.db.query("edgeTracks").withIndex("by_meeting", (q) => q.eq("meetingId", id)).take(READ_MAX),
    measures: await ctx.db.query("edgeQuality").withIndex("by_meeting", (q) => q.eq("meetingId", id)).take(READ_MAX),
    chat: await ctx.db.query("edgeChat").withIndex("by_meeting", (q) => q.eq("meetingId", id)).take(READ_MAX),
    hands: await ctx.db
      .query("edgeHands")
      .withIndex("by_room_raised", (q) => q.eq("room", meeting.roomName))
      .take(READ_MAX),
    votes: await ctx.db.query("meetingPollVotes").withIndex("by_meeting", (q) => q.eq("meetingId", id)).take(READ_MAX),
    quizAnswers: await ctx.db
      .query("meetingQuizAnswers")
      .withIndex("by_meeting", (q) => q.eq("meetingId", id))
      .take(READ_MAX),
  };
}

type Scored = Line & Deeds & { engagement: number };

async function linesOf(ctx: MutationCtx, meeting: Doc<"meetings">, found: Found): Promise<Scored[]> {
  const expected = [];
  for (const id of peopleAsked(meeting)) {
    const person = await personOf(ctx, id);
    // Somebody whose account was closed is not missed.
    if (person !== null) expected.push({ userId: id as string, name: person.name });
  }
  const names = await namesOf(ctx, found.spans);
  const spans = found.spans.map((span) => ({
    start: span.joinedAt,
    // The room was closed then, whatever its last messages say.
    end: Math.max(span.joinedAt, Math.min(span.leftAt ?? found.endedAt, found.endedAt)),
    userId: span.userId !== undefined && ctx.db.normalizeId("users", span.userId) !== null ? span.userId : null,
    identity: span.identity,
    name: names.get(span.userId ?? "") ?? span.name,
  }));
  const deeds = deedsOf(found);
  const lastedMs = found.endedAt - found.startedAt;
  return register(meeting.scheduledStartTime, found.endedAt, expected, spans)
    .slice(0, LINES_MAX)
    .map((line) => {
      const own = deeds.get(line.userId ?? line.identity ?? "") ?? NO_DEEDS;
      return { ...line, ...own, engagement: engagement(line.presentMs, lastedMs, own) };
    });
}

/** Names as the host has them: a token's name is only what its maker wrote. */
async function namesOf(ctx: MutationCtx, spans: readonly Doc<"edgeSpans">[]): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const { userId } of spans) {
    if (userId === undefined || names.has(userId)) continue;
    const person = await personOf(ctx, userId);
    if (person !== null) names.set(userId, person.name);
  }
  return names;
}

/** What each did, by user, or by identity where that says nobody. */
function deedsOf(found: Found): Map<string, Deeds> {
  const deeds = new Map<string, Deeds>();
  const of = (row: { userId?: string; identity?: string }): Deeds => {
    const key = row.userId ?? row.identity ?? "";
    const known = deeds.get(key) ?? { ...NO_DEEDS };
    deeds.set(key, known);
    return known;
  };
  for (const row of found.chat) of(row).messages += 1;
  for (const row of found.hands) of(row).hands += 1;
  for (const row of [...found.votes, ...found.quizAnswers]) of(row).answers += 1;
  for (const [source, field] of SOURCES) {
    const owners = new Map<Deeds, Span[]>();
    for (const track of found.tracks) {
      if (track.source !== source) continue;
      const owner = of(track);
      const span = { start: track.publishedAt, end: track.unpublishedAt ?? null };
      owners.set(owner, [...(owners.get(owner) ?? []), span]);
    }
    for (const [owner, spans] of owners) owner[field] = lengthOf(union(spans, found.endedAt));
  }
  return deeds;
}

const SOURCES = [
  ["microphone", "microphoneMs"],
  ["camera", "cameraMs"],
  ["screen_share", "screenMs"],
] as const;

async function storeLines(ctx: MutationCtx, meeting: Doc<"meetings">, lines: readonly Scored[]): Promise<void> {
  const known = await ctx.db
    .query("meetingAttendance")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meeting._id))
    .take(LINES_MAX);
  for (const row of known) await ctx.db.delete("meetingAttendance", row._id);
  for (const line of lines) {
    const userId = line.userId === null ? null : ctx.db.normalizeId("users", line.userId);
    await ctx.db.insert("meetingAttendance", { meetingId: meeting._id, ...line, userId });
    if (userId !== null) await storeMinutes(ctx, meeting._id, userId, line);
  }
}

/** The plan's numbers on the host's own row of a person. */
async function storeMinutes(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  userId: Id<"users">,
  line: Scored,
): Promise<void> {
  const row = await ctx.db
    .query("meetingParticipants")
    .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", userId))
    .order("desc")
    .first();
  if (row === null) return;
  await ctx.db.patch("meetingParticipants", row._id, {
    videoMinutes: minutes(line.cameraMs),
    audioMinutes: minutes(line.microphoneMs),
    screenShareMinutes: minutes(line.screenMs),
    chatMessageCount: line.messages,
  });
}

function minutes(ms: number): number {
  return Math.round(ms / 600) / 100;
}

async function storeReport(
  ctx: MutationCtx,
  meeting: Doc<"meetings">,
  found: Found,
  lines: readonly Scored[],
): Promise<void> {
  const count = (kind: Line["attendance"]) => lines.filter((line) => line.attendance === kind).length;
  const came = lines.filter((line) => line.presentMs > 0);
  const mean = (of: (line: Scored) => number) =>
    came.length === 0 ? 0 : came.reduce((sum, line) => sum + of(line), 0) / came.length;
  const expected = lines.filter((line) => line.expected);
  const told = {
    startedAt: found.startedAt,
    endedAt: found.endedAt,
    lastedMs: Math.max(0, found.endedAt - found.startedAt),
    madeAt: Date.now(),
    stale: false,
    cut: [found.spans, found.tracks, found.measures, found.chat].some((rows) => rows.length === READ_MAX),
    expected: expected.length,
    present: count("present"),
    late: count("late"),
    absent: count("absent"),
    unattributed: count("unattributed"),
    attendanceRate: share(expected.filter((line) => line.attendance !== "absent").length, expected.length),
    averagePresentMs: Math.round(mean((line) => line.presentMs)),
    participationRate: share(came.filter(tookPart).length, came.length),
    averageEngagement: Math.round(mean((line) => line.engagement)),
    chatMessages: found.chat.length,
    sealedMessages: await sealedIn(ctx, meeting.roomName),
    handsRaised: found.hands.length,
    screenShareMs: came.reduce((sum, line) => sum + line.screenMs, 0),
    pollAnswers: found.votes.length,
    pollParticipation: share(new Set(found.votes.map((vote) => vote.userId)).size, came.length),
    quizCompletion: share(new Set(found.quizAnswers.map((answer) => answer.userId)).size, came.length),
    breakoutRooms: await groupsOf(ctx, meeting._id),
    quality: averages(
      found.measures,
      found.spans.map(({ joinMs, closedBy }) => ({ joinMs, lost: closedBy === "lease" })),
    ),
  };
  const known = await reportOf(ctx, meeting._id);
  if (known === null) await ctx.db.insert("meetingReports", { meetingId: meeting._id, ...told });
  else await ctx.db.patch("meetingReports", known._id, told);
}

function tookPart(line: Deeds): boolean {
  return line.messages + line.hands + line.answers + line.microphoneMs + line.cameraMs + line.screenMs > 0;
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 1000) / 1000;
}

async function sealedIn(ctx: MutationCtx, room: string): Promise<number> {
  const rows = await ctx.db
    .query("edgeSealedChat")
    .withIndex("by_room_node", (q) => q.eq("room", room))
    .take(LINES_MAX);
  return rows.reduce((sum, row) => sum + row.count, 0);
}

async function groupsOf(ctx: MutationCtx, meetingId: Id<"meetings">): Promise<number> {
  const groups = await ctx.db
    .query("breakoutRooms")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
    .take(LINES_MAX);
  return groups.filter((group) => group.startTime !== undefined).length;
}

async function reportOf(ctx: Pick<QueryCtx, "db">, meetingId: Id<"meetings">): Promise<Doc<"meetingReports"> | null> {
  return await ctx.db
    .query("meetingReports")
    .withIndex("by_meeting", (q) => q.eq("meetingId", meetingId))
    .unique();
}
