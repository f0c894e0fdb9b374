// Who is let in: every request that is not a known node's own is turned away before anything is written.
import { describe, expect, test, vi } from "vitest";
import everyEvent from "../fixtures/wire/sync-request-every-event.json";
import idle from "../fixtures/wire/sync-request-idle.json";
import registering from "../fixtures/wire/register-request.json";
import unknownFields from "../fixtures/wire/sync-request-unknown-fields.json";
import unreadable from "../fixtures/wire/sync-request-unreadable-events.json";
import withoutRelay from "../fixtures/wire/register-request-without-relay.json";
import { internal } from "../_generated/api";
import { deployment, pass, settled, START, type Backend } from "../testing/backend";
import { send, signed, TestNode } from "../testing/node";

const REGISTER = "/edge/v1/register";
const SYNC = "/edge/v1/sync";

/** Everything the fleet's tables hold, to see that nothing was written. */
async function rows(t: Backend): Promise<number> {
  return await t.run(async (ctx) => {
    const tables = ["edgeNodes", "edgeLoad", "edgeLogs", "edgeNonces", "edgeSpans", "edgeRooms"] as const;
    const counts = await Promise.all(tables.map(async (table) => (await ctx.db.query(table).collect()).length));
    return counts.reduce((sum, count) => sum + count, 0);
  });
}

describe("a request that is not the node's own writes nothing", () => {
  const body = JSON.stringify(registering.json);
  const genuine = () => signed("lagos-1", REGISTER, body);
  const described = (change: object) => signed("lagos-1", REGISTER, JSON.stringify({ ...registering.json, ...change }));
  const cases: [string, () => Promise<RequestInit>, number, string][] = [
    ["tampered body", async () => ({ ...(await genuine()), body: body.replace("500", "900") }), 401, "signature"],
    ["no headers", () => Promise.resolve({ method: "POST", body }), 401, "signature"],
    ["old timestamp", () => signed("lagos-1", REGISTER, body, { timestamp: START - 300_001 }), 401, "clock"],
    ["clock ten minutes ahead", () => signed("lagos-1", REGISTER, body, { timestamp: START + 600_000 }), 401, "clock"],
    ["unknown key version", () => signed("lagos-1", REGISTER, body, { version: 2 }), 401, "signature"],
    ["another deployment's key", () => signed("lagos-1", REGISTER, body, { master: "guess" }), 401, "signature"],
    ["signed for another path", () => signed("lagos-1", SYNC, body), 401, "signature"],
    ["a node writing as another", () => signed("abuja-1", REGISTER, body), 401, "node"],
    ["not JSON", () => signed("lagos-1", REGISTER, "{"), 400, "malformed"],
    ["not UTF-8 and too long", () => signed("lagos-1", REGISTER, "x".repeat(300_000)), 413, "too_large"],
    ["a path in url", () => described({ url: "wss://lagos-1.edge.example.org/a" }), 400, "malformed"],
    ["a password in httpUrl", () => described({ httpUrl: "https://a:b@lagos-1.edge.example.org" }), 400, "malformed"],
    ["a strange scheme", () => described({ httpUrl: "file:///etc/passwd" }), 400, "malformed"],
    ["half a person", () => described({ capacity: 0.5 }), 400, "malformed"],
    ["a short signing key", () => described({ signingKey: "AAAA" }), 400, "malformed"],
  ];
  test.each(cases)("%s", async (_name, make, status, error) => {
    const t = deployment();
    const answer = await send(t, REGISTER, await make());
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ error, serverTimeMs: START });
    expect(answer.body.message).not.toBe("");
    expect(await rows(t)).toBe(0);
  });

  test("another version of the wire", async () => {
    const t = deployment();
    const answer = await send(t, "/edge/v2/sync", await signed("lagos-1", "/edge/v2/sync", body));
    expect([answer.status, answer.body.error]).toEqual([400, "unknown_version"]);
    expect(await rows(t)).toBe(0);
  });
});

test("a clock ten minutes off is told the time, and is let in once corrected", async () => {
  const t = deployment();
  const node = new TestNode(t, "lagos-1");
  node.skew = 600_000;
  const refused = await node.register();
  expect(refused.body).toMatchObject({ error: "clock", serverTimeMs: START });
  node.skew += (refused.body.serverTimeMs as number) - (Date.now() + node.skew);
  expect((await node.register()).status).toBe(200);
});

test("a register that is played back is refused", async () => {
  const t = deployment();
  const node = new TestNode(t, "lagos-1");
  const init = await signed("lagos-1", REGISTER, JSON.stringify(node.description()));
  expect((await send(t, REGISTER, init)).body.epoch).toBe(1);
  const again = await send(t, REGISTER, init);
  expect([again.status, again.body.error]).toEqual([401, "replayed"]);
  vi.setSystemTime(START + 299_000);
  expect((await send(t, REGISTER, init)).body.error).toBe("replayed");
});

test("two versions of the master are good while keys are changed, and the old one no longer after", async () => {
  const t = deployment();
  vi.stubEnv("EDGE_MASTER_2", "the next master");
  vi.stubEnv("EDGE_KEY_VERSIONS", "2,1");
  const body = JSON.stringify(registering.json);
  const next = { master: "the next master", version: 2 };
  expect((await send(t, REGISTER, await signed("lagos-1", REGISTER, body))).status).toBe(200);
  expect((await send(t, REGISTER, await signed("lagos-1", REGISTER, body, next))).status).toBe(200);
  vi.stubEnv("EDGE_KEY_VERSIONS", "2");
  expect((await send(t, REGISTER, await signed("lagos-1", REGISTER, body))).status).toBe(401);
  expect((await send(t, REGISTER, await signed("lagos-1", REGISTER, body, next))).body.epoch).toBe(3);
});

test("a revoked node neither reports nor learns, and registering does not help it", async () => {
  const t = deployment();
  const [lagos, abuja] = [new TestNode(t, "lagos-1"), new TestNode(t, "abuja-1")];
  await lagos.register();
  await abuja.register();
  await t.mutation(internal.edge.nodes.revoke, { node: "lagos-1" });
  lagos.tell({ type: "room_started", room: "R", roomSid: "RM_R", generation: 1 });
  expect((await lagos.sync())?.body.error).toBe("revoked");
  expect((await lagos.register()).body.error).toBe("revoked");
  await abuja.sync();
  expect(abuja.desired?.peers).toEqual([]);
  expect(await t.run((ctx) => ctx.db.query("edgeRooms").collect())).toEqual([]);

  await t.mutation(internal.edge.nodes.restore, { node: "lagos-1" });
  expect((await lagos.sync())?.body.error).toBe("stale_epoch");
  await lagos.register();
  expect((await lagos.sync())?.status).toBe(200);
});

describe("every body of the shared fixtures is understood", () => {
  test.each([registering, withoutRelay])("$name", async ({ json }) => {
    const t = deployment();
    const answer = await send(t, REGISTER, await signed(json.node, REGISTER, JSON.stringify(json)));
    expect(answer.body).toMatchObject({ epoch: 1, ackSeq: 0, leaseMs: 20_000, serverTimeMs: START });
    expect(answer.body.desired).toMatchObject({ rooms: [], peers: [], scheduled: [], revoked: [], draining: false });
  });

  test.each([idle, everyEvent, unknownFields, unreadable])("$name", async (fixture) => {
    const t = deployment();
    await send(t, REGISTER, await signed("lagos-1", REGISTER, JSON.stringify(registering.json)));
    await pass(t, 100_000);
    const body = JSON.stringify({ ...fixture.json, epoch: 1 });
    const answer = await send(t, SYNC, await signed("lagos-1", SYNC, body));
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    expect(answer.body.ackSeq).toBe(fixture.json.events.length);
    await settled(t);
    const letters = await t.run((ctx) => ctx.db.query("edgeDeadLetters").collect());
    const expected = "unreadable" in fixture ? fixture.unreadable.map((place) => place + 1) : [];
    // The last of the unreadable ones can be read, but speaks of somebody who never joined.
    const unjoined = fixture.name === "sync-request-unreadable-events" ? [5] : [];
    expect(letters.map(({ seq }) => seq)).toEqual([...expected, ...unjoined]);
  });
});
