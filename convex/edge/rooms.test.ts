// What the meeting side asks of the fleet, and what the nodes then hear.
import { expect, test, vi } from "vitest";
import { internal } from "../_generated/api";
import { judgePoke } from "../testing/poke";
import { deployment, pass, settled, START, type Backend } from "../testing/backend";
import { joined, said, TestNode } from "../testing/node";
import { rendezvousOrder } from "../model/edge/rendezvous";
import { closeRoom, command, currentRoom, openRoom, openSpanOf, openSpans, placeFor, revokeTokens } from "./rooms";

const ROOM = "ROOM-MATHS00001";

async function fleet(t: Backend, ...names: string[]): Promise<TestNode[]> {
  const nodes = names.map((name) => new TestNode(t, name));
  for (const node of nodes) {
    await node.register();
  }
  return nodes;
}

async function syncAll(nodes: TestNode[]): Promise<void> {
  for (const node of nodes) {
    await node.sync();
  }
}

test("an opened room is known to its home, and to the node somebody was sent to", async () => {
  const t = deployment();
  const nodes = await fleet(t, "lagos-1", "abuja-1", "kano-1");
  const settings = { tokens: "ours" as const, maxParticipants: 30 };
  const room = await t.run((ctx) => openRoom(ctx, { room: ROOM, settings, meetingId: "m1", now: START }));
  expect(room.home).toBe((await rendezvousOrder(ROOM, nodes.map(({ node }) => node)))[0]);
  const region = nodes.find(({ node }) => node !== room.home)?.region ?? "";
  const placed = await t.run((ctx) => placeFor(ctx, { room: ROOM, regions: { [region]: 9 }, now: START }));
  expect(placed?.node).toBe(`${region}-1`);
  expect(placed?.url).toBe(`wss://${region}-1.edge.test`);
  expect(placed?.candidates.map((candidate) => candidate.node)).toHaveLength(3);
  await syncAll(nodes);
  for (const node of nodes) {
    const told = [room.home, placed?.node].includes(node.node);
    expect(node.desired?.rooms).toHaveLength(told ? 1 : 0);
  }
  const home = nodes.find(({ node }) => node === room.home);
  expect(home?.desired?.rooms[0]).toEqual({
    room: ROOM,
    roomSid: room.roomSid,
    generation: 1,
    home: room.home,
    nodes: [room.home, placed?.node].sort(),
    locked: false,
    maxParticipants: 30,
    emptyTimeoutS: 300,
    departureTimeoutS: 20,
    tokens: "ours",
    meetingId: "m1",
  });
});

test("what has not changed is not told again, and what has changed is", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  await t.run((ctx) => openRoom(ctx, { room: ROOM, now: START }));
  expect((await lagos.sync())?.body.desired).toBeDefined();
  expect((await lagos.sync())?.body.desired).toBeUndefined();
  await pass(t, 61_000);
  expect((await lagos.sync())?.body.desired).toBeUndefined();
  await t.run((ctx) => openRoom(ctx, { room: ROOM, settings: { locked: true }, now: Date.now() }));
  await settled(t);
  await lagos.sync();
  expect(lagos.desired?.rooms).toMatchObject([{ locked: true, generation: 1 }]);
  lagos.hash = "forgotten";
  expect((await lagos.sync())?.body.desired).toBeDefined();
});

test("a command goes to its participant's node, once, until it was carried out", async () => {
  const t = deployment();
  const [lagos, abuja] = (await fleet(t, "lagos-1", "abuja-1")) as [TestNode, TestNode];
  for (const node of [lagos, abuja]) {
    node.tell(joined(ROOM, node.node));
    await node.sync();
  }
  const mute = { type: "mute" as const, room: ROOM, identity: "abuja-1", source: "microphone" as const, muted: true };
  const ids = await t.run((ctx) => command(ctx, mute, Date.now()));
  expect(ids).toHaveLength(1);
  await settled(t);
  await lagos.sync();
  await abuja.sync("answer lost");
  await abuja.sync();
  await abuja.sync();
  expect(lagos.carriedOut).toEqual([]);
  expect(abuja.carriedOut).toEqual([{ id: ids[0], deadlineAt: START + 60_000, ...mute }]);
  expect((await abuja.sync())?.body.commands).toEqual([]);
  const rows = await t.run((ctx) => ctx.db.query("edgeCommands").collect());
  expect(rows).toMatchObject([{ state: "done", settledAt: START }]);
});

test("a command that failed says why, one nobody came for expires, and nobody settles another's", async () => {
  const t = deployment();
  const [lagos, abuja] = (await fleet(t, "lagos-1", "abuja-1")) as [TestNode, TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  const remove = { type: "remove" as const, room: ROOM, identity: "amina", revokeTokens: false };
  const [first] = await t.run((ctx) => command(ctx, remove, Date.now()));
  const [second] = await t.run((ctx) => command(ctx, remove, Date.now()));
  await settled(t);
  abuja.acks.push({ id: first ?? "", ok: true }, { id: "nonsense", ok: true });
  expect((await abuja.sync())?.status).toBe(200);
  const states = async () => (await t.run((ctx) => ctx.db.query("edgeCommands").collect())).map(({ state }) => state);
  expect(await states()).toEqual(["pending", "pending"]);
  const report = { ...lagos.report(), acks: [{ id: first, ok: false, error: "gone" }] };
  await lagos.post("/edge/v1/sync", report);
  await lagos.post("/edge/v1/sync", { ...report, acks: [{ id: first, ok: true }] });
  expect(await states()).toEqual(["failed", "pending"]);
  await pass(t, 61_000);
  expect((await lagos.sync())?.body.commands).toEqual([]);
  await t.mutation(internal.edge.reaper.sweep, {});
  const rows = await t.run((ctx) => ctx.db.query("edgeCommands").collect());
  expect(rows.map(({ _id, state, error }) => [_id, state, error])).toEqual([
    [first, "failed", "gone"],
    [second, "expired", undefined],
  ]);
});

test("somebody removed for good is known to every node", async () => {
  const t = deployment();
  const nodes = await fleet(t, "lagos-1", "abuja-1");
  nodes[0]?.tell(joined(ROOM, "amina"));
  await syncAll(nodes);
  const remove = { type: "remove" as const, room: ROOM, identity: "amina", revokeTokens: true };
  await pass(t, 1000);
  vi.mocked(fetch).mockClear();
  await t.run((ctx) => command(ctx, remove, Date.now()));
  await settled(t);
  const poked = vi.mocked(fetch).mock.calls.map(([url]) => String(url));
  expect(poked.sort()).toEqual(["abuja-1", "lagos-1"].map((node) => `https://${node}.edge.test/edge/v1/poke`));
  await syncAll(nodes);
  for (const node of nodes) {
    expect(node.desired?.revoked).toEqual([{ room: ROOM, identity: "amina", before: START / 1000 + 1 }]);
  }
});

test("a revocation never moves back", async () => {
  const t = deployment();
  const revoked = async (at: number): Promise<number[]> =>
    await t.run(async (ctx) => {
      await revokeTokens(ctx, ROOM, "amina", at);
      return (await ctx.db.query("edgeRevocations").collect()).flatMap(({ before, expiresAt }) => [before, expiresAt]);
    });
  const later = START + 3_600_000;
  const until = later + 24 * 3_600_000;
  expect(await revoked(later)).toEqual([later / 1000, until]);
  // Sent out once more, before the invitation would count that was taken back.
  expect(await revoked(START)).toEqual([later / 1000, until]);
  expect(await revoked(later + 2000)).toEqual([later / 1000 + 2, until + 2000]);
});

test("a closed room is closed on all its nodes, and opened again it has a later life", async () => {
  const t = deployment();
  const nodes = await fleet(t, "lagos-1", "abuja-1");
  const first = await t.run((ctx) => openRoom(ctx, { room: ROOM, now: START }));
  for (const node of nodes) {
    node.tell(joined(ROOM, node.node, { roomSid: first.roomSid }));
  }
  await syncAll(nodes);
  await syncAll(nodes);
  await t.run((ctx) => closeRoom(ctx, { room: ROOM, reason: "ended by the host", now: Date.now() }));
  await settled(t);
  await syncAll(nodes);
  for (const node of nodes) {
    expect(node.desired?.rooms).toEqual([]);
    expect(node.carriedOut).toMatchObject([{ type: "close_room", room: ROOM, reason: "ended by the host" }]);
  }
  const second = await t.run((ctx) => openRoom(ctx, { room: ROOM, now: Date.now() }));
  expect([second.generation, second.roomSid === first.roomSid]).toEqual([2, false]);

  // What the first life still tells neither ends nor revives anything.
  nodes[0]?.tell({ type: "room_ended", room: ROOM, roomSid: first.roomSid, generation: 1, reason: "closed" });
  nodes[1]?.tell({ type: "room_started", room: ROOM, roomSid: first.roomSid, generation: 1 });
  await syncAll(nodes);
  expect(await t.run((ctx) => currentRoom(ctx, ROOM))).toMatchObject({ status: "open", generation: 2 });
});

test("two nodes that began a room of plain tokens at once end up with one home and one sid", async () => {
  for (const order of [
    ["lagos-1", "abuja-1"],
    ["abuja-1", "lagos-1"],
  ]) {
    const t = deployment();
    const nodes = await fleet(t, ...order);
    for (const node of nodes) {
      node.tell({ type: "room_started", room: ROOM, roomSid: `RM_${node.node}`, generation: 1 }, joined(ROOM, node.node, { roomSid: `RM_${node.node}` }));
    }
    await syncAll(nodes);
    await syncAll(nodes);
    const [home] = await rendezvousOrder(ROOM, order);
    for (const node of nodes) {
      expect(node.desired?.rooms).toMatchObject([{ room: ROOM, home, roomSid: `RM_${home}`, generation: 1, tokens: "any" }]);
      expect(node.desired?.rooms[0]?.nodes).toEqual(["abuja-1", "lagos-1"]);
    }
    expect(await t.run((ctx) => openSpans(ctx, ROOM))).toHaveLength(2);
    expect(await t.run((ctx) => openSpanOf(ctx, ROOM, "lagos-1"))).toMatchObject({ node: "lagos-1" });
  }
});

test("nodes of a room hear of each other at once, and nobody is poked for what the answer says", async () => {
  const t = deployment();
  const nodes = await fleet(t, "lagos-1", "abuja-1");
  const [home, other] = (await rendezvousOrder(ROOM, ["lagos-1", "abuja-1"])).map(
    (name) => nodes.find(({ node }) => node === name) as TestNode,
  ) as [TestNode, TestNode];
  const poked = vi.mocked(fetch);
  poked.mockImplementation(() => Promise.resolve(new Response(null, { status: 204 })));
  home.tell(joined(ROOM, "amina"));
  await home.sync();
  await settled(t);
  expect(poked).not.toHaveBeenCalled();
  other.tell(joined(ROOM, "bola"));
  await other.sync();
  await settled(t);
  expect(poked.mock.calls.map(([url]) => String(url))).toEqual([`https://${home.node}.edge.test/edge/v1/poke`]);
  expect(other.desired?.rooms[0]?.nodes).toEqual(["abuja-1", "lagos-1"]);
  await home.sync();
  expect(home.desired?.rooms[0]?.nodes).toEqual(["abuja-1", "lagos-1"]);

  // A change of the room and two commands in one transaction are one poke for each node.
  poked.mockClear();
  await pass(t, 1000);
  await t.run(async (ctx) => {
    await openRoom(ctx, { room: ROOM, settings: { locked: true }, now: Date.now() });
    await command(ctx, { type: "mute", room: ROOM, identity: "bola", muted: true }, Date.now());
    await command(ctx, { type: "mute", room: ROOM, identity: "bola", muted: false }, Date.now());
  });
  await settled(t);
  expect(poked).toHaveBeenCalledTimes(2);
});

test("a node that was cut off while a room was closed closes it when it comes back", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  await t.run((ctx) => closeRoom(ctx, { room: ROOM, reason: "ended by the host", now: Date.now() }));
  await pass(t, 10 * 3_600_000);
  await t.mutation(internal.edge.reaper.sweep, {});
  await lagos.sync();
  expect(lagos.carriedOut).toMatchObject([{ type: "close_room", room: ROOM }]);
});

test("the last node of a room of plain tokens takes it along, and its next life is a later one", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  const life = (sid: string) => [
    { type: "room_started", room: ROOM, roomSid: sid, generation: 1 },
    joined(ROOM, "amina", { roomSid: sid, sid: `PA_${sid}` }),
    { type: "room_ended", room: ROOM, roomSid: sid, generation: 9, reason: "empty" },
  ];
  lagos.tell(...life("RM_1"), ...life("RM_2"));
  await lagos.flush();
  const rooms = await t.run((ctx) => ctx.db.query("edgeRooms").collect());
  expect(rooms.map(({ roomSid, generation, status }) => [roomSid, generation, status])).toEqual([
    ["RM_1", 1, "closed"],
    ["RM_2", 2, "closed"],
  ]);
  const spans = await t.run((ctx) => ctx.db.query("edgeSpans").collect());
  expect(spans.map(({ closedBy }) => closedBy)).toEqual(["room", "room"]);
  await lagos.sync();
  expect(lagos.desired?.rooms).toEqual([]);
});

test("a message counts once for its author, and only its author edits or deletes it", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(
    joined(ROOM, "amina"),
    joined(ROOM, "bola"),
    said(ROOM, "amina", "m1"),
    said(ROOM, "amina", "m1", { text: "again" }),
    said(ROOM, "bola", "m1", { text: "another's id" }),
    { type: "chat_edited", room: ROOM, messageId: "m1", identity: "amina", text: "mended" },
    { type: "chat_edited", room: ROOM, messageId: "m2", identity: "amina", text: "nothing" },
    { type: "chat_deleted", room: ROOM, messageId: "m1", identity: "chidi" },
    { type: "chat_deleted", room: ROOM, messageId: "m1", identity: "bola" },
    { type: "chat_sealed", room: ROOM, count: 2 },
    { type: "chat_sealed", room: ROOM, count: 3 },
  );
  await lagos.flush();
  const chat = await t.run((ctx) => ctx.db.query("edgeChat").collect());
  expect(chat.map(({ identity, text, deletedAt }) => [identity, text, deletedAt !== undefined])).toEqual([
    ["amina", "mended", false],
    ["bola", undefined, true],
  ]);
  expect(await t.run((ctx) => ctx.db.query("edgeDeadLetters").collect())).toHaveLength(2);
  expect(await t.run((ctx) => ctx.db.query("edgeSealedChat").collect())).toMatchObject([{ count: 5 }]);
});

test("a node speaks for its own people only: a stolen one cannot end, lower, edit or delete anything of another's", async () => {
  const t = deployment();
  const [lagos, stolen] = (await fleet(t, "lagos-1", "abuja-1")) as [TestNode, TestNode];
  const about = { room: ROOM, sid: "PA_amina", identity: "amina" };
  const track = { ...about, track: "TR_1", source: "camera", kind: "video" };
  lagos.tell(joined(ROOM, "amina"), { type: "track_published", ...track }, { type: "hand", ...about, raised: true });
  lagos.tell(said(ROOM, "amina", "m1"));
  await lagos.sync();
  const all = () =>
    t.run(async (ctx) => [
      await ctx.db.query("edgeSpans").collect(),
      await ctx.db.query("edgeTracks").collect(),
      await ctx.db.query("edgeHands").collect(),
      await ctx.db.query("edgeChat").collect(),
    ]);
  const before = await all();
  stolen.tell(
    { type: "left", ...about, reason: "x" },
    { type: "track_unpublished", ...track },
    { type: "hand", ...about, raised: false },
    { type: "chat_edited", ...about, messageId: "m1", text: "x" },
    { type: "chat_deleted", ...about, messageId: "m1" },
    { type: "room_ended", room: ROOM, roomSid: `RM_${ROOM}`, generation: 1, reason: "x" },
  );
  await stolen.flush();
  await settled(t);
  expect(await all()).toEqual(before);
  expect(await t.run((ctx) => ctx.db.query("edgeDeadLetters").collect())).toHaveLength(5);
});

test("people are not placed when no node takes them", async () => {
  const t = deployment();
  const place = () => t.run((ctx) => placeFor(ctx, { room: ROOM, regions: {}, now: Date.now() }));
  await t.run((ctx) => openRoom(ctx, { room: ROOM, now: START }));
  expect(await place()).toBeNull();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  expect((await place())?.node).toBe("lagos-1");
  expect(await t.run((ctx) => currentRoom(ctx, ROOM))).toMatchObject({ home: "lagos-1", generation: 2 });
  await t.mutation(internal.edge.nodes.drain, { node: "lagos-1", draining: true });
  expect(await place()).toBeNull();
  await settled(t);
  await lagos.sync();
  expect(lagos.carriedOut).toMatchObject([{ type: "drain" }]);
  expect(lagos.desired?.draining).toBe(true);
  await t.mutation(internal.edge.nodes.drain, { node: "lagos-1", draining: false });
  expect((await place())?.node).toBe("lagos-1");
  // Its lease has run out; the reaper has not been by yet.
  await pass(t, 20_000);
  expect(await place()).toBeNull();
});

test("a node that drains by itself takes nobody new", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.load.draining = true;
  await lagos.sync();
  expect(await t.run((ctx) => placeFor(ctx, { room: ROOM, regions: {}, now: Date.now() }))).toBeNull();
});

test("a poke is signed, empty, and tried again a bounded number of times", async () => {
  const t = deployment();
  const [lagos] = (await fleet(t, "lagos-1")) as [TestNode];
  lagos.tell(joined(ROOM, "amina"));
  await lagos.sync();
  const fetched = vi.mocked(fetch);
  await t.run((ctx) => command(ctx, { type: "metadata", room: ROOM, metadata: "x" }, Date.now()));
  for (let second = 0; second < 10; second += 1) {
    await pass(t, 1000);
  }
  expect(fetched).toHaveBeenCalledTimes(3);
  for (const [url, init] of fetched.mock.calls) {
    expect(await judgePoke(String(url), init as RequestInit, "lagos-1")).toBe("genuine");
  }
  fetched.mockClear();
  fetched.mockResolvedValue(new Response(null, { status: 204 }));
  await t.run((ctx) => command(ctx, { type: "metadata", room: ROOM, metadata: "y" }, Date.now()));
  await pass(t, 5000);
  expect(fetched).toHaveBeenCalledTimes(1);
});
