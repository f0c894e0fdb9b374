// Reading what came in: what may be missing, what is left out, what is cut, what is given up.
import { v } from "convex/values";
import { describe, expect, test } from "vitest";
import fixture from "../../fixtures/wire/sync-request-every-event.json";
import { settle } from "./clock";
import { decode } from "./decode";
import { readEvent } from "./events";
import { readBatch } from "./log";

const shape = v.object({
  name: v.string(),
  size: v.optional(v.number()),
  where: v.union(v.string(), v.null()),
  kind: v.optional(v.union(v.literal("a"), v.literal("b"))),
  list: v.optional(v.array(v.object({ on: v.boolean() }))),
  notes: v.optional(v.record(v.string(), v.string())),
});

describe("a body is read by its validator", () => {
  test.each([
    ["what is needed", { name: "x", where: null }, { name: "x", where: null }],
    ["fields of a later version are left out", { name: "x", where: "y", later: 1 }, { name: "x", where: "y" }],
    ["null is absent", { name: "x", where: "y", size: null }, { name: "x", where: "y" }],
    ["lists of objects", { name: "x", where: "y", list: [{ on: true, z: 1 }] }, { name: "x", where: "y", list: [{ on: true }] }],
    [
      "names that cannot be stored are left out",
      { name: "x", where: "y", notes: { fine: "1", $bad: "2", _bad: "3", "": "4", Ọ: "5" } },
      { name: "x", where: "y", notes: { fine: "1" } },
    ],
  ])("%s", (_what, json, value) => {
    expect(decode(shape, json)).toEqual({ ok: true, value });
  });

  test.each([
    [undefined, "the body is not an object"],
    [[], "the body is not an object"],
    [{ where: "y" }, "name is not a string"],
    [{ name: "x" }, "where is not one of the kinds it may be"],
    [{ name: "x", where: "y", size: Number.NaN }, "size is not a number"],
    [{ name: "x", where: "y", kind: "c" }, "kind is not one of the kinds it may be"],
    [{ name: "x", where: "y", list: [{ on: true }, { on: 1 }] }, "list[1].on is not a boolean"],
    [{ name: "x", where: "y", notes: { fine: 1 } }, "notes.fine is not a string"],
    [JSON.parse('{"__proto__": {"name": "x", "where": "y"}}'), "name is not a string"],
  ])("%j: %s", (json, reason) => {
    expect(decode(shape, json)).toEqual({ ok: false, reason });
  });
});

const joined = fixture.json.events[1];
const said = fixture.json.events[5];

describe("an event is", () => {
  test.each(fixture.json.events.map((event) => [event.type, event] as const))("read: %s", (_type, event) => {
    const read = readEvent(event);
    expect(read).toMatchObject(event);
  });

  test("cut where only its length is wrong", () => {
    const long = "ẹ".repeat(10_000);
    const read = readEvent({ ...joined, name: long, client: { device: long }, attributes: { a: "1", b: long } });
    expect(read).toMatchObject({ type: "joined", name: "ẹ".repeat(256), attributes: { a: "1" } });
    expect(read.type === "joined" && read.client.device?.length).toBe(128);
    const message = readEvent({ ...said, text: long });
    expect(message).toMatchObject({ truncated: true, text: "ẹ".repeat(Math.floor(8192 / 3)) });
    expect(readEvent({ ...said, text: "short" })).toMatchObject({ truncated: false, text: "short" });
  });

  test.each([
    ["no id", { ...joined, sid: "" }],
    ["an id without end", { ...joined, identity: "x".repeat(513) }],
    ["no time", { ...joined, at: undefined }],
    ["a time before all", { ...joined, at: -1 }],
    ["half a millisecond", { ...said, sentAt: 0.5 }],
    ["a crowd of recipients", { ...said, to: Array.from({ length: 1001 }, (_, n) => `p${n}`) }],
    ["too many sealed", { type: "chat_sealed", at: 1, room: "R", count: 1e7 }],
    ["a type from elsewhere", { type: "toString", at: 1 }],
    ["nothing", null],
  ])("given up: %s", (_what, event) => {
    const read = readEvent(event);
    expect(read.type).toBe("unreadable");
    expect(read.type === "unreadable" && read.reason).not.toBe("");
    expect(read.type === "unreadable" && read.event.length).toBeLessThanOrEqual(4096);
  });
});

describe("of a batch, what is new", () => {
  test.each([
    // known, first, length -> skipped, known then
    [0, 1, 3, { skip: 0, ackSeq: 3 }],
    [3, 1, 3, { skip: 3, ackSeq: 3 }],
    [3, 2, 4, { skip: 2, ackSeq: 5 }],
    [3, 4, 0, { skip: 0, ackSeq: 3 }],
    [9, 1, 3, { skip: 3, ackSeq: 9 }],
    [3, 5, 1, null],
    [0, 2, 0, null],
  ])("after %i, from %i, %i of them", (known, first, length, answer) => {
    expect(readBatch(known, first, length)).toEqual(answer);
  });
});

test("a time is held between the last fact and now", () => {
  expect([settle(5, 10_000), settle(15_000, 10_000), settle(5, 10_000, 7), settle(11_500, 10_000)]).toEqual([
    5, 12_000, 7, 11_500,
  ]);
});
