// Polls in a meeting. Votes are rows of their own, one a person; the tally is written into the poll a moment after the
// last vote, so that a hundred voters do not wait for each other and a hundred pages do not reload for each vote.
import { v } from "convex/values";
import type { Infer } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import { internalMutation, mutation, query } from "../_generated/server";
import type { MutationCtx } from "../_generated/server";
import { tally } from "../model/meetings/polls";
import { allowed, check, refuse, seen } from "./access";
import { meetingId } from "./validators";

const VOTES_MAX = 1000;
const POLLS_MAX = 100;
const OPTIONS_MAX = 20;
const TEXT_MAX = 1000;
/** Pages see the tally at most this late. */
const TALLY_MS = 1000;

const pollType = v.union(
  v.literal("single_choice"),
  v.literal("multiple_choice"),
  v.literal("yes_no"),
  v.literal("rating"),
  v.literal("open_text"),
);
const launchArgs = v.object({
  meetingId,
  question: v.string(),
  type: pollType,
  options: v.optional(v.array(v.string())),
  isAnonymous: v.optional(v.boolean()),
  showResults: v.optional(v.boolean()),
  /** Whether a vote can be changed. */
  allowMultipleVotes: v.optional(v.boolean()),
  seconds: v.optional(v.number()),
});

export const launchFunction = {
  args: launchArgs,
  returns: v.id("meetingPolls"),
  handler: async (ctx: MutationCtx, args: Infer<typeof launchArgs>) => {
    const { meeting, viewer } = await allowed(ctx, args.meetingId, "run_activity");
    check(meeting.status === "live", "Start the meeting before you ask.");
    check(args.question.trim() !== "" && args.question.length <= TEXT_MAX, `Ask in at most ${TEXT_MAX} characters.`);
    const now = Date.now();
    const seconds = args.seconds;
    check(seconds === undefined || (Number.isInteger(seconds) && seconds >= 5 && seconds <= 7200), "A poll lasts 5 seconds to 2 hours.");
    const pollId = await ctx.db.insert("meetingPolls", {
      meetingId: args.meetingId,
      createdBy: viewer.userId,
      question: args.question.trim(),
      type: args.type,
      options: optionsFor(args.type, args.options ?? []),
      isAnonymous: args.isAnonymous ?? true,
      showResults: args.showResults ?? true,
      allowMultipleVotes: args.allowMultipleVotes ?? false,
      launchedAt: now,
      duration: seconds,
      totalVotes: 0,
      createdAt: now,
    });
    if (seconds !== undefined) await ctx.scheduler.runAfter(seconds * 1000, internal.meetings.polls.timeOver, { pollId });
    return pollId;
  },
};
/** Asks everybody in a meeting. */
export const launch = mutation(launchFunction);

function optionsFor(type: Infer<typeof pollType>, texts: string[]): NonNullable<Doc<"meetingPolls">["options"]> {
  const given = {
    yes_no: ["Yes", "No"],
    rating: ["1", "2", "3", "4", "5"],
    open_text: [],
    single_choice: texts,
    multiple_choice: texts,
  }[type];
  const choosing = type === "single_choice" || type === "multiple_choice";
  check(!choosing || (given.length >= 2 && given.length <= OPTIONS_MAX), `Give 2 to ${OPTIONS_MAX} options.`);
  check(given.every((text) => text.trim() !== "" && text.length <= 200), "Write each option in at most 200 characters.");
  return given.map((text, at) => ({ id: String(at + 1), text, votes: 0 }));
}

/** Votes, or votes again where the poll lets one. */
export const vote = mutation({
  args: { pollId: v.id("meetingPolls"), choices: v.array(v.string()), text: v.optional(v.string()) },
  returns: v.null(),
  handler: async (ctx, { pollId, choices, text }) => {
    const poll = (await ctx.db.get("meetingPolls", pollId)) ?? refuse("unknown_poll", "There is no such poll.");
    const { viewer } = await allowed(ctx, poll.meetingId, "see");
    check(poll.closedAt === undefined, "This poll is closed.");
    checkVote(poll, choices, text);
    const known = await ctx.db
      .query("meetingPollVotes")
      .withIndex("by_poll_user", (q) => q.eq("pollId", pollId).eq("userId", viewer.userId))
      .unique();
    check(known === null || poll.allowMultipleVotes, "You have voted already.");
    const given = { choices: [...new Set(choices)], text, votedAt: Date.now() };
    if (known !== null) await ctx.db.patch("meetingPollVotes", known._id, given);
    else await ctx.db.insert("meetingPollVotes", { pollId, meetingId: poll.meetingId, userId: viewer.userId, ...given });
    await ctx.scheduler.runAfter(TALLY_MS, internal.meetings.polls.count, { pollId, since: given.votedAt });
    return null;
  },
});

function checkVote(poll: Doc<"meetingPolls">, choices: string[], text: string | undefined): void {
  if (poll.type === "open_text") {
    const answered = text !== undefined && text.trim() !== "" && text.length <= TEXT_MAX;
    check(choices.length === 0 && answered, `Answer in at most ${TEXT_MAX} characters.`);
    return;
  }
  const ids = (poll.options ?? []).map(({ id }) => id);
  check(text === undefined && choices.length >= 1 && choices.every((id) => ids.includes(id)), "Choose from the options.");
  check(poll.type === "multiple_choice" || choices.length === 1, "Choose one option.");
}

/** Counts the votes, unless a later vote will. */
export const count = internalMutation({
  args: { pollId: v.id("meetingPolls"), since: v.number() },
  returns: v.null(),
  handler: async (ctx, { pollId, since }) => {
    const poll = await ctx.db.get("meetingPolls", pollId);
    if (poll === null) return null;
    const votes = await votesOf(ctx, pollId);
    if (votes.every(({ votedAt }) => votedAt <= since)) await write(ctx, poll, votes);
    return null;
  },
});

export const timeOver = internalMutation({
  args: { pollId: v.id("meetingPolls") },
  returns: v.null(),
  handler: async (ctx, { pollId }) => {
    const poll = await ctx.db.get("meetingPolls", pollId);
    if (poll !== null && poll.closedAt === undefined) await end(ctx, poll);
    return null;
  },
});

/** Closes a poll and counts it for good. */
export const close = mutation({
  args: { pollId: v.id("meetingPolls") },
  returns: v.null(),
  handler: async (ctx, { pollId }) => {
    const poll = (await ctx.db.get("meetingPolls", pollId)) ?? refuse("unknown_poll", "There is no such poll.");
    await allowed(ctx, poll.meetingId, "run_activity");
    if (poll.closedAt === undefined) await end(ctx, poll);
    return null;
  },
});

async function end(ctx: MutationCtx, poll: Doc<"meetingPolls">): Promise<void> {
  await ctx.db.patch("meetingPolls", poll._id, { closedAt: Date.now() });
  await write(ctx, poll, await votesOf(ctx, poll._id));
}

async function votesOf(ctx: MutationCtx, pollId: Id<"meetingPolls">): Promise<Doc<"meetingPollVotes">[]> {
  return await ctx.db
    .query("meetingPollVotes")
    .withIndex("by_poll_user", (q) => q.eq("pollId", pollId))
    .take(VOTES_MAX);
}

async function write(ctx: MutationCtx, poll: Doc<"meetingPolls">, votes: Doc<"meetingPollVotes">[]): Promise<void> {
  const { options, results } = tally(poll.options ?? [], votes);
  await ctx.db.patch("meetingPolls", poll._id, { options, results, totalVotes: votes.length });
}

/** The polls of a meeting. Results are shown to all where the poll says so, and to those who lead it always. */
export const list = query({
  args: { meetingId },
  returns: v.array(
    v.object({
      pollId: v.id("meetingPolls"),
      question: v.string(),
      type: pollType,
      options: v.array(v.object({ id: v.string(), text: v.string(), votes: v.union(v.number(), v.null()) })),
      totalVotes: v.number(),
      isAnonymous: v.boolean(),
      open: v.boolean(),
      mine: v.union(v.array(v.string()), v.null()),
    }),
  ),
  handler: async (ctx, args) => {
    const access = await seen(ctx, args.meetingId);
    if (access === null) return [];
    const polls = await ctx.db
      .query("meetingPolls")
      .withIndex("by_meeting", (q) => q.eq("meetingId", args.meetingId))
      .take(POLLS_MAX);
    return await Promise.all(
      polls.map(async (poll) => {
        const own = await ctx.db
          .query("meetingPollVotes")
          .withIndex("by_poll_user", (q) => q.eq("pollId", poll._id).eq("userId", access.viewer.userId))
          .unique();
        const shown = poll.showResults || access.role !== "participant";
        return {
          pollId: poll._id,
          question: poll.question,
          type: poll.type,
          options: (poll.options ?? []).map(({ votes, ...option }) => ({ ...option, votes: shown ? votes : null })),
          totalVotes: poll.totalVotes,
          isAnonymous: poll.isAnonymous,
          open: poll.closedAt === undefined,
          mine: own?.choices ?? null,
        };
      }),
    );
  },
});
