// The tables of the fleet. Nodes write through register and sync only; the meeting side reads rooms, spans, tracks,
// quality, chat and hands, and changes rooms through `edge/rooms.ts`. Ids of the host's tables are kept as strings: a
// fact may name a meeting or a user that the host has deleted, and still must be stored.
import { defineTable } from "convex/server";
import { v } from "convex/values";
import { clientFields, closedBy, commandBody, qualityFields, roomSettings, trackKind, trackSource } from "./wire";

export const edgeTables = {
  /** One row a node. Written when it registers, drains, dies, comes back or is revoked: rarely, so that many may read it. */
  edgeNodes: defineTable({
    node: v.string(),
    region: v.string(),
    url: v.string(),
    httpUrl: v.string(),
    relay: v.union(v.string(), v.null()),
    /** Participants it takes at most. */
    capacity: v.number(),
    build: v.string(),
    /** base64url of the raw Ed25519 key that signs its refresh tokens. */
    signingKey: v.string(),
    /** When its process started, by its own clock; a change means that all its connections of before are gone. */
    startedAtMs: v.number(),
    /** Fences placement and commands: larger with each register. */
    epoch: v.number(),
    keyVersion: v.number(),
    status: v.union(v.literal("active"), v.literal("revoked")),
    /** Whether its lease runs; the reaper clears it, a sync sets it. */
    alive: v.boolean(),
    /** Asked for by an operator. */
    draining: v.boolean(),
    /** What the node says of itself; either of the two keeps new people away. */
    drainingItself: v.boolean(),
    registeredAt: v.number(),
  }).index("by_node", ["node"]),

  /** How far each write-ahead log of a node has been applied. Written by sync, read by nobody else. */
  edgeLogs: defineTable({
    node: v.string(),
    log: v.string(),
    ackSeq: v.number(),
    updatedAt: v.number(),
  })
    .index("by_node_log", ["node", "log"])
    .index("by_updated", ["updatedAt"]),

  /** The lease and the load of a node, apart from `edgeNodes` because it changes every few seconds. */
  edgeLoad: defineTable({
    node: v.string(),
    leaseUntil: v.number(),
    /** Set while the reaper still has to close what stood open at `leaseUntil`. */
    lapsed: v.boolean(),
    participants: v.number(),
    rooms: v.number(),
    busyPercent: v.number(),
  })
    .index("by_node", ["node"])
    .index("by_lease", ["lapsed", "leaseUntil"]),

  /** What a node was last told to be so; `stale` when something it consists of has changed since. */
  edgeAssignments: defineTable({
    node: v.string(),
    hash: v.string(),
    madeAt: v.number(),
    stale: v.boolean(),
    /** When it was last asked to come for it; once a transaction is enough. */
    pokedAt: v.optional(v.number()),
  }).index("by_node", ["node"]),

  /** Scheduled rooms of which nodes are to hear soon: one row a room, until the round that tells them. */
  edgeAnnouncements: defineTable({
    room: v.string(),
    /** Whether its nodes are asked to come for it; without that they hear of it with their next sync. */
    urgent: v.boolean(),
    announcedAt: v.number(),
  }).index("by_room", ["room"]),

  /** One row for each life of a room: opened again, it gets a new row, a new sid and a higher generation. */
  edgeRooms: defineTable({
    room: v.string(),
    roomSid: v.string(),
    /** Fences room facts: a lower one speaks of an earlier placement. */
    generation: v.number(),
    /** The node that is the authority on the room itself. */
    home: v.string(),
    status: v.union(v.literal("open"), v.literal("closed")),
    /** `plain`: a node found people in it whose tokens no function here had made. */
    origin: v.union(v.literal("opened"), v.literal("plain")),
    settings: roomSettings,
    meetingId: v.optional(v.string()),
    openedAt: v.number(),
    /** When its first node reported it. */
    startedAt: v.optional(v.number()),
    closedAt: v.optional(v.number()),
    closeReason: v.optional(v.string()),
  })
    .index("by_room", ["room", "generation"])
    .index("by_sid", ["roomSid"])
    .index("by_home", ["home", "status"])
    .index("by_status", ["status", "openedAt"])
    .index("by_meeting", ["meetingId", "openedAt"]),

  /** Which nodes host an open room. */
  edgeAttachments: defineTable({
    room: v.string(),
    node: v.string(),
    attachedAt: v.number(),
  })
    .index("by_room", ["room", "node"])
    .index("by_node", ["node", "room"]),

  /** The outbox: what a node was told to do and what became of it. */
  edgeCommands: defineTable({
    node: v.string(),
    body: commandBody,
    state: v.union(v.literal("pending"), v.literal("done"), v.literal("failed"), v.literal("expired")),
    deadlineAt: v.number(),
    createdAt: v.number(),
    settledAt: v.optional(v.number()),
    error: v.optional(v.string()),
  })
    .index("by_node_state", ["node", "state", "createdAt"])
    .index("by_state_deadline", ["state", "deadlineAt"]),

  /** Tokens that no longer count: those of `identity` in `room` made before `before` (seconds). */
  edgeRevocations: defineTable({
    room: v.string(),
    identity: v.string(),
    before: v.number(),
    expiresAt: v.number(),
  })
    .index("by_room_identity", ["room", "identity"])
    .index("by_expiry", ["expiresAt"]),

  /** Events that could not be applied, so that one bad event never holds up those behind it. */
  edgeDeadLetters: defineTable({
    node: v.string(),
    log: v.string(),
    seq: v.number(),
    reason: v.string(),
    /** The event as it came, cut to a bound. */
    event: v.string(),
    receivedAt: v.number(),
  })
    .index("by_node", ["node", "receivedAt"])
    .index("by_received", ["receivedAt"]),

  /** Nonces of registers, until their timestamps are too old to be taken again. */
  edgeNonces: defineTable({
    node: v.string(),
    nonce: v.string(),
    expiresAt: v.number(),
  })
    .index("by_node_nonce", ["node", "nonce"])
    .index("by_expiry", ["expiresAt"]),

  /** Attendance: one row for each connection of a participant to a node. Open while `leftAt` is absent. */
  edgeSpans: defineTable({
    room: v.string(),
    roomSid: v.string(),
    meetingId: v.optional(v.string()),
    userId: v.optional(v.string()),
    identity: v.string(),
    name: v.string(),
    sid: v.string(),
    node: v.string(),
    region: v.string(),
    client: v.object(clientFields),
    joinMs: v.optional(v.number()),
    joinedAt: v.number(),
    leftAt: v.optional(v.number()),
    closedBy: v.optional(closedBy),
    reason: v.optional(v.string()),
    /** The time of the last fact about it; none after it may say an earlier time. */
    lastAt: v.number(),
  })
    .index("by_room_sid", ["room", "sid"])
    .index("by_room_open", ["room", "leftAt"])
    .index("by_room_identity", ["room", "identity", "joinedAt"])
    .index("by_node_open", ["node", "leftAt"])
    .index("by_node_closed", ["node", "closedBy", "leftAt"])
    .index("by_room_node_closed", ["room", "node", "closedBy", "joinedAt"])
    .index("by_meeting", ["meetingId", "joinedAt"])
    .index("by_meeting_user", ["meetingId", "userId", "joinedAt"]),

  /** What participants published, and when. */
  edgeTracks: defineTable({
    room: v.string(),
    sid: v.string(),
    identity: v.optional(v.string()),
    meetingId: v.optional(v.string()),
    userId: v.optional(v.string()),
    track: v.string(),
    source: trackSource,
    kind: trackKind,
    publishedAt: v.number(),
    unpublishedAt: v.optional(v.number()),
  })
    .index("by_room_sid_track", ["room", "sid", "track"])
    .index("by_room_sid_end", ["room", "sid", "unpublishedAt"])
    .index("by_meeting", ["meetingId", "publishedAt"]),

  /** How a connection was over some seconds. */
  edgeQuality: defineTable({
    room: v.string(),
    sid: v.string(),
    identity: v.optional(v.string()),
    meetingId: v.optional(v.string()),
    userId: v.optional(v.string()),
    ...qualityFields,
  })
    .index("by_room_sid", ["room", "sid", "fromMs"])
    .index("by_meeting", ["meetingId", "fromMs"]),

  /**
   * One row for each chat message: what makes it arrive once, and its text where the meeting side did not keep it.
   * A deleted one keeps its row without its text.
   */
  edgeChat: defineTable({
    room: v.string(),
    messageId: v.string(),
    sid: v.string(),
    identity: v.string(),
    userId: v.optional(v.string()),
    meetingId: v.optional(v.string()),
    text: v.optional(v.string()),
    truncated: v.boolean(),
    /** Identities; empty is everybody. */
    to: v.array(v.string()),
    replyTo: v.optional(v.string()),
    sentAt: v.number(),
    editedAt: v.optional(v.number()),
    deletedAt: v.optional(v.number()),
  })
    .index("by_room_message", ["room", "messageId", "identity"])
    .index("by_room_sent", ["room", "sentAt"])
    .index("by_meeting", ["meetingId", "sentAt"]),

  /** How many messages passed that only their readers can open. One row a room and node. */
  edgeSealedChat: defineTable({
    room: v.string(),
    node: v.string(),
    count: v.number(),
    updatedAt: v.number(),
  }).index("by_room_node", ["room", "node"]),

  /** Raised hands: one row a connection, kept after it is lowered so that a queue can be told afterwards. */
  edgeHands: defineTable({
    room: v.string(),
    sid: v.string(),
    identity: v.string(),
    userId: v.optional(v.string()),
    meetingId: v.optional(v.string()),
    raised: v.boolean(),
    raisedAt: v.number(),
    loweredAt: v.optional(v.number()),
  })
    .index("by_room_sid", ["room", "sid"])
    .index("by_room_raised", ["room", "raised", "raisedAt"]),
};
