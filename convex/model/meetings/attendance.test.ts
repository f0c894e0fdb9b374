// Registers of meetings, to the second.
import { expect, test } from "vitest";
import { engagement, lasted, NO_DEEDS, register } from "./attendance";
import { lengthOf, union } from "./spans";

const START = Date.parse("2026-11-23T08:00:00Z");
const at = (minutes: number, seconds = 0) => START + minutes * 60_000 + seconds * 1000;
const END = at(60);

const span = (userId: string | null, start: number, end: number | null, identity = `${userId}#a`) => ({
  userId,
  identity,
  name: `name of ${userId ?? identity}`,
  start,
  end,
});

test.each([
  ["nothing", [], []],
  ["two devices at once", [[0, 10], [5, 20]], [[0, 20]]],
  ["one inside another", [[0, 30], [5, 20]], [[0, 30]]],
  ["ends meeting", [[0, 10], [10, 20]], [[0, 20]]],
  ["apart, out of order", [[30, 40], [0, 10]], [[0, 10], [30, 40]]],
  ["still there", [[0, 10], [50, null]], [[0, 10], [50, 60]]],
  ["left before joining, by a wrong clock", [[10, 5]], [[10, 10]]],
] as const)("%s", (_, spans, expected) => {
  const stretches = union(
    spans.map(([start, end]) => ({ start: at(start), end: end === null ? null : at(end) })),
    END,
  );
  expect(stretches).toEqual(expected.map(([start, end]) => ({ start: at(start), end: at(end) })));
});

test("the register tells present, late, absent and unknown people apart, to the second", () => {
  const lines = register(
    START,
    END,
    [
      { userId: "ada", name: "Ada" },
      { userId: "bayo", name: "Bayo" },
      { userId: "chidi", name: "Chidi" },
    ],
    [
      span("ada", at(-2), at(20, 7)),
      span("ada", at(15), at(31, 9), "ada#b"),
      span("ada", at(40), null),
      span("bayo", at(5, 1), at(59)),
      span("dayo", at(1), at(2, 3)),
      span(null, at(3), at(4), "guest_1764000000000"),
      span(null, at(3), at(5), "guest_1764000009999"),
    ],
  );
  const told = Object.fromEntries(
    lines.map((line) => [line.userId ?? line.identity, [line.attendance, line.presentMs / 1000, line.lateMs / 1000]]),
  );
  expect(told).toEqual({
    ada: ["present", 33 * 60 + 9 + 20 * 60, 0],
    bayo: ["late", 53 * 60 + 59, 301],
    chidi: ["absent", 0, 0],
    dayo: ["present", 63, 0],
    guest_1764000000000: ["unattributed", 60, 0],
    guest_1764000009999: ["unattributed", 120, 0],
  });
  expect(lines.filter((line) => line.expected).map((line) => line.name)).toEqual(["Ada", "Bayo", "Chidi"]);
  expect(lines.find((line) => line.userId === "ada")?.connections).toBe(3);
});

test("five minutes late is not late", () => {
  const [line] = register(START, END, [], [span("ada", at(5), at(6))]);
  expect(line?.attendance).toBe("present");
});

test("lengths add up", () => {
  expect(lengthOf([{ start: 0, end: 5 }, { start: 7, end: 9 }])).toBe(7);
});

test.each([
  [0, NO_DEEDS, 0],
  [60, NO_DEEDS, 50],
  [30, NO_DEEDS, 25],
  [60, { ...NO_DEEDS, messages: 1000 }, 60],
  [60, { messages: 5, hands: 2, answers: 3, microphoneMs: 720_000, cameraMs: 3_600_000, screenMs: 0 }, 100],
])("present for %d minutes with %j scores %d", (minutes, deeds, score) => {
  expect(engagement(minutes * 60_000, 60 * 60_000, deeds)).toBe(score);
});

test.each([
  ["as planned", [0, 60], [[1, 60]], [0, 60]],
  ["ended early by its host", [0, 20], [[1, 20]], [0, 20]],
  ["begun early by its host", [-10, 60], [[-10, 60]], [-10, 60]],
  ["noted late, after an outage", [45, 300], [[2, 58]], [2, 60]],
  ["going on through an outage past its end", [45, 300], [[2, 75]], [2, 75]],
  ["never noted", [null, null], [[2, 58]], [0, 60]],
  ["of nobody", [0, 60], [], [0, 60]],
  ["somebody early at the door of the room", [0, 60], [[-14, 60]], [0, 60]],
] as const)("a meeting %s", (_, [start, end], spans, expected) => {
  const times = {
    plannedStart: START,
    plannedEnd: END,
    start: start === null ? null : at(start),
    end: end === null ? null : at(end),
  };
  const { startedAt, endedAt } = lasted(times, spans.map(([from, to]) => ({ start: at(from), end: at(to) })));
  expect([startedAt, endedAt]).toEqual([at(expected[0]), at(expected[1])]);
});
