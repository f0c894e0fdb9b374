// Writes fixtures/wire: what nodes and functions must agree on, read by the tests of both. Keys and nonces are fixed,
// so that a run changes a file only when the wire has changed.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(root, "fixtures/wire");
const { bytes, signing, token, rendezvous } = await model();

/** Monday 23 November 2026, 09:00 in Lagos. */
const NOW = Date.UTC(2026, 10, 23, 8);
const SECOND = NOW / 1000;

async function model() {
  const stage = mkdtempSync(join(tmpdir(), "edge-fixtures-"));
  try {
    const outfile = join(stage, "model.mjs");
    await build({
      stdin: {
        contents: ["bytes", "signing", "token", "rendezvous"]
          .map((name) => `export * as ${name} from "./model/edge/${name}";`)
          .join("\n"),
        resolveDir: root,
      },
      bundle: true,
      format: "esm",
      outfile,
      logLevel: "error",
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function write(name, value) {
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(value, null, 2)}\n`);
}

// ---- signing ----------------------------------------------------------------------------------------------------

async function signedCase({ name, purpose = "sync", change = {}, verdict = "genuine", at = NOW, ...request }) {
  const nodeKey = await signing.nodeKey(request.master, request.nodeId, request.keyVersion);
  const key = await signing.purposeKey(nodeKey, purpose);
  const signed = { ...request, body: bytes.utf8(request.body) };
  const signature = await signing.sign(key, signed);
  const sent = { ...request, signature, ...change };
  const judged = await signing.verify(key, { ...sent, body: bytes.utf8(sent.body) }, sent.signature, at);
  if (judged !== verdict) {
    throw new Error(`${name}: expected ${verdict}, judged ${judged}`);
  }
  return { name, purpose, ...sent, nodeKey: bytes.toHex(nodeKey), purposeKey: bytes.toHex(key), at, verdict };
}

async function signingCases() {
  const base = {
    nodeId: "lagos-1",
    keyVersion: 1,
    master: "a master secret of the tests, version 1",
    method: "POST",
    path: "/edge/v1/sync",
    timestamp: String(NOW),
    nonce: "AAAAAAAAAAAAAAAAAAAAAA",
    body: '{"node":"lagos-1","epoch":3,"stream":"7d1c","firstSeq":1,"events":[]}',
  };
  const cases = [
    { ...base, name: "a sync" },
    { ...base, name: "a register", path: "/edge/v1/register", nonce: "b-c_dEFGHIJKLMNOPQRSTUVWXYZ012345" },
    { ...base, name: "letters beyond ASCII", body: '{"name":"Ọláyínká 😀"}' },
    { ...base, name: "the second master", keyVersion: 2, master: "a master secret of the tests, version 2" },
    { ...base, name: "a poke", purpose: "poke", path: "/edge/v1/poke", body: "" },
    { ...base, name: "five minutes late is taken", timestamp: String(NOW - 300_000) },
    { ...base, name: "six minutes late", timestamp: String(NOW - 360_000), verdict: "clock" },
    { ...base, name: "ten minutes early", timestamp: String(NOW + 600_000), verdict: "clock" },
    { ...base, name: "a changed body", change: { body: '{"node":"lagos-1","epoch":4}' }, verdict: "signature" },
    { ...base, name: "another path", change: { path: "/edge/v1/register" }, verdict: "signature" },
    { ...base, name: "another method", change: { method: "PUT" }, verdict: "signature" },
    { ...base, name: "another time", change: { timestamp: String(NOW + 1) }, verdict: "signature" },
    { ...base, name: "another nonce", change: { nonce: "BAAAAAAAAAAAAAAAAAAAAA" }, verdict: "signature" },
    { ...base, name: "a nonce too short", nonce: "short", verdict: "signature" },
    { ...base, name: "no signature", change: { signature: "" }, verdict: "signature" },
  ];
  return await Promise.all(cases.map(signedCase));
}

// ---- tokens -----------------------------------------------------------------------------------------------------

/** An Ed25519 key of a seed that repeats one byte: PKCS8 and raw public, both base64url. */
function keyPair(byte) {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, byte)]);
  const spki = createPublicKey(createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })).export({
    format: "der",
    type: "spki",
  });
  return { privateKey: pkcs8.toString("base64url"), key: spki.subarray(-32).toString("base64url") };
}

async function jwt(header, claims, privateKey) {
  const encode = (value) => bytes.toBase64Url(bytes.utf8(JSON.stringify(value)));
  const signed = `${encode(header)}.${encode(claims)}`;
  const key = await crypto.subtle.importKey("pkcs8", bytes.fromBase64Url(privateKey), { name: "Ed25519" }, false, ["sign"]);
  return `${signed}.${bytes.toBase64Url(new Uint8Array(await crypto.subtle.sign("Ed25519", key, bytes.utf8(signed))))}`;
}

async function tokenCases() {
  const present = { kid: "2026-11", ...keyPair(1) };
  const former = { kid: "2026-05", ...keyPair(2) };
  const stranger = { kid: "2026-11", ...keyPair(3) };
  const lagos = { node: "lagos-1", ...keyPair(4) };
  const abuja = { node: "abuja-1", ...keyPair(5) };
  const claims = {
    iss: "tof-edge",
    sub: "user-amina#d41f",
    name: "Amina Bello",
    nbf: SECOND - 10,
    exp: SECOND + 600,
    jti: "01JD8Z3V5N0000000000000001",
    metadata: '{"avatar":"a.png"}',
    attributes: { role: "participant" },
    video: {
      room: "ROOM-MATHS00001",
      roomJoin: true,
      canPublish: true,
      canSubscribe: true,
      canPublishData: true,
      canPublishSources: ["camera", "microphone"],
    },
    tof: { meeting: "meeting-maths", user: "user-amina", stay: SECOND + 4 * 3600 },
  };
  const invitation = {
    ...claims,
    nbf: SECOND + 3600 - 900,
    exp: SECOND + 2 * 3600 + 1800,
    jti: "01JD8Z3V5N0000000000000002",
    tof: { ...claims.tof, stay: SECOND + 2 * 3600 + 1800, invited: true },
  };
  const join = await token.signJoin(claims, present.kid, present.privateKey);
  const forged = await token.signJoin(claims, stranger.kid, stranger.privateKey);
  const [header, , signature] = join.split(".");
  const raised = { ...claims, video: { ...claims.video, roomAdmin: true } };
  const altered = `${header}.${bytes.toBase64Url(bytes.utf8(JSON.stringify(raised)))}.${signature}`;
  const refreshed = {
    iss: "node:lagos-1",
    sub: claims.sub,
    name: claims.name,
    nbf: SECOND - 10,
    exp: SECOND + 3600,
    metadata: claims.metadata,
    attributes: claims.attributes,
    video: claims.video,
    of: join,
  };
  const refresh = async (change = {}, node = lagos, kid = "node/lagos-1") =>
    await jwt({ alg: "EdDSA", typ: "JWT", kid }, { ...refreshed, ...change }, node.privateKey);

  const joins = [
    ["a join token", join, NOW, "valid"],
    ["signed with the former key", await token.signJoin(claims, former.kid, former.privateKey), NOW, "valid"],
    ["too early", join, NOW - 60_000, "early"],
    ["expired", join, NOW + 900_000, "expired"],
    ["an invitation before its time", await token.signJoin(invitation, present.kid, present.privateKey), NOW, "early"],
    ["an invitation", await token.signJoin(invitation, present.kid, present.privateKey), NOW + 3_600_000, "valid"],
    ["another's key under our name", forged, NOW, "forged"],
    ["claims changed after signing", altered, NOW, "forged"],
    ["an unknown key", await token.signJoin(claims, "2031-01", present.privateKey), NOW, "unknown_key"],
    ["no signature asked for", `${bytes.toBase64Url(bytes.utf8('{"alg":"none","kid":"2026-11"}'))}.${join.split(".")[1]}.`, NOW, "malformed"],
    ["signed by a node as a join token", await jwt({ alg: "EdDSA", kid: "node/lagos-1" }, claims, lagos.privateKey), NOW, "unknown_key"],
    ["not a token", "x.y", NOW, "malformed"],
  ];
  for (const [name, text, at, verdict] of joins) {
    const keys = [present, former].map(({ kid, key }) => ({ kid, key }));
    const judged = (await token.verifyJoin(text, keys, at)).verdict;
    if (judged !== verdict) {
      throw new Error(`${name}: expected ${verdict}, judged ${judged}`);
    }
  }
  const refreshes = [
    ["a refresh token", await refresh(), NOW, "valid"],
    ["a refresh while its original has expired", await refresh(), NOW + 1_800_000, "valid"],
    ["an expired refresh", await refresh(), NOW + 2 * 3_600_000, "expired"],
    ["a refresh beyond the stay", await refresh({ exp: SECOND + 5 * 3600 }), NOW, "overlong"],
    ["a refresh for somebody else", await refresh({ sub: "user-chidi#aaaa" }), NOW, "other_identity"],
    ["a refresh for another room", await refresh({ video: { ...claims.video, room: "ROOM-OTHER" } }), NOW, "other_room"],
    ["one node signs for another", await refresh({}, abuja), NOW, "forged"],
    ["an issuer that is not the key's", await refresh({ iss: "node:abuja-1" }), NOW, "malformed"],
    ["an unknown node", await refresh({ iss: "node:kano-1" }, lagos, "node/kano-1"), NOW, "unknown_key"],
    ["an original that nobody of ours signed", await refresh({ of: forged }), NOW, "forged_original"],
    ["an original that is a refresh itself", await refresh({ of: await refresh() }), NOW, "forged_original"],
  ];
  return {
    tokenKeys: [present, former],
    nodeKeys: [lagos, abuja],
    joins: joins.map(([name, text, at, verdict]) => ({ name, token: text, at, verdict })),
    refreshes: refreshes.map(([name, text, at, verdict]) => ({ name, token: text, at, verdict })),
  };
}

/** What somebody who is moved may do in the other room, and which meeting's that is. */
async function moveToken(identity, to) {
  const present = { kid: "2026-11", ...keyPair(1) };
  const claims = {
    iss: "tof-edge",
    sub: identity,
    name: "Amina Bello",
    nbf: SECOND,
    exp: SECOND + 600,
    jti: "01JD8Z3V5N0000000000000003",
    attributes: { "tof.role": "participant" },
    video: {
      room: to,
      roomJoin: true,
      canPublish: true,
      canSubscribe: true,
      canPublishData: true,
      canPublishSources: ["camera", "microphone"],
      canUpdateOwnMetadata: true,
    },
    tof: { meeting: "meeting-physics", user: "user-amina", stay: SECOND + 6 * 3600 },
  };
  const signed = await token.signJoin(claims, present.kid, present.privateKey);
  const judged = (await token.verifyJoin(signed, [present], NOW)).verdict;
  if (judged !== "valid") {
    throw new Error(`the token of a move: expected valid, judged ${judged}`);
  }
  return signed;
}

// ---- rendezvous -------------------------------------------------------------------------------------------------

async function rendezvousCases() {
  const fleet = ["abuja-1", "kano-1", "lagos-1", "lagos-2", "port-harcourt-1"];
  const cases = [];
  for (let number = 0; number < 20; number += 1) {
    const room = `ROOM-${String(number).padStart(10, "0")}`;
    const nodes = fleet.slice(0, 1 + (number % fleet.length));
    cases.push({ room, nodes, order: await rendezvous.rendezvousOrder(room, nodes) });
  }
  cases.push({ room: "Ìpàdé ọ̀sẹ̀", nodes: fleet, order: await rendezvous.rendezvousOrder("Ìpàdé ọ̀sẹ̀", fleet) });
  return cases;
}

// ---- bodies -----------------------------------------------------------------------------------------------------

const lagosKey = keyPair(4).key;
const abujaKey = keyPair(5).key;
const room = "ROOM-MATHS00001";

const register = {
  node: "lagos-1",
  region: "lagos",
  url: "wss://lagos-1.edge.example.org",
  httpUrl: "https://lagos-1.edge.example.org",
  relay: "lagos-1.edge.example.org:7890",
  capacity: 500,
  build: "0.1.0",
  startedAtMs: NOW - 3000,
  stream: "0f8fad5b-d9cb-469f-a165-70867728950e",
  signingKey: lagosKey,
};

const desired = {
  hash: "6b0e2c56b7c1e2d39c0e5e8d3c1c5f3b6b0e2c56b7c1e2d39c0e5e8d3c1c5f3b",
  rooms: [
    {
      room,
      roomSid: "RM_7Zc2m0wXqf1a",
      generation: 1,
      home: "lagos-1",
      nodes: ["abuja-1", "lagos-1"],
      locked: false,
      maxParticipants: 100,
      emptyTimeoutS: 300,
      departureTimeoutS: 20,
      tokens: "ours",
      meetingId: "meeting-maths",
    },
    {
      room: "ROOM-PLAIN00001",
      roomSid: "RM_plain0000001",
      generation: 2,
      home: "lagos-1",
      nodes: ["lagos-1"],
      locked: true,
      maxParticipants: 0,
      emptyTimeoutS: 300,
      departureTimeoutS: 20,
      tokens: "any",
    },
  ],
  peers: [
    {
      node: "abuja-1",
      region: "abuja",
      url: "wss://abuja-1.edge.example.org",
      relay: "abuja-1.edge.example.org:7890",
      signingKey: abujaKey,
      draining: false,
      alive: true,
    },
    {
      node: "kano-1",
      region: "kano",
      url: "wss://kano-1.edge.example.org",
      relay: null,
      signingKey: keyPair(6).key,
      draining: true,
      alive: false,
    },
  ],
  scheduled: [
    {
      room: "ROOM-PHYSICS001",
      meetingId: "meeting-physics",
      startsAt: NOW + 3_600_000,
      endsAt: NOW + 7_200_000,
      home: "abuja-1",
      nodes: ["abuja-1", "lagos-1"],
      maxParticipants: 40,
    },
  ],
  tokenKeys: [
    { kid: "2026-11", key: keyPair(1).key },
    { kid: "2026-05", key: keyPair(2).key },
  ],
  revoked: [{ room, identity: "user-chidi#aaaa", before: SECOND - 30 }],
  draining: false,
};

const amina = { room, sid: "PA_amina0000001", identity: "user-amina#d41f" };

const events = [
  { type: "room_started", at: NOW, room, roomSid: "RM_7Zc2m0wXqf1a", generation: 1 },
  {
    type: "joined",
    at: NOW + 40,
    ...amina,
    roomSid: "RM_7Zc2m0wXqf1a",
    name: "Amina Bello",
    userId: "user-amina",
    meetingId: "meeting-maths",
    region: "lagos",
    client: { os: "Android", browser: "Chrome", device: "Tecno Spark", sdk: "js", version: "2.23.0" },
    joinMs: 812,
    attributes: { role: "participant" },
  },
  {
    type: "joined",
    at: NOW + 90,
    room,
    roomSid: "RM_7Zc2m0wXqf1a",
    sid: "PA_guest0000001",
    identity: "ngozi_1763884800000",
    name: "Ngozi",
    region: "lagos",
    client: {},
  },
  { type: "track_published", at: NOW + 900, room, sid: amina.sid, track: "TR_AMcamera00001", source: "camera", kind: "video" },
  { type: "track_published", at: NOW + 910, room, sid: amina.sid, track: "TR_AMmicro000001", source: "microphone", kind: "audio" },
  {
    type: "chat",
    at: NOW + 2000,
    ...amina,
    userId: "user-amina",
    meetingId: "meeting-maths",
    messageId: "7f3ad0f1-5a2e-4b7e-9a44-0f7c9d1be001",
    text: "Good morning! Ẹ káàárọ̀ 👋",
    sentAt: NOW + 1980,
    to: [],
  },
  {
    type: "chat",
    at: NOW + 2500,
    ...amina,
    messageId: "7f3ad0f1-5a2e-4b7e-9a44-0f7c9d1be002",
    text: "Can you hear me?",
    truncated: false,
    sentAt: NOW + 2490,
    to: ["ngozi_1763884800000"],
    replyTo: "7f3ad0f1-5a2e-4b7e-9a44-0f7c9d1be001",
  },
  { type: "chat_edited", at: NOW + 3000, room, messageId: "7f3ad0f1-5a2e-4b7e-9a44-0f7c9d1be001", identity: amina.identity, text: "Good morning, all!" },
  { type: "chat_deleted", at: NOW + 3500, room, messageId: "7f3ad0f1-5a2e-4b7e-9a44-0f7c9d1be002", identity: amina.identity },
  { type: "chat_sealed", at: NOW + 3600, room, count: 3 },
  { type: "hand", at: NOW + 4000, ...amina, raised: true },
  { type: "hand", at: NOW + 9000, ...amina, raised: false },
  {
    type: "quality",
    at: NOW + 60_000,
    room,
    sid: amina.sid,
    fromMs: NOW,
    toMs: NOW + 60_000,
    score: 4,
    lossPercent: 0.8,
    jitterMs: 12.5,
    roundTripMs: 88,
    sentKbps: 412.5,
    receivedKbps: 903,
    width: 640,
    height: 360,
    framesPerSecond: 20,
    drops: 1,
  },
  {
    type: "quality",
    at: NOW + 60_000,
    room,
    sid: "PA_guest0000001",
    fromMs: NOW,
    toMs: NOW + 60_000,
    score: 2,
    lossPercent: 6,
    jitterMs: 60,
    roundTripMs: 640,
    sentKbps: 0,
    receivedKbps: 96,
    drops: 4,
  },
  { type: "track_unpublished", at: NOW + 61_000, room, sid: amina.sid, track: "TR_AMcamera00001", source: "camera", kind: "video" },
  { type: "left", at: NOW + 62_000, ...amina, reason: "CLIENT_INITIATED" },
  { type: "room_ended", at: NOW + 90_000, room, roomSid: "RM_7Zc2m0wXqf1a", generation: 1, reason: "empty" },
];

const sync = {
  node: "lagos-1",
  epoch: 3,
  stream: register.stream,
  firstSeq: 1,
  events: [],
  load: { participants: 2, rooms: 1, busyPercent: 3.5, draining: false },
  acks: [],
  desiredHash: "",
};

const command = { deadlineAt: NOW + 60_000 };
const commands = [
  { id: "k1", type: "close_room", room, reason: "ended" },
  { id: "k2", ...command, type: "remove", room, identity: "user-chidi#aaaa", revokeTokens: true },
  { id: "k3", ...command, type: "mute", room, identity: amina.identity, track: "TR_AMmicro000001", muted: true },
  { id: "k4", ...command, type: "mute", room, identity: amina.identity, source: "camera", muted: true },
  {
    id: "k5",
    ...command,
    type: "permissions",
    room,
    identity: amina.identity,
    permission: {
      canPublish: true,
      canSubscribe: true,
      canPublishData: false,
      canPublishSources: ["microphone"],
      hidden: false,
      canUpdateMetadata: false,
    },
  },
  { id: "k6", ...command, type: "attributes", room, identity: amina.identity, attributes: { role: "co_host" } },
  { id: "k7", ...command, type: "metadata", room, metadata: '{"locked":true}' },
  { id: "k8", ...command, type: "move", room, identity: amina.identity, to: "ROOM-PHYSICS001" },
  {
    id: "k13",
    ...command,
    type: "move",
    room,
    identity: amina.identity,
    to: "ROOM-PHYSICS001",
    token: await moveToken(amina.identity, "ROOM-PHYSICS001"),
  },
  { id: "k9", ...command, type: "data", room, topic: "tof.host", text: '{"lock":true}', to: [] },
  { id: "k10", type: "drain" },
  { id: "k11", type: "undrain" },
];

const bodies = [
  { name: "register-request", kind: "register-request", json: register },
  { name: "register-request-without-relay", kind: "register-request", json: { ...register, relay: null } },
  {
    name: "register-response",
    kind: "register-response",
    json: { epoch: 3, serverTimeMs: NOW, leaseMs: 20_000, ackSeq: 0, desired },
  },
  { name: "sync-request-idle", kind: "sync-request", json: sync },
  { name: "sync-request-every-event", kind: "sync-request", json: { ...sync, events } },
  {
    name: "sync-request-acks",
    kind: "sync-request",
    json: {
      ...sync,
      firstSeq: 18,
      acks: [
        { id: "k1", ok: true },
        { id: "k2", ok: false, error: "no such participant" },
      ],
      desiredHash: desired.hash,
    },
  },
  {
    name: "sync-request-unknown-fields",
    kind: "sync-request",
    json: {
      ...sync,
      future: { any: ["thing"] },
      load: { ...sync.load, temperature: 61 },
      events: [{ ...events[0], colour: "green" }],
    },
  },
  {
    name: "sync-request-unreadable-events",
    kind: "sync-request",
    json: {
      ...sync,
      events: [
        { type: "levitated", at: NOW, room },
        { ...events[15], at: "yesterday" },
        { type: "left", at: NOW, room },
        17,
        events[15],
      ],
    },
    /** The places in `events` of those that end as dead letters. */
    unreadable: [0, 1, 2, 3],
  },
  {
    name: "sync-response-unchanged",
    kind: "sync-response",
    json: { ackSeq: 17, serverTimeMs: NOW, nextSyncMs: 5000, commands: [] },
  },
  {
    name: "sync-response-every-command",
    kind: "sync-response",
    json: { ackSeq: 17, serverTimeMs: NOW, nextSyncMs: 5000, commands, desired },
  },
  {
    name: "sync-response-unknown-fields",
    kind: "sync-response",
    json: {
      ackSeq: 17,
      serverTimeMs: NOW,
      nextSyncMs: 15_000,
      future: true,
      commands: [{ id: "k12", type: "paint", room, colour: "green" }],
      desired: { ...desired, weather: "harmattan" },
    },
  },
  ...[
    ["clock", 401, {}],
    ["signature", 401, {}],
    ["node", 401, {}],
    ["replayed", 401, {}],
    ["revoked", 403, {}],
    ["stale_epoch", 409, {}],
    ["unknown_version", 400, {}],
    ["malformed", 400, {}],
    ["too_large", 413, {}],
    ["busy", 503, { retryAfterMs: 2000 }],
  ].map(([error, status, more]) => ({
    name: `error-${error.replace("_", "-")}`,
    kind: "error",
    status,
    json: { error, message: "What to do about it, in words.", serverTimeMs: NOW, ...more },
  })),
];

write("signing", await signingCases());
write("tokens", await tokenCases());
write("rendezvous", await rendezvousCases());
for (const body of bodies) {
  write(body.name, body);
}
