// Tokens with the deployment's key, and what nodes are told of keys and of the coming meetings.
import { expect, test, vi } from "vitest";
import fixtures from "../fixtures/wire/tokens.json";
import { internal } from "../_generated/api";
import { deployment, pass, START } from "../testing/backend";
import { TestNode } from "../testing/node";
import { rendezvousOrder } from "../model/edge/rendezvous";
import { verifyJoin as judge } from "../model/edge/token";
import { invitationFor, joinToken, verifyJoin } from "./tokens";

const scheduled = vi.hoisted(() => ({ rooms: [] as unknown[], asked: [] as unknown[] }));
vi.mock("../meetings/scheduled", () => ({
  scheduledRooms: (_ctx: unknown, window: unknown) => {
    scheduled.asked.push(window);
    return Promise.resolve(scheduled.rooms);
  },
}));

const HOUR = 3_600_000;
const amina = { identity: "user-amina#d41f", name: "Amina Bello", user: "user-amina", meeting: "m1" };
const permission = { room: "ROOM-1", canPublish: true, canSubscribe: true, canPublishData: true };

test("a join token opens its room for ten minutes, and may be refreshed to the end of the stay", async () => {
  deployment();
  const token = await joinToken(amina, permission, { now: START, stayUntil: START + 4 * HOUR });
  const valid = await verifyJoin(token, START);
  expect(valid).toMatchObject({
    verdict: "valid",
    claims: {
      iss: "tof-edge",
      sub: amina.identity,
      nbf: START / 1000,
      exp: START / 1000 + 600,
      video: { ...permission, roomJoin: true },
      tof: { meeting: "m1", user: "user-amina", stay: (START + 4 * HOUR) / 1000 },
    },
  });
  expect((await verifyJoin(token, START + 600_000)).verdict).toBe("expired");
  const short = await joinToken(amina, permission, { now: START, stayUntil: START + 60_000 });
  expect((await verifyJoin(short, START + 60_000)).verdict).toBe("expired");
});

test("an invitation is good from a quarter of an hour before the meeting until half an hour after", async () => {
  deployment();
  const meeting = { startsAt: START + HOUR, endsAt: START + 2 * HOUR };
  const token = await invitationFor(amina, permission, meeting);
  const verdicts = await Promise.all(
    [START, START + HOUR - 15 * 60_000, START + 2.5 * HOUR - 1000, START + 2.5 * HOUR].map(
      async (at) => (await verifyJoin(token, at)).verdict,
    ),
  );
  expect(verdicts).toEqual(["early", "valid", "valid", "expired"]);
  const valid = await verifyJoin(token, meeting.startsAt);
  expect(valid).toMatchObject({ claims: { tof: { invited: true, stay: (START + 2.5 * HOUR) / 1000 } } });
});

test("two tokens are never the same", async () => {
  deployment();
  const times = { now: START, stayUntil: START + HOUR };
  expect(await joinToken(amina, permission, times)).not.toBe(await joinToken(amina, permission, times));
});

test("a deployment without a key says what to set", async () => {
  deployment();
  vi.stubEnv("EDGE_TOKEN_KEY", "");
  await expect(joinToken(amina, permission, { now: START, stayUntil: START })).rejects.toThrow("EDGE_TOKEN_KEY");
});

test("nodes know the present and the former keys, and by them verify what was signed here", async () => {
  const t = deployment();
  const [present, former] = fixtures.tokenKeys;
  vi.stubEnv("EDGE_TOKEN_KEYS_OLD", `${former?.kid}:${former?.key}, broken:key`);
  const node = new TestNode(t, "lagos-1");
  await node.register();
  expect(node.desired?.tokenKeys).toEqual([present, former].map((key) => ({ kid: key?.kid, key: key?.key })));
  const token = await joinToken(amina, permission, { now: START, stayUntil: START + HOUR });
  expect((await judge(token, node.desired?.tokenKeys ?? [], START)).verdict).toBe("valid");
});

test("nodes know the meetings of the next 48 hours, one node of each region for each", async () => {
  const t = deployment();
  const nodes = ["lagos-1", "lagos-2", "abuja-1", "kano-1"].map((name) => new TestNode(t, name));
  for (const node of nodes) {
    await node.register();
  }
  await t.mutation(internal.edge.nodes.drain, { node: "kano-1", draining: true });
  const meeting = { room: "ROOM-1", meetingId: "m1", startsAt: START + HOUR, endsAt: START + 2 * HOUR, maxParticipants: 40 };
  scheduled.rooms = [meeting];
  scheduled.asked = [];
  const order = await rendezvousOrder("ROOM-1", ["lagos-1", "lagos-2", "abuja-1"]);
  const lagos = order.find((node) => node.startsWith("lagos"));
  for (const node of nodes) {
    await node.sync();
    expect(node.desired?.scheduled).toEqual([{ ...meeting, home: order[0], nodes: ["abuja-1", lagos] }]);
  }
  expect(scheduled.asked[0]).toEqual({ from: START - HOUR, to: START + 48 * HOUR, limit: 200 });

  // The schedule is looked at again after a minute, although nothing of the fleet has changed.
  scheduled.rooms = [];
  await pass(t, 30_000);
  await nodes[0]?.sync();
  expect(nodes[0]?.desired?.scheduled).toHaveLength(1);
  await pass(t, 31_000);
  await nodes[0]?.sync();
  expect(nodes[0]?.desired?.scheduled).toEqual([]);
});
