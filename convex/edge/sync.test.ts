// What a node tells is stored once, in order, whatever happens to its requests and to their answers.
import { expect, test, vi } from "vitest";
import { internal } from "../_generated/api";
import { school } from "../testing/foundation";
import { deployment, pass, settled, START, type Backend } from "../testing/backend";
import { joined, left, said, TestNode, type Fate, type Told } from "../testing/node";

const ROOM = "ROOM-MATHS00001";

async function registered(t: Backend, name: string): Promise<TestNode> {
  const node = new TestNode(t, name);
  await node.register();
  return node;
}

/** A fixed row of random numbers, so that a failure can be seen again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function messages(t: Backend): Promise<string[]> {
  const rows = await t.run((ctx) => ctx.db.query("edgeChat").collect());
  return rows.map(({ messageId }) => messageId);
}

function numbered(count: number, from = 0): Told[] {
  return Array.from({ length: count }, (_, number) => said(ROOM, "amina", `m${number + from}`));
}

test("a batch sent again changes nothing, and one that overlaps adds only its new part", async () => {
  const t = deployment();
  const node = await registered(t, "lagos-1");
  node.tell(...numbered(3));
  await node.sync("answer lost");
  expect(node.log.length).toBe(3);
  node.tell(...numbered(2, 3));
  expect((await node.sync())?.body.ackSeq).toBe(5);
  expect(await messages(t)).toEqual(["m0", "m1", "m2", "m3", "m4"]);
});

test("a batch with a gap before it is not applied, and the node hears how far it had come", async () => {
  const t = deployment();
  const node = await registered(t, "lagos-1");
  node.tell(...numbered(2));
  await node.sync();
  const ahead = { ...node.report(), firstSeq: 9, events: numbered(1, 8).map((event) => ({ at: START, ...event })) };
  expect((await node.post("/edge/v1/sync", ahead)).body.ackSeq).toBe(2);
  expect(await messages(t)).toEqual(["m0", "m1"]);
});

test("more events than fit one request are refused whole", async () => {
  const t = deployment();
  const node = await registered(t, "lagos-1");
  node.tell(...numbered(201));
  expect((await node.sync("arrives", 201))?.body.error).toBe("too_large");
  expect(await messages(t)).toEqual([]);
});

test("a node registered again has a larger epoch, and what the former still sends is refused", async () => {
  const t = deployment();
  const node = await registered(t, "lagos-1");
  node.tell(...numbered(2));
  const delayed = node.report();
  await node.register();
  expect(node.epoch).toBe(2);
  const answer = await node.post("/edge/v1/sync", delayed);
  expect([answer.status, answer.body.error]).toEqual([409, "stale_epoch"]);
  expect(await messages(t)).toEqual([]);
  await node.flush();
  expect((await node.post("/edge/v1/sync", delayed)).status).toBe(409);
  expect(await messages(t)).toEqual(["m0", "m1"]);
});

test("a request of a former log is judged by that log's own numbers", async () => {
  const t = deployment();
  const node = await registered(t, "lagos-1");
  node.tell(...numbered(3));
  await node.sync();
  const former = { ...node.report(), firstSeq: 1, events: numbered(4).map((event) => ({ at: START, ...event })) };
  node.stream = crypto.randomUUID();
  node.firstSeq = 1;
  await node.register();
  node.tell(...numbered(1, 100));
  await node.sync();
  // The old log goes on where it was, under the new epoch: only its fourth event is new.
  expect((await node.post("/edge/v1/sync", { ...former, epoch: node.epoch })).body.ackSeq).toBe(4);
  expect(await messages(t)).toEqual(["m0", "m1", "m2", "m100", "m3"]);
});

test("one event that cannot be applied is put aside, undone, and holds up nobody", async () => {
  const t = deployment();
  const node = await registered(t, "lagos-1");
  node.tell(
    joined(ROOM, "amina"),
    left(ROOM, "nobody"),
    { type: "levitated", room: ROOM },
    { type: "chat_deleted", room: ROOM, messageId: "never", identity: "amina" },
    said(ROOM, "amina", "m1"),
  );
  await node.flush();
  const letters = await t.run((ctx) => ctx.db.query("edgeDeadLetters").collect());
  expect(letters.map(({ seq, log }) => [seq, log]).sort()).toEqual([2, 3, 4].map((seq) => [seq, node.stream]));
  expect(letters.every(({ reason, event }) => reason !== "" && event.includes(ROOM))).toBe(true);
  expect(await messages(t)).toEqual(["m1"]);
  const spans = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect(spans.map(({ identity }) => identity)).toEqual(["amina"]);
});

test("times are never in the future, and a leave is never before its join", async () => {
  const t = deployment();
  const node = await registered(t, "lagos-1");
  node.tell(joined(ROOM, "amina", { at: START + 3_600_000 }), left(ROOM, "amina", { at: START - 5000 }));
  await node.flush();
  const [span] = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect([span?.joinedAt, span?.leftAt]).toEqual([START + 2000, START + 2000]);
});

test("requests lost, answers lost, registers between, batches of any size: each fact once, in order", async () => {
  const t = deployment();
  const random = seeded(42);
  const node = await registered(t, "lagos-1");
  let made = 0;
  let calls = 0;
  while (made < 600 || node.log.length > 0) {
    if (made < 600) {
      const count = Math.floor(random() * 12);
      node.tell(...numbered(Math.min(count, 600 - made), made));
      made += Math.min(count, 600 - made);
    }
    const dice = random();
    const fate: Fate = dice < 0.3 ? "request lost" : dice < 0.6 ? "answer lost" : "arrives";
    await node.sync(fate, 1 + Math.floor(random() * 40));
    if (random() < 0.05) {
      await node.register();
    }
    calls += 1;
    await pass(t, 250);
  }
  expect(calls).toBeGreaterThan(100);
  expect(await messages(t)).toEqual(Array.from({ length: 600 }, (_, number) => `m${number}`));
});

test("ten minutes without Convex, 500 people: nothing lost, nothing doubled, order kept", { timeout: 240_000 }, async () => {
  const t = deployment();
  const random = seeded(7);
  const node = await registered(t, "lagos-1");
  const people = Array.from({ length: 500 }, (_, number) => `p${number}`);
  node.load.participants = people.length;
  node.tell({ type: "room_started", room: ROOM, roomSid: `RM_${ROOM}`, generation: 1 });
  for (const who of people.slice(0, 450)) {
    node.tell(joined(ROOM, who));
  }
  await node.flush();

  // Away: 50 join, 100 leave, everybody writes; nothing of it is told.
  const told: string[] = [];
  const joins = new Map(people.slice(0, 450).map((who) => [who, START]));
  const leaves = new Map<string, number>();
  for (let second = 0; second < 600; second += 1) {
    vi.setSystemTime(START + second * 1000);
    if (second % 15 === 0) {
      // The reaper finds the node silent after 20 s, and closes everybody.
      await t.mutation(internal.edge.reaper.reap, {});
      await settled(t);
    }
    if (second % 12 === 0) {
      const who = people[450 + second / 12];
      if (who !== undefined) {
        node.tell(joined(ROOM, who));
        joins.set(who, Date.now());
      }
    }
    if (second % 6 === 3) {
      const who = `p${Math.floor(second / 6)}`;
      node.tell(left(ROOM, who));
      leaves.set(who, Date.now());
    }
    for (const who of people) {
      if (random() < 1 / 600 && joins.has(who) && !leaves.has(who)) {
        told.push(`m${told.length}`);
        node.tell(said(ROOM, who, `m${told.length - 1}`));
      }
    }
  }
  expect(node.log.length).toBeGreaterThan(500);
  const lapsed = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect(lapsed.every(({ leftAt, closedBy }) => leftAt === START + 20_000 && closedBy === "lease")).toBe(true);

  let sent = 0;
  while (node.log.length > 0) {
    const dice = random();
    await node.sync(dice < 0.2 ? "request lost" : dice < 0.4 ? "answer lost" : "arrives");
    await settled(t);
    sent += 1;
    expect(sent).toBeLessThan(100);
  }
  expect(await messages(t)).toEqual(told);
  const spans = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect(spans.length).toBe(500);
  for (const span of spans) {
    expect([span.joinedAt, span.leftAt]).toEqual([joins.get(span.identity), leaves.get(span.identity)]);
  }
  expect(await t.run((ctx) => ctx.db.query("edgeDeadLetters").collect())).toEqual([]);
});

test("what is too much for one transaction is applied in several, whatever people do", async () => {
  // Limits are enforced as the backend does; a sync that reached them would come again for ever.
  const { t, lagos: node, meeting } = await school();
  // Of a meeting, so that each track of theirs is looked at for it.
  await meeting({ roomName: ROOM });
  const people = Array.from({ length: 200 }, (_, number) => `p${number}`);
  const TRACKS = 8;
  node.tell({ type: "room_started", room: ROOM, roomSid: `RM_${ROOM}`, generation: 1 });
  for (const who of people) {
    node.tell(joined(ROOM, who), { type: "hand", room: ROOM, sid: `PA_${who}`, identity: who, raised: true });
    for (let number = 0; number < TRACKS; number += 1) {
      const track = { room: ROOM, sid: `PA_${who}`, track: `TR_${who}_${number}`, source: "camera", kind: "video" };
      node.tell({ type: "track_published", ...track });
    }
  }
  let syncs = 0;
  const drain = async (): Promise<void> => {
    while (node.log.length > 0) {
      const before = node.log.length;
      expect((await node.sync())?.status).toBe(200);
      expect(node.log.length).toBeLessThan(before);
      syncs += 1;
    }
  };
  await drain();
  await pass(t, 5000);
  const told = syncs;
  node.tell(...people.slice(0, 150).map((who) => left(ROOM, who)), left(ROOM, "nobody"));
  node.tell({ type: "room_ended", room: ROOM, roomSid: `RM_${ROOM}`, generation: 1, reason: "closed" });
  await drain();
  await settled(t);
  // Joins and tracks go 200 at a time; 152 leaves with that many tracks each do not fit at once.
  expect(told).toBe(Math.ceil((200 * (TRACKS + 2) + 1) / 200));
  expect(syncs - told).toBeGreaterThan(1);
  const spans = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect(spans.filter(({ leftAt }) => leftAt === START + 5000).length).toBe(200);
  expect(spans.filter(({ closedBy }) => closedBy === "room").length).toBe(50);
  const tracks = await t.run((ctx) => ctx.db.query("edgeTracks").collect());
  expect(tracks.filter(({ unpublishedAt }) => unpublishedAt !== START + 5000)).toEqual([]);
  expect(await t.run((ctx) => ctx.db.query("edgeDeadLetters").collect())).toMatchObject([{ seq: 200 * (TRACKS + 2) + 152 }]);
});
