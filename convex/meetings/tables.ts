// The tables of the meeting side: what the host's own tables lack. Some accompany a meeting (controls, secret, the
// door, reminders), some are told by its end (attendance, report), the rest are those of the platform's plan that its
// code does not have yet. What happened in rooms stands in `edge/tables.ts`.
import { defineTable } from "convex/server";
import { v } from "convex/values";
import { edgeTables } from "../edge/tables";

/** Numbers that tell how a meeting's connections were: the plan's quality and technical indicators. */
export const qualityNumbers = v.object({
  connections: v.number(),
  minutes: v.number(),
  score: v.number(),
  lossPercent: v.number(),
  jitterMs: v.number(),
  roundTripMs: v.number(),
  sentKbps: v.number(),
  receivedKbps: v.number(),
  /** Of the pictures sent, where any were. */
  width: v.union(v.number(), v.null()),
  height: v.union(v.number(), v.null()),
  framesPerSecond: v.union(v.number(), v.null()),
  joinMs: v.union(v.number(), v.null()),
  drops: v.number(),
  /** Connections that ended without a leave, of all. */
  lostShare: v.number(),
});

/** How a meeting went: the plan's indicators. */
export const reportFields = {
  meetingId: v.id("meetings"),
  startedAt: v.number(),
  endedAt: v.number(),
  lastedMs: v.number(),
  madeAt: v.number(),
  /** A fact came after it was made; it will be made again. */
  stale: v.boolean(),
  /** More happened than is read at once; the numbers cover the first part. */
  cut: v.boolean(),
  expected: v.number(),
  present: v.number(),
  late: v.number(),
  absent: v.number(),
  unattributed: v.number(),
  attendanceRate: v.number(),
  averagePresentMs: v.number(),
  participationRate: v.number(),
  averageEngagement: v.number(),
  chatMessages: v.number(),
  sealedMessages: v.number(),
  handsRaised: v.number(),
  screenShareMs: v.number(),
  pollAnswers: v.number(),
  pollParticipation: v.number(),
  quizCompletion: v.number(),
  breakoutRooms: v.number(),
  quality: qualityNumbers,
};

/** One line of a register: how somebody attended, and what they did. */
export const lineFields = {
  userId: v.union(v.id("users"), v.null()),
  identity: v.union(v.string(), v.null()),
  name: v.string(),
  attendance: v.union(v.literal("present"), v.literal("late"), v.literal("absent"), v.literal("unattributed")),
  expected: v.boolean(),
  firstJoinAt: v.union(v.number(), v.null()),
  lastLeaveAt: v.union(v.number(), v.null()),
  presentMs: v.number(),
  lateMs: v.number(),
  connections: v.number(),
  messages: v.number(),
  hands: v.number(),
  answers: v.number(),
  microphoneMs: v.number(),
  cameraMs: v.number(),
  screenMs: v.number(),
  engagement: v.number(),
};

/** Fields of the platform's plan that its tables lack: each optional, so that rows of before stay valid. */
export const planFields = {
  meetings: {
    breakoutRoomsEnabled: v.optional(v.boolean()),
    recordingSize: v.optional(v.number()),
    totalDuration: v.optional(v.number()),
  },
  meetingParticipants: {
    foundationId: v.optional(v.id("foundations")),
    canShare: v.optional(v.boolean()),
    canChat: v.optional(v.boolean()),
    canAnnotate: v.optional(v.boolean()),
    videoMinutes: v.optional(v.number()),
    audioMinutes: v.optional(v.number()),
    screenShareMinutes: v.optional(v.number()),
    chatMessageCount: v.optional(v.number()),
    deviceType: v.optional(v.string()),
    browser: v.optional(v.string()),
    connectionQuality: v.optional(v.string()),
  },
  meetingChat: {
    fileSize: v.optional(v.number()),
    isPrivate: v.optional(v.boolean()),
    recipientId: v.optional(v.id("users")),
    isDeleted: v.optional(v.boolean()),
  },
  meetingChatMessages: {
    fileSize: v.optional(v.number()),
    isPrivate: v.optional(v.boolean()),
    recipientId: v.optional(v.id("users")),
    isDeleted: v.optional(v.boolean()),
  },
};

export const meetingTables = {
  /** What a host of a meeting may set and the host's table has no field for. Absent: the defaults of `controls.ts`. */
  meetingControls: defineTable({
    meetingId: v.id("meetings"),
    /** Since when only those who had been in may come back. */
    lockedAt: v.optional(v.number()),
    /** Domains of e-mail addresses; empty is any. */
    allowedDomains: v.array(v.string()),
    /** Networks as `10.0.0.0/8`; empty is any. */
    allowedNetworks: v.array(v.string()),
    /** The zone in which a repeated meeting keeps its time of day. */
    timeZone: v.string(),
    /** Minutes before the start at which people are reminded. */
    reminders: v.array(v.number()),
    /** End the meeting this long after its room was left by all, once its schedule is over; and rooms in between. */
    emptyTimeoutS: v.number(),
    /** Refuse tokens in its room that no function here has signed. */
    onlyOurTokens: v.boolean(),
    updatedAt: v.number(),
  }).index("by_meeting", ["meetingId"]),

  /** A meeting's password, hashed. Apart from all else, so that no query answers it by accident. */
  meetingSecrets: defineTable({
    meetingId: v.id("meetings"),
    hash: v.string(),
    salt: v.string(),
    rounds: v.number(),
    updatedAt: v.number(),
  }).index("by_meeting", ["meetingId"]),

  /** The jobs that will start, end or empty a meeting. Each reads the schedule again when it runs. */
  meetingJobs: defineTable({
    meetingId: v.id("meetings"),
    startsAt: v.number(),
    endsAt: v.number(),
    startJob: v.optional(v.id("_scheduled_functions")),
    endJob: v.optional(v.id("_scheduled_functions")),
  }).index("by_meeting", ["meetingId"]),

  /** People at the door: one row for each meeting and person. Written by join and by hosts, read by both reactively. */
  meetingWaiting: defineTable({
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    name: v.string(),
    state: v.union(v.literal("waiting"), v.literal("admitted"), v.literal("denied"), v.literal("left")),
    askedAt: v.number(),
    decidedAt: v.optional(v.number()),
    decidedBy: v.optional(v.id("users")),
  })
    .index("by_meeting_state", ["meetingId", "state", "askedAt"])
    .index("by_meeting_user", ["meetingId", "userId"]),

  /** People a host has removed: they stay out until a host lets them in again. */
  meetingRemovals: defineTable({
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    removedBy: v.id("users"),
    removedAt: v.number(),
  }).index("by_meeting_user", ["meetingId", "userId"]),

  /** Grants a host has changed for one person, which outlive their connection. Absent: what role and meeting say. */
  meetingPermissions: defineTable({
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    mayPublish: v.optional(v.boolean()),
    mayShareScreen: v.optional(v.boolean()),
    mayChat: v.optional(v.boolean()),
    updatedAt: v.number(),
  }).index("by_meeting_user", ["meetingId", "userId"]),

  /** Tokens given out, at the door or ahead of a meeting, by identity. The tokens themselves are kept by the pages alone. */
  meetingInvitations: defineTable({
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    identity: v.string(),
    role: v.string(),
    notBefore: v.number(),
    expiresAt: v.number(),
    issuedAt: v.number(),
    revokedAt: v.optional(v.number()),
  })
    .index("by_meeting_user", ["meetingId", "userId", "identity"])
    .index("by_user", ["userId", "expiresAt"]),

  /** Who was asked to a meeting: the host's list as rows, so that somebody's own meetings can be found. */
  meetingGuests: defineTable({
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    startsAt: v.number(),
  })
    .index("by_meeting", ["meetingId", "userId"])
    .index("by_user_start", ["userId", "startsAt"]),

  /** Which occurrence of a repeated meeting became which meeting; kept when that is deleted, so that it stays deleted. */
  meetingOccurrences: defineTable({
    parentId: v.id("meetings"),
    startsAt: v.number(),
    meetingId: v.union(v.id("meetings"), v.null()),
  }).index("by_parent_start", ["parentId", "startsAt"]),

  /** Reminders to be sent, and those that were. */
  meetingReminders: defineTable({
    meetingId: v.id("meetings"),
    minutesBefore: v.number(),
    remindAt: v.number(),
    sentAt: v.optional(v.number()),
    people: v.optional(v.number()),
  })
    .index("by_meeting", ["meetingId", "minutesBefore"])
    .index("by_unsent", ["sentAt", "remindAt"]),

  /** Secret links to calendars; only their hash is kept. */
  meetingCalendars: defineTable({
    userId: v.id("users"),
    secretHash: v.string(),
    createdAt: v.number(),
  })
    .index("by_secret", ["secretHash"])
    .index("by_user", ["userId"]),

  /** Where the text of a chat message went in the host's table. Written with the message, read by edits and deletions. */
  meetingChatPlaces: defineTable({
    chatId: v.id("edgeChat"),
    meetingId: v.id("meetings"),
    chatMessageId: v.id("meetingChatMessages"),
  }).index("by_chat", ["chatId"]),

  /** The register of a meeting that has ended: one row for each person, or identity that says not who it is. */
  meetingAttendance: defineTable({ meetingId: v.id("meetings"), ...lineFields })
    .index("by_meeting", ["meetingId", "name"])
    .index("by_user", ["userId", "firstJoinAt"]),

  /** How a meeting went. One row a meeting, made at its end and again when facts arrive later. */
  meetingReports: defineTable(reportFields).index("by_meeting", ["meetingId"]),

  /** Files of recordings (the plan's table). */
  meetingRecordings: defineTable({
    meetingId: v.id("meetings"),
    foundationId: v.id("foundations"),
    recordingId: v.string(),
    url: v.string(),
    thumbnailUrl: v.optional(v.string()),
    duration: v.number(),
    fileSize: v.number(),
    format: v.string(),
    resolution: v.string(),
    chapters: v.optional(
      v.array(
        v.object({
          title: v.string(),
          startTime: v.number(),
          endTime: v.number(),
          thumbnail: v.optional(v.string()),
        }),
      ),
    ),
    transcriptionUrl: v.optional(v.string()),
    captions: v.optional(v.array(v.object({ language: v.string(), url: v.string() }))),
    isPublic: v.boolean(),
    password: v.optional(v.string()),
    expiresAt: v.optional(v.number()),
    viewCount: v.number(),
    lastViewedAt: v.optional(v.number()),
    createdAt: v.number(),
    updatedAt: v.number(),
  })
    .index("by_meeting", ["meetingId"])
    .index("by_foundation", ["foundationId"]),

  /** Small groups beside a meeting (the plan's table). Each has a room of its own, `roomName`. */
  breakoutRooms: defineTable({
    meetingId: v.id("meetings"),
    roomNumber: v.number(),
    name: v.string(),
    roomName: v.string(),
    assignedParticipants: v.array(v.id("users")),
    maxParticipants: v.number(),
    /** Minutes. */
    duration: v.number(),
    startTime: v.optional(v.number()),
    endTime: v.optional(v.number()),
    status: v.union(v.literal("waiting"), v.literal("active"), v.literal("ended")),
    createdAt: v.number(),
  })
    .index("by_meeting", ["meetingId"])
    .index("by_room_name", ["roomName"]),

  /** Polls (the plan's table). Votes are rows of their own: counts inside the poll would make each vote wait for all. */
  meetingPolls: defineTable({
    meetingId: v.id("meetings"),
    createdBy: v.id("users"),
    question: v.string(),
    type: v.union(
      v.literal("single_choice"),
      v.literal("multiple_choice"),
      v.literal("yes_no"),
      v.literal("rating"),
      v.literal("open_text"),
    ),
    options: v.optional(v.array(v.object({ id: v.string(), text: v.string(), votes: v.number() }))),
    isAnonymous: v.boolean(),
    showResults: v.boolean(),
    allowMultipleVotes: v.boolean(),
    launchedAt: v.number(),
    closedAt: v.optional(v.number()),
    duration: v.optional(v.number()),
    totalVotes: v.number(),
    results: v.optional(
      v.object({
        summary: v.string(),
        breakdown: v.array(v.object({ option: v.string(), count: v.number(), percentage: v.number() })),
      }),
    ),
    createdAt: v.number(),
  }).index("by_meeting", ["meetingId"]),

  /** One answer of one person to one poll. */
  meetingPollVotes: defineTable({
    pollId: v.id("meetingPolls"),
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    choices: v.array(v.string()),
    text: v.optional(v.string()),
    votedAt: v.number(),
  })
    .index("by_poll_user", ["pollId", "userId"])
    .index("by_meeting", ["meetingId"]),

  /** Quizzes. The right answers never leave this table before the quiz is closed. */
  meetingQuizzes: defineTable({
    meetingId: v.id("meetings"),
    createdBy: v.id("users"),
    title: v.string(),
    questions: v.array(
      v.object({ id: v.string(), text: v.string(), options: v.array(v.string()), correct: v.number() }),
    ),
    launchedAt: v.number(),
    /** Answers after it do not count. */
    deadlineAt: v.number(),
    closedAt: v.optional(v.number()),
    createdAt: v.number(),
  }).index("by_meeting", ["meetingId"]),

  /** One person's answers to one quiz. */
  meetingQuizAnswers: defineTable({
    quizId: v.id("meetingQuizzes"),
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    /** For each question, the option chosen, or -1. */
    answers: v.array(v.number()),
    right: v.number(),
    answeredAt: v.number(),
  })
    .index("by_quiz_user", ["quizId", "userId"])
    .index("by_meeting", ["meetingId"]),

  /** What is on a meeting's whiteboard, as last saved: a document is bounded, so a large one is a stored file. */
  meetingWhiteboards: defineTable({
    meetingId: v.id("meetings"),
    revision: v.number(),
    drawing: v.optional(v.string()),
    file: v.optional(v.id("_storage")),
    savedBy: v.id("users"),
    savedAt: v.number(),
  }).index("by_meeting", ["meetingId"]),
};

/** All tables a host adds to its schema, in one spread. */
export const overlayTables = { ...edgeTables, ...meetingTables };
