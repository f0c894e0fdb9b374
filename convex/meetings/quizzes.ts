// Quizzes in a meeting: questions with one right option each. What is right stays here until the quiz is closed, and
// answers count until its deadline by the clock of this deployment, whatever a page's clock says.
import { v } from "convex/values";
import type { Doc } from "../_generated/dataModel";
import { mutation, query } from "../_generated/server";
import { allowed, check, refuse, seen } from "./access";
import { meetingId } from "./validators";

const QUESTIONS_MAX = 50;
const OPTIONS_MAX = 10;
const QUIZZES_MAX = 50;
/** An answer sent in time may arrive a little later. */
const NETWORK_MS = 2000;

/** Sets a quiz, which runs at once. */
export const launch = mutation({
  args: {
    meetingId,
    title: v.string(),
    seconds: v.number(),
    questions: v.array(v.object({ text: v.string(), options: v.array(v.string()), correct: v.number() })),
  },
  returns: v.id("meetingQuizzes"),
  handler: async (ctx, { meetingId, title, seconds, questions }) => {
    const { meeting, viewer } = await allowed(ctx, meetingId, "run_activity");
    check(meeting.status === "live", "Start the meeting before you set a quiz.");
    check(title.trim() !== "" && title.length <= 200, "Give the quiz a title of at most 200 characters.");
    check(Number.isInteger(seconds) && seconds >= 10 && seconds <= 7200, "A quiz lasts 10 seconds to 2 hours.");
    check(questions.length >= 1 && questions.length <= QUESTIONS_MAX, `Ask 1 to ${QUESTIONS_MAX} questions.`);
    for (const { text, options, correct } of questions) {
      check(text.trim() !== "" && text.length <= 1000, "Ask each question in at most 1000 characters.");
      check(options.length >= 2 && options.length <= OPTIONS_MAX, `Give each question 2 to ${OPTIONS_MAX} options.`);
      check(options.every((option) => option.trim() !== "" && option.length <= 300), "Write options in at most 300 characters.");
      check(Number.isInteger(correct) && correct >= 0 && correct < options.length, "Say which option is right.");
    }
    const now = Date.now();
    return await ctx.db.insert("meetingQuizzes", {
      meetingId,
      createdBy: viewer.userId,
      title: title.trim(),
      questions: questions.map((question, at) => ({ id: String(at + 1), ...question })),
      launchedAt: now,
      deadlineAt: now + seconds * 1000,
      createdAt: now,
    });
  },
});

/** Answers all questions at once; -1 leaves one out. Once for each person. */
export const answer = mutation({
  args: { quizId: v.id("meetingQuizzes"), answers: v.array(v.number()) },
  returns: v.null(),
  handler: async (ctx, { quizId, answers }) => {
    const quiz = (await ctx.db.get("meetingQuizzes", quizId)) ?? refuse("unknown_quiz", "There is no such quiz.");
    const { viewer } = await allowed(ctx, quiz.meetingId, "see");
    const now = Date.now();
    check(quiz.closedAt === undefined && now <= quiz.deadlineAt + NETWORK_MS, "The time of this quiz is over.");
    check(answers.length === quiz.questions.length, "Answer each question, or give -1 for it.");
    check(
      answers.every((choice, at) => Number.isInteger(choice) && choice >= -1 && choice < (quiz.questions[at]?.options.length ?? 0)),
      "Choose from the options.",
    );
    const known = await ctx.db
      .query("meetingQuizAnswers")
      .withIndex("by_quiz_user", (q) => q.eq("quizId", quizId).eq("userId", viewer.userId))
      .unique();
    check(known === null, "You have answered already.");
    const right = answers.filter((choice, at) => choice === quiz.questions[at]?.correct).length;
    await ctx.db.insert("meetingQuizAnswers", {
      quizId,
      meetingId: quiz.meetingId,
      userId: viewer.userId,
      answers,
      right,
      answeredAt: now,
    });
    return null;
  },
});

/** Closes a quiz: everybody sees what was right. */
export const close = mutation({
  args: { quizId: v.id("meetingQuizzes") },
  returns: v.null(),
  handler: async (ctx, { quizId }) => {
    const quiz = (await ctx.db.get("meetingQuizzes", quizId)) ?? refuse("unknown_quiz", "There is no such quiz.");
    await allowed(ctx, quiz.meetingId, "run_activity");
    if (quiz.closedAt === undefined) await ctx.db.patch("meetingQuizzes", quizId, { closedAt: Date.now() });
    return null;
  },
});

/** The quizzes of a meeting, each with the viewer's own result once it is closed. */
export const list = query({
  args: { meetingId },
  returns: v.array(
    v.object({
      quizId: v.id("meetingQuizzes"),
      title: v.string(),
      deadlineAt: v.number(),
      closed: v.boolean(),
      questions: v.array(
        v.object({ id: v.string(), text: v.string(), options: v.array(v.string()), correct: v.union(v.number(), v.null()) }),
      ),
      answered: v.boolean(),
      right: v.union(v.number(), v.null()),
    }),
  ),
  handler: async (ctx, args) => {
    const access = await seen(ctx, args.meetingId);
    if (access === null) return [];
    const quizzes = await ctx.db
      .query("meetingQuizzes")
      .withIndex("by_meeting", (q) => q.eq("meetingId", args.meetingId))
      .take(QUIZZES_MAX);
    return await Promise.all(
      quizzes.map(async (quiz) => {
        const own = await ctx.db
          .query("meetingQuizAnswers")
          .withIndex("by_quiz_user", (q) => q.eq("quizId", quiz._id).eq("userId", access.viewer.userId))
          .unique();
        return { ...shownOf(quiz), answered: own !== null, right: quiz.closedAt === undefined ? null : (own?.right ?? null) };
      }),
    );
  },
});

function shownOf(quiz: Doc<"meetingQuizzes">) {
  const closed = quiz.closedAt !== undefined;
  return {
    quizId: quiz._id,
    title: quiz.title,
    deadlineAt: quiz.deadlineAt,
    closed,
    questions: quiz.questions.map(({ correct, ...question }) => ({ ...question, correct: closed ? correct : null })),
  };
}
