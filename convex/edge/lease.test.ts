// Silent nodes: what ends with a lease, what is taken up again, and what a restart leaves behind.
import { expect, test, vi } from "vitest";
import { internal } from "../_generated/api";
import type { Doc } from "../_generated/dataModel";
import { deployment, pass, settled, START, type Backend } from "../testing/backend";
import { joined, left, TestNode } from "../testing/node";
import { openRoom } from "./rooms";

const ROOM = "ROOM-MATHS00001";

async function fleet(t: Backend, ...names: string[]): Promise<TestNode[]> {
  const nodes = names.map((name) => new TestNode(t, name));
  for (const node of nodes) {
    await node.register();
  }
  return nodes;
}

async function reap(t: Backend): Promise<void> {
  await t.mutation(internal.edge.reaper.reap, {});
  await settled(t);
}

async function spans(t: Backend): Promise<Record<string, Doc<"edgeSpans">>> {
  const rows = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  return Object.fromEntries(rows.map((span) => [span.identity, span]));
}

async function tracks(t: Backend): Promise<(number | undefined)[]> {
  const rows = await t.run((ctx) => ctx.db.query("edgeTracks").collect());
  return rows.map(({ unpublishedAt }) => unpublishedAt);
}

function camera(who: string): { type: string; [field: string]: unknown } {
  return { type: "track_published", room: ROOM, sid: `PA_${who}`, track: `TR_${who}`, source: "camera", kind: "video" };
}

test("a node that goes on syncing keeps its lease; one that falls silent loses it after 20 s", async () => {
  const t = deployment();
  const [lagos, abuja] = (await fleet(t, "lagos-1", "abuja-1")) as [TestNode, TestNode];
  for (let second = 0; second < 60; second += 5) {
    await pass(t, 5000);
    await abuja.sync();
    await reap(t);
    if (second < 30) {
      await lagos.sync();
    }
  }
  const list = await t.query(internal.edge.nodes.list, {});
  expect(list.map(({ node, alive }) => [node, alive])).toEqual([
    ["abuja-1", true],
    ["lagos-1", false],
  ]);
  expect(list[1]?.leaseUntil).toBe(START + 30_000 + 20_000);
  await abuja.sync();
  expect(abuja.desired?.peers).toMatchObject([{ node: "lagos-1", alive: false }]);
});

test("attendance ends with the lease, and a late leave corrects it", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(joined(ROOM, "amina"), camera("amina"), joined(ROOM, "bola"), camera("bola"));
  await lagos.sync();
  await pass(t, 12_000);
  lagos.tell(left(ROOM, "bola"));
  await pass(t, 600_000);
  await reap(t);
  const closed = await spans(t);
  expect(closed.amina).toMatchObject({ leftAt: START + 20_000, closedBy: "lease" });
  expect(closed.bola).toMatchObject({ leftAt: START + 20_000, closedBy: "lease" });
  expect(await tracks(t)).toEqual([START + 20_000, START + 20_000]);

  await lagos.sync();
  await settled(t);
  const corrected = await spans(t);
  expect(corrected.amina?.leftAt).toBeUndefined();
  expect(corrected.amina?.closedBy).toBeUndefined();
  expect(corrected.bola).toMatchObject({ leftAt: START + 12_000, closedBy: "left" });
  expect(await tracks(t)).toEqual([undefined, START + 12_000]);
});

test("a node that only registers again has its people taken up by its next sync", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  await pass(t, 60_000);
  await reap(t);
  await lagos.register();
  await settled(t);
  expect((await spans(t)).amina?.closedBy).toBe("lease");
  await lagos.sync();
  await settled(t);
  expect((await spans(t)).amina?.leftAt).toBeUndefined();
});

test("a process that started again has nobody: its people end at the lease, or when it started", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  await pass(t, 9000);
  // Killed with facts in its log that were not told yet; they are on disk.
  lagos.tell(joined(ROOM, "bola"));
  await pass(t, 1000);
  lagos.tell(joined(ROOM, "chidi"), { type: "hand", room: ROOM, sid: "PA_chidi", identity: "chidi", raised: true });
  await pass(t, 2000);
  lagos.tell(left(ROOM, "bola"));
  await pass(t, 3000);
  lagos.startedAtMs = Date.now();
  await lagos.register();
  await lagos.flush();
  await settled(t);
  const after = await spans(t);
  expect(after.amina).toMatchObject({ leftAt: START + 15_000, closedBy: "lease" });
  expect(after.bola).toMatchObject({ joinedAt: START + 9000, leftAt: START + 12_000, closedBy: "left" });
  expect(after.chidi).toMatchObject({ joinedAt: START + 10_000, leftAt: START + 12_000, closedBy: "lease" });
  const hands = await t.run((ctx) => ctx.db.query("edgeHands").collect());
  expect(hands.every(({ raised }) => !raised)).toBe(true);

  await pass(t, 60_000);
  await reap(t);
  await lagos.sync();
  await settled(t);
  expect((await spans(t)).amina?.leftAt).toBe(START + 15_000);
});

test("three hundred people are closed and taken up step by step", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  for (let number = 0; number < 300; number += 1) {
    lagos.tell(joined(ROOM, `p${number}`));
  }
  await lagos.flush();
  await pass(t, 30_000);
  await reap(t);
  const open = () => t.run(async (ctx) => (await ctx.db.query("edgeSpans").collect()).filter((s) => !s.leftAt).length);
  expect(await open()).toBe(0);
  await lagos.sync();
  await settled(t);
  expect(await open()).toBe(300);
});

test("a node that is back before its people were closed keeps them", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  for (let number = 0; number < 150; number += 1) {
    lagos.tell(joined(ROOM, `p${number}`));
  }
  await lagos.flush();
  vi.setSystemTime(START + 30_000);
  await t.mutation(internal.edge.reaper.reap, {});
  await lagos.sync();
  await settled(t);
  const rows = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect(rows.filter(({ leftAt }) => leftAt !== undefined)).toEqual([]);
});

test("a process that started again does not take up the people of the one before", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  await pass(t, 30_000);
  await reap(t);
  // Back for one sync, and started again before what follows from it has been done.
  await lagos.sync();
  lagos.startedAtMs = Date.now();
  await lagos.register();
  await settled(t);
  expect((await spans(t)).amina).toMatchObject({ leftAt: START + 20_000, closedBy: "lease" });
});

test("an end that a node told is never changed", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  await pass(t, 5000);
  lagos.tell(left(ROOM, "amina"), left(ROOM, "amina", { at: START + 1000, reason: "again" }));
  await lagos.sync();
  expect((await spans(t)).amina).toMatchObject({ leftAt: START + 5000, reason: "CLIENT_INITIATED" });
});

test("the room of a silent home gets another, and the former cannot end it when it comes back", async () => {
  const t = deployment();
  const nodes = await fleet(t, "lagos-1", "abuja-1");
  await t.run((ctx) => openRoom(ctx, { room: ROOM, now: Date.now() }));
  for (const node of nodes) {
    node.tell({ type: "room_started", room: ROOM, roomSid: "RM_own", generation: 1 }, joined(ROOM, node.node));
    await node.sync();
  }
  await nodes[0]?.sync();
  const first = nodes[0]?.desired?.rooms[0];
  const home = nodes.find(({ node }) => node === first?.home) as TestNode;
  const other = nodes.find(({ node }) => node !== first?.home) as TestNode;
  expect(first).toMatchObject({ generation: 1, nodes: ["abuja-1", "lagos-1"] });

  await pass(t, 15_000);
  await other.sync();
  await pass(t, 15_000);
  await other.sync();
  await reap(t);
  await other.sync();
  expect(other.desired?.rooms).toMatchObject([{ home: other.node, generation: 2, nodes: ["abuja-1", "lagos-1"] }]);

  home.tell({ type: "room_ended", room: ROOM, roomSid: first?.roomSid, generation: 1, reason: "empty" });
  await home.sync();
  await settled(t);
  await other.sync();
  expect(other.desired?.rooms).toMatchObject([{ generation: 2, nodes: [other.node] }]);
  expect((await spans(t))[home.node]).toMatchObject({ closedBy: "room" });
  expect((await spans(t))[other.node]?.leftAt).toBeUndefined();
});

test("a room whose people all connect elsewhere counts each of them once", async () => {
  const t = deployment();
  const [lagos, abuja] = (await fleet(t, "lagos-1", "abuja-1")) as [TestNode, TestNode];
  lagos.tell(joined(ROOM, "amina", { sid: "PA_1" }));
  await lagos.sync();
  await pass(t, 7000);
  abuja.tell(joined(ROOM, "amina", { sid: "PA_2" }));
  await abuja.sync();
  const rows = () => t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect((await rows()).map(({ leftAt, closedBy }) => [leftAt, closedBy])).toEqual([
    [START + 7000, "moved"],
    [undefined, undefined],
  ]);
  // Lagos had noticed earlier, and tells late.
  lagos.tell(left(ROOM, "amina", { sid: "PA_1", at: START + 4000 }));
  await lagos.sync();
  expect((await rows()).map(({ leftAt, closedBy }) => [leftAt, closedBy])).toEqual([
    [START + 4000, "left"],
    [undefined, undefined],
  ]);
});

test("somebody handed over keeps their sid, and each node speaks for its own part of their stay", async () => {
  const t = deployment();
  const [lagos, abuja] = (await fleet(t, "lagos-1", "abuja-1")) as [TestNode, TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  await pass(t, 7000);
  abuja.tell(joined(ROOM, "amina"));
  await abuja.sync();
  await pass(t, 1000);
  lagos.tell(left(ROOM, "amina", { reason: "MIGRATION" }));
  await lagos.sync();
  const rows = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect(rows.map(({ node, joinedAt, leftAt, closedBy }) => [node, joinedAt, leftAt, closedBy])).toEqual([
    ["lagos-1", START, START + 8000, "left"],
    ["abuja-1", START + 7000, undefined, undefined],
  ]);
});

test("a join that is told late does not stand open beside a later one", async () => {
  const t = deployment();
  const [lagos, abuja] = (await fleet(t, "lagos-1", "abuja-1")) as [TestNode, TestNode];
  lagos.tell(joined(ROOM, "amina", { sid: "PA_1" }));
  await pass(t, 7000);
  abuja.tell(joined(ROOM, "amina", { sid: "PA_2" }));
  await abuja.sync();
  await lagos.sync();
  const rows = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect(rows.map(({ sid, leftAt, closedBy }) => [sid, leftAt, closedBy])).toEqual([
    ["PA_2", undefined, undefined],
    ["PA_1", START + 7000, "moved"],
  ]);
});

test("a revoked node's people end at once", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  await pass(t, 3000);
  await t.mutation(internal.edge.nodes.revoke, { node: "lagos-1" });
  await reap(t);
  expect((await spans(t)).amina).toMatchObject({ leftAt: START + 3000, closedBy: "lease" });
});

test("old rows are thrown away, a room without people is given up after a day", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell({ type: "room_started", room: ROOM, roomSid: "RM_1", generation: 1 }, left(ROOM, "nobody"));
  await lagos.sync();
  await pass(t, 60_000);
  await reap(t);
  const counts = () =>
    t.run(async (ctx) => ({
      nonces: (await ctx.db.query("edgeNonces").collect()).length,
      letters: (await ctx.db.query("edgeDeadLetters").collect()).length,
      logs: (await ctx.db.query("edgeLogs").collect()).length,
      open: (await ctx.db.query("edgeRooms").collect()).filter(({ status }) => status === "open").length,
    }));
  await t.mutation(internal.edge.reaper.sweep, {});
  expect(await counts()).toEqual({ nonces: 1, letters: 1, logs: 1, open: 1 });
  vi.setSystemTime(START + 12 * 3_600_000);
  await t.mutation(internal.edge.reaper.sweep, {});
  expect(await counts()).toEqual({ nonces: 0, letters: 1, logs: 1, open: 1 });
  vi.setSystemTime(START + 25 * 3_600_000);
  await t.mutation(internal.edge.reaper.sweep, {});
  expect(await counts()).toEqual({ nonces: 0, letters: 1, logs: 1, open: 0 });
  vi.setSystemTime(START + 91 * 24 * 3_600_000);
  await t.mutation(internal.edge.reaper.sweep, {});
  expect(await counts()).toEqual({ nonces: 0, letters: 0, logs: 0, open: 0 });
});

test("a room with people is never given up, nor one whose node may still come back with them", async () => {
  const t = deployment();
  const [lagos, abuja] = (await fleet(t, "lagos-1", "abuja-1")) as [TestNode, TestNode];
  const HOUR = 3_600_000;
  lagos.tell(joined("ROOM-LONG", "amina"));
  abuja.tell(joined("ROOM-ISLAND", "bola", { roomSid: "RM_ISLAND" }));
  await lagos.sync();
  await abuja.sync();
  const open = async () => {
    const rows = await t.run((ctx) => ctx.db.query("edgeRooms").collect());
    return rows.filter(({ status }) => status === "open").map(({ room }) => room);
  };
  for (let hour = 1; hour <= 30; hour += 1) {
    await pass(t, HOUR);
    await lagos.sync();
    // Abuja is heard of at ten o'clock, and then no more.
    if (hour === 10) {
      await abuja.sync();
    }
    await reap(t);
    await t.mutation(internal.edge.reaper.sweep, {});
    await settled(t);
  }
  expect(await open()).toEqual(["ROOM-LONG", "ROOM-ISLAND"]);
  await pass(t, 5 * HOUR);
  await lagos.sync();
  await reap(t);
  await t.mutation(internal.edge.reaper.sweep, {});
  expect(await open()).toEqual(["ROOM-LONG"]);
});
