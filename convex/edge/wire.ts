// What nodes and functions say to each other, as validators: the one place where its shape is written down. `WIRE.md`
// tells the meaning. Checking what came in against these is left to `model/decode.ts`.
import { v, type Infer } from "convex/values";

export const trackSource = v.union(
  v.literal("camera"),
  v.literal("microphone"),
  v.literal("screen_share"),
  v.literal("screen_share_audio"),
  v.literal("unknown"),
);

export const trackKind = v.union(v.literal("audio"), v.literal("video"), v.literal("data"));

/** What ended a span: the participant left, its node's lease ended, the room ended, or it connected elsewhere. */
export const closedBy = v.union(v.literal("left"), v.literal("lease"), v.literal("room"), v.literal("moved"));

export const clientFields = {
  os: v.optional(v.string()),
  browser: v.optional(v.string()),
  device: v.optional(v.string()),
  sdk: v.optional(v.string()),
  version: v.optional(v.string()),
};

/** How a room behaves on its nodes. `maxParticipants` 0 is no limit. */
export const roomSettings = v.object({
  locked: v.boolean(),
  maxParticipants: v.number(),
  emptyTimeoutS: v.number(),
  departureTimeoutS: v.number(),
  /** `ours`: only tokens this deployment has signed open the door. */
  tokens: v.union(v.literal("any"), v.literal("ours")),
});
export type RoomSettings = Infer<typeof roomSettings>;

/** What is said of every event: its kind and the node's time. */
const at = v.number();
const room = v.string();
const sid = v.string();
const identity = v.string();

export const roomStarted = v.object({
  type: v.literal("room_started"),
  at,
  room,
  roomSid: v.string(),
  generation: v.number(),
});

export const roomEnded = v.object({
  type: v.literal("room_ended"),
  at,
  room,
  roomSid: v.string(),
  generation: v.number(),
  reason: v.string(),
});

export const joined = v.object({
  type: v.literal("joined"),
  at,
  room,
  roomSid: v.string(),
  sid,
  identity,
  name: v.string(),
  userId: v.optional(v.string()),
  meetingId: v.optional(v.string()),
  region: v.string(),
  client: v.object(clientFields),
  joinMs: v.optional(v.number()),
  attributes: v.optional(v.record(v.string(), v.string())),
});

export const left = v.object({ type: v.literal("left"), at, room, sid, identity, reason: v.string() });

export const trackPublished = v.object({
  type: v.literal("track_published"),
  at,
  room,
  sid,
  track: v.string(),
  source: trackSource,
  kind: trackKind,
});

export const trackUnpublished = v.object({
  type: v.literal("track_unpublished"),
  at,
  room,
  sid,
  track: v.string(),
  source: trackSource,
  kind: trackKind,
});

/** What a connection was like in a stretch of time, as nodes tell it and as it is kept. */
export const qualityFields = {
  fromMs: v.number(),
  toMs: v.number(),
  score: v.number(),
  lossPercent: v.number(),
  jitterMs: v.number(),
  roundTripMs: v.number(),
  sentKbps: v.number(),
  receivedKbps: v.number(),
  width: v.optional(v.number()),
  height: v.optional(v.number()),
  framesPerSecond: v.optional(v.number()),
  drops: v.number(),
};

export const quality = v.object({
  type: v.literal("quality"),
  at,
  room,
  sid,
  ...qualityFields,
});

export const chat = v.object({
  type: v.literal("chat"),
  at,
  room,
  sid,
  identity,
  userId: v.optional(v.string()),
  meetingId: v.optional(v.string()),
  messageId: v.string(),
  text: v.string(),
  truncated: v.optional(v.boolean()),
  sentAt: v.number(),
  to: v.array(v.string()),
  replyTo: v.optional(v.string()),
});

export const chatEdited = v.object({
  type: v.literal("chat_edited"),
  at,
  room,
  messageId: v.string(),
  identity,
  text: v.string(),
  truncated: v.optional(v.boolean()),
});

export const chatDeleted = v.object({ type: v.literal("chat_deleted"), at, room, messageId: v.string(), identity });

export const chatSealed = v.object({ type: v.literal("chat_sealed"), at, room, count: v.number() });

export const hand = v.object({ type: v.literal("hand"), at, room, sid, identity, raised: v.boolean() });

/** Each kind of event by its name. */
export const eventKinds = {
  room_started: roomStarted,
  room_ended: roomEnded,
  joined,
  left,
  track_published: trackPublished,
  track_unpublished: trackUnpublished,
  quality,
  chat,
  chat_edited: chatEdited,
  chat_deleted: chatDeleted,
  chat_sealed: chatSealed,
  hand,
} as const;

export type RoomStarted = Infer<typeof roomStarted>;
export type RoomEnded = Infer<typeof roomEnded>;
export type Joined = Infer<typeof joined>;
export type Left = Infer<typeof left>;
export type TrackPublished = Infer<typeof trackPublished>;
export type TrackUnpublished = Infer<typeof trackUnpublished>;
export type Quality = Infer<typeof quality>;
export type Chat = Infer<typeof chat>;
export type ChatEdited = Infer<typeof chatEdited>;
export type ChatDeleted = Infer<typeof chatDeleted>;
export type ChatSealed = Infer<typeof chatSealed>;
export type Hand = Infer<typeof hand>;

/** An event that could not be read; it takes its place in the numbering and goes to the dead letters. */
export const unreadable = v.object({ type: v.literal("unreadable"), reason: v.string(), event: v.string() });

/** The commonest first: a union is tried one by one. */
export const event = v.union(
  quality,
  trackPublished,
  joined,
  left,
  chat,
  trackUnpublished,
  hand,
  roomStarted,
  roomEnded,
  chatEdited,
  chatDeleted,
  chatSealed,
);
export type Event = Infer<typeof event>;

const permission = v.object({
  canPublish: v.boolean(),
  canSubscribe: v.boolean(),
  canPublishData: v.boolean(),
  canPublishSources: v.optional(v.array(trackSource)),
  hidden: v.optional(v.boolean()),
  canUpdateMetadata: v.optional(v.boolean()),
});

/** A command without its id and deadline, which the outbox adds. */
export const commandBody = v.union(
  v.object({ type: v.literal("close_room"), room, reason: v.string() }),
  v.object({ type: v.literal("remove"), room, identity, revokeTokens: v.boolean() }),
  v.object({
    type: v.literal("mute"),
    room,
    identity,
    track: v.optional(v.string()),
    source: v.optional(trackSource),
    muted: v.boolean(),
  }),
  v.object({ type: v.literal("permissions"), room, identity, permission }),
  v.object({ type: v.literal("attributes"), room, identity, attributes: v.record(v.string(), v.string()) }),
  v.object({ type: v.literal("metadata"), room, metadata: v.string() }),
  /** `token` lets its holder into `to`, now and by the refreshes that the node makes of it. */
  v.object({ type: v.literal("move"), room, identity, to: v.string(), token: v.optional(v.string()) }),
  v.object({ type: v.literal("data"), room, topic: v.string(), text: v.string(), to: v.array(v.string()) }),
  v.object({ type: v.literal("drain") }),
  v.object({ type: v.literal("undrain") }),
);
export type CommandBody = Infer<typeof commandBody>;

/** A node introduces itself. */
export const registerRequest = v.object({
  node: v.string(),
  region: v.string(),
  url: v.string(),
  httpUrl: v.string(),
  relay: v.optional(v.union(v.string(), v.null())),
  capacity: v.number(),
  build: v.string(),
  startedAtMs: v.number(),
  stream: v.string(),
  signingKey: v.string(),
});
export type RegisterRequest = Infer<typeof registerRequest>;

export const load = v.object({
  participants: v.number(),
  rooms: v.number(),
  busyPercent: v.number(),
  draining: v.boolean(),
});
export type Load = Infer<typeof load>;

/** What became of a command. */
export const ack = v.object({ id: v.string(), ok: v.boolean(), error: v.optional(v.string()) });
export type Ack = Infer<typeof ack>;

/** A node's report. Its events are read one by one, so that a bad one costs only itself. */
export const syncRequest = v.object({
  node: v.string(),
  epoch: v.number(),
  stream: v.string(),
  firstSeq: v.number(),
  events: v.array(v.any()),
  load,
  acks: v.array(ack),
  desiredHash: v.string(),
});

/** What a node should be like, whole: it is told again whenever its hash differs from the node's. */
export const desired = v.object({
  hash: v.string(),
  rooms: v.array(
    v.object({
      room,
      roomSid: v.string(),
      generation: v.number(),
      home: v.string(),
      nodes: v.array(v.string()),
      ...roomSettings.fields,
      meetingId: v.optional(v.string()),
    }),
  ),
  peers: v.array(
    v.object({
      node: v.string(),
      region: v.string(),
      url: v.string(),
      relay: v.union(v.string(), v.null()),
      signingKey: v.string(),
      draining: v.boolean(),
      alive: v.boolean(),
    }),
  ),
  scheduled: v.array(
    v.object({
      room,
      meetingId: v.string(),
      startsAt: v.number(),
      endsAt: v.number(),
      home: v.string(),
      nodes: v.array(v.string()),
      maxParticipants: v.number(),
    }),
  ),
  tokenKeys: v.array(v.object({ kid: v.string(), key: v.string() })),
  revoked: v.array(v.object({ room, identity, before: v.number() })),
  draining: v.boolean(),
});
export type Desired = Infer<typeof desired>;

/** A command on its way: the outbox's row as the node sees it. */
export const command = v.object({ id: v.string(), deadlineAt: v.number(), body: commandBody });
export type Command = Infer<typeof command>;

/** Why a genuine request was turned away. */
export const refusal = v.union(v.literal("revoked"), v.literal("stale_epoch"), v.literal("replayed"));

export const registerAnswer = v.union(
  v.object({ refused: refusal }),
  v.object({ epoch: v.number(), ackSeq: v.number(), desired }),
);

export type RegisterAnswer = Infer<typeof registerAnswer>;

export const syncAnswer = v.union(
  v.object({ refused: refusal }),
  v.object({
    ackSeq: v.number(),
    nextSyncMs: v.number(),
    commands: v.array(command),
    desired: v.optional(desired),
  }),
);

export type SyncAnswer = Infer<typeof syncAnswer>;

/** How long a node's word counts without a new one. */
export const LEASE_MS = 20_000;
