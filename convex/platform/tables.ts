// The host platform's tables as far as we read and write them, for a schema without the platform around it: tests, the
// local host, a deployment of its own. A host project never uses this file; it keeps its own tables and adds to them
// the fields and the index that its plan names and its code lacks (`planFields`, README).
import { defineTable } from "convex/server";
import { v } from "convex/values";
import { planFields } from "../meetings/tables";

const meetingStatus = v.union(v.literal("scheduled"), v.literal("live"), v.literal("ended"), v.literal("cancelled"));
const messageType = v.union(v.literal("text"), v.literal("file"), v.literal("system"));

export const platformTables = {
  /** A tenant: a foundation and its schools. */
  foundations: defineTable({
    name: v.string(),
    isActive: v.boolean(),
    createdAt: v.number(),
    updatedAt: v.number(),
  }),

  /** People, keyed by the subject of their Clerk token. */
  users: defineTable({
    clerkId: v.string(),
    foundationId: v.optional(v.id("foundations")),
    email: v.string(),
    firstName: v.string(),
    lastName: v.string(),
    role: v.union(
      v.literal("super_admin"),
      v.literal("admin"),
      v.literal("reviewer"),
      v.literal("beneficiary"),
      v.literal("guardian"),
    ),
    isActive: v.boolean(),
    createdAt: v.number(),
    updatedAt: v.number(),
  })
    .index("by_clerk_id", ["clerkId"])
    .index("by_foundation", ["foundationId"])
    .index("by_email", ["email"]),

  programs: defineTable({
    foundationId: v.id("foundations"),
    name: v.string(),
  }).index("by_foundation", ["foundationId"]),

  programSessions: defineTable({
    foundationId: v.id("foundations"),
    programId: v.id("programs"),
    title: v.string(),
  }).index("by_program", ["programId"]),

  /** Who did what. Written by the host and, through `host.ts`, by us. */
  auditLogs: defineTable({
    foundationId: v.id("foundations"),
    userId: v.optional(v.id("users")),
    userEmail: v.optional(v.string()),
    userRole: v.optional(v.string()),
    action: v.string(),
    entityType: v.string(),
    entityId: v.optional(v.string()),
    description: v.string(),
    riskLevel: v.union(v.literal("low"), v.literal("medium"), v.literal("high"), v.literal("critical")),
    createdAt: v.number(),
  })
    .index("by_foundation", ["foundationId"])
    .index("by_entity", ["entityType", "entityId"]),

  /** What the host tells its people. Reminders of meetings go here, through `host.ts`. */
  notifications: defineTable({
    foundationId: v.id("foundations"),
    recipientType: v.union(
      v.literal("all_users"),
      v.literal("specific_users"),
      v.literal("role_based"),
      v.literal("beneficiary_category"),
    ),
    recipients: v.optional(v.array(v.id("users"))),
    title: v.string(),
    message: v.string(),
    notificationType: v.union(
      v.literal("announcement"),
      v.literal("reminder"),
      v.literal("alert"),
      v.literal("congratulations"),
      v.literal("warning"),
    ),
    channels: v.array(v.union(v.literal("in_app"), v.literal("email"), v.literal("sms"))),
    isScheduled: v.boolean(),
    isSent: v.boolean(),
    sentAt: v.optional(v.number()),
    priority: v.union(v.literal("low"), v.literal("normal"), v.literal("high"), v.literal("urgent")),
    requiresAction: v.boolean(),
    actionUrl: v.optional(v.string()),
    actionText: v.optional(v.string()),
    createdBy: v.id("users"),
    createdAt: v.number(),
    updatedAt: v.number(),
  }).index("by_foundation", ["foundationId"]),

  /** Meetings. Written by the host's own functions and by ours. */
  meetings: defineTable({
    foundationId: v.id("foundations"),
    programId: v.optional(v.id("programs")),
    programSessionId: v.optional(v.id("programSessions")),
    roomName: v.string(),
    title: v.string(),
    description: v.optional(v.string()),
    type: v.optional(v.union(v.literal("instant"), v.literal("scheduled"), v.literal("recurring"))),
    scheduledStartTime: v.number(),
    scheduledEndTime: v.number(),
    actualStartTime: v.optional(v.number()),
    actualEndTime: v.optional(v.number()),
    recurrence: v.optional(
      v.object({
        pattern: v.union(v.literal("daily"), v.literal("weekly"), v.literal("monthly")),
        interval: v.number(),
        daysOfWeek: v.optional(v.array(v.number())),
        dayOfMonth: v.optional(v.number()),
        endDate: v.optional(v.number()),
        occurrences: v.optional(v.number()),
      }),
    ),
    recurringMeetingId: v.optional(v.string()),
    hostId: v.id("users"),
    coHosts: v.array(v.id("users")),
    invitedParticipants: v.optional(v.array(v.id("users"))),
    allowUninvitedJoin: v.optional(v.boolean()),
    /** Plain text, by the host's own functions; ours compare it and never write it. */
    password: v.optional(v.string()),
    waitingRoomEnabled: v.boolean(),
    maxParticipants: v.optional(v.number()),
    lobbyBypassType: v.optional(
      v.union(v.literal("everyone"), v.literal("invited"), v.literal("organization"), v.literal("nobody")),
    ),
    allowedPresenters: v.optional(
      v.union(v.literal("everyone"), v.literal("organization"), v.literal("specific"), v.literal("host_only")),
    ),
    allowedPresentersIds: v.optional(v.array(v.id("users"))),
    recordingEnabled: v.boolean(),
    chatEnabled: v.boolean(),
    screenShareEnabled: v.boolean(),
    whiteboardEnabled: v.boolean(),
    autoRecording: v.optional(v.boolean()),
    blurBackgroundDefault: v.optional(v.boolean()),
    status: meetingStatus,
    recordingUrl: v.optional(v.string()),
    recordingDuration: v.optional(v.number()),
    recordingStatus: v.optional(
      v.union(
        v.literal("idle"),
        v.literal("starting"),
        v.literal("recording"),
        v.literal("stopping"),
        v.literal("completed"),
        v.literal("failed"),
      ),
    ),
    recordingEgressId: v.optional(v.string()),
    recordingStartedAt: v.optional(v.number()),
    recordingEndedAt: v.optional(v.number()),
    recordingFilename: v.optional(v.string()),
    meetingLink: v.optional(v.string()),
    meetingCode: v.optional(v.string()),
    createdAt: v.number(),
    updatedAt: v.number(),
    ...planFields.meetings,
  })
    .index("by_foundation", ["foundationId"])
    .index("by_program", ["programId"])
    .index("by_host", ["hostId"])
    .index("by_status", ["status"])
    .index("by_room_name", ["roomName"])
    .index("by_meeting_code", ["meetingCode"])
    .index("by_type", ["type"])
    .index("by_scheduled_time", ["scheduledStartTime"]),

  /** Who is in a meeting. The host reads open rows with `.unique()`: at most one open row for each user. */
  meetingParticipants: defineTable({
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    joinTime: v.number(),
    leaveTime: v.optional(v.number()),
    duration: v.optional(v.number()),
    role: v.union(v.literal("host"), v.literal("co_host"), v.literal("moderator"), v.literal("participant")),
    hasVideo: v.boolean(),
    hasAudio: v.boolean(),
    createdAt: v.number(),
    ...planFields.meetingParticipants,
  })
    // The host's own index, which it lists by.
    // eslint-disable-next-line @convex-dev/no-duplicate-indexes
    .index("by_meeting", ["meetingId"])
    .index("by_user", ["userId"])
    .index("by_meeting_user", ["meetingId", "userId"]),

  /** Chat sent by the host's own function. We neither read nor write it. */
  meetingChat: defineTable({
    meetingId: v.id("meetings"),
    userId: v.id("users"),
    userName: v.string(),
    message: v.string(),
    type: messageType,
    fileUrl: v.optional(v.string()),
    fileName: v.optional(v.string()),
    timestamp: v.number(),
    ...planFields.meetingChat,
  })
    .index("by_meeting", ["meetingId"])
    .index("by_timestamp", ["timestamp"]),

  /** Chat of a meeting as its page shows it afterwards, to all of the tenant: so nothing private is put here. */
  meetingChatMessages: defineTable({
    meetingId: v.id("meetings"),
    senderId: v.id("users"),
    senderName: v.string(),
    message: v.string(),
    type: messageType,
    fileUrl: v.optional(v.string()),
    fileName: v.optional(v.string()),
    timestamp: v.number(),
    ...planFields.meetingChatMessages,
  })
    .index("by_meeting", ["meetingId"])
    .index("by_timestamp", ["timestamp"]),

  meetingNotes: defineTable({
    meetingId: v.id("meetings"),
    authorId: v.id("users"),
    authorName: v.string(),
    content: v.string(),
    timestamp: v.optional(v.number()),
    createdAt: v.number(),
    updatedAt: v.number(),
  })
    .index("by_meeting", ["meetingId"])
    .index("by_author", ["authorId"])
    .index("by_created", ["createdAt"]),

  meetingTranscripts: defineTable({
    meetingId: v.id("meetings"),
    speakerId: v.id("users"),
    speakerName: v.string(),
    text: v.string(),
    timestamp: v.number(),
    confidence: v.number(),
    language: v.optional(v.string()),
    processingStatus: v.union(
      v.literal("pending"),
      v.literal("processing"),
      v.literal("completed"),
      v.literal("failed"),
    ),
    createdAt: v.number(),
  })
    .index("by_meeting", ["meetingId"])
    .index("by_speaker", ["speakerId"])
    .index("by_timestamp", ["timestamp"]),
};
