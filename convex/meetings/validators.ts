// Shapes that several functions of the meeting side take or answer. Never a password, never a secret.
import { v } from "convex/values";
import type { Infer } from "convex/values";

export const meetingStatus = v.union(
  v.literal("scheduled"),
  v.literal("live"),
  v.literal("ended"),
  v.literal("cancelled"),
);
export const meetingKind = v.union(v.literal("instant"), v.literal("scheduled"), v.literal("recurring"));
export const lobbyBypass = v.union(
  v.literal("everyone"),
  v.literal("invited"),
  v.literal("organization"),
  v.literal("nobody"),
);
export const presenters = v.union(
  v.literal("everyone"),
  v.literal("organization"),
  v.literal("specific"),
  v.literal("host_only"),
);
export const recurrence = v.object({
  pattern: v.union(v.literal("daily"), v.literal("weekly"), v.literal("monthly")),
  interval: v.number(),
  daysOfWeek: v.optional(v.array(v.number())),
  dayOfMonth: v.optional(v.number()),
  endDate: v.optional(v.number()),
  occurrences: v.optional(v.number()),
});
export const role = v.union(
  v.literal("host"),
  v.literal("co_host"),
  v.literal("staff"),
  v.literal("moderator"),
  v.literal("participant"),
);
export const userId = v.id("users");
export const meetingId = v.id("meetings");

/** A token with where it is good for: the first candidate's url, and others the page measures to take the nearest. */
export const admission = {
  token: v.string(),
  url: v.string(),
  candidates: v.array(v.object({ node: v.string(), region: v.string(), url: v.string() })),
  expiresAt: v.number(),
};

/** What hosts choose for a meeting, on making it and later. All of it is optional. */
export const choices = {
  title: v.optional(v.string()),
  description: v.optional(v.string()),
  startsAt: v.optional(v.number()),
  endsAt: v.optional(v.number()),
  coHosts: v.optional(v.array(userId)),
  invited: v.optional(v.array(userId)),
  allowUninvitedJoin: v.optional(v.boolean()),
  /** Null takes it away. */
  password: v.optional(v.union(v.string(), v.null())),
  waitingRoom: v.optional(v.boolean()),
  lobbyBypass: v.optional(lobbyBypass),
  presenters: v.optional(presenters),
  presenterIds: v.optional(v.array(userId)),
  /** 0 is no limit. */
  maxParticipants: v.optional(v.number()),
  chat: v.optional(v.boolean()),
  screenShare: v.optional(v.boolean()),
  whiteboard: v.optional(v.boolean()),
  breakoutRooms: v.optional(v.boolean()),
  recording: v.optional(v.boolean()),
  autoRecording: v.optional(v.boolean()),
  allowedDomains: v.optional(v.array(v.string())),
  allowedNetworks: v.optional(v.array(v.string())),
  timeZone: v.optional(v.string()),
  reminders: v.optional(v.array(v.number())),
  emptyTimeoutS: v.optional(v.number()),
  onlyOurTokens: v.optional(v.boolean()),
};
export const choicesObject = v.object(choices);
export type Choices = Infer<typeof choicesObject>;

/** A meeting in a list. */
export const meetingSummary = v.object({
  meetingId,
  title: v.string(),
  kind: meetingKind,
  status: meetingStatus,
  startsAt: v.number(),
  endsAt: v.number(),
  hostName: v.string(),
  role,
  invited: v.boolean(),
  hasPassword: v.boolean(),
  waitingRoom: v.boolean(),
  code: v.union(v.string(), v.null()),
  /** Null where they are not counted: in lists that stay open, which would be made anew whenever one comes or goes. */
  participants: v.union(v.number(), v.null()),
});

/** A person by name. */
export const named = v.object({ userId, name: v.string() });

/** A meeting in full, as its page needs it. Lists for hosts are empty for others. */
export const meetingDetails = v.object({
  meetingId,
  room: v.string(),
  title: v.string(),
  description: v.string(),
  kind: meetingKind,
  status: meetingStatus,
  startsAt: v.number(),
  endsAt: v.number(),
  startedAt: v.union(v.number(), v.null()),
  endedAt: v.union(v.number(), v.null()),
  recurrence: v.union(recurrence, v.null()),
  parentId: v.union(v.string(), v.null()),
  code: v.union(v.string(), v.null()),
  link: v.union(v.string(), v.null()),
  viewer: v.object({ userId, name: v.string(), role, invited: v.boolean(), leads: v.boolean() }),
  host: named,
  coHosts: v.array(named),
  invited: v.array(named),
  settings: v.object({
    hasPassword: v.boolean(),
    waitingRoom: v.boolean(),
    lobbyBypass: v.union(lobbyBypass, v.null()),
    allowUninvitedJoin: v.boolean(),
    presenters,
    presenterIds: v.array(userId),
    maxParticipants: v.number(),
    chat: v.boolean(),
    screenShare: v.boolean(),
    whiteboard: v.boolean(),
    breakoutRooms: v.boolean(),
    recording: v.boolean(),
    autoRecording: v.boolean(),
    locked: v.boolean(),
    allowedDomains: v.array(v.string()),
    allowedNetworks: v.array(v.string()),
    timeZone: v.string(),
    reminders: v.array(v.number()),
    onlyOurTokens: v.boolean(),
  }),
});
