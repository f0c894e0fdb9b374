// Where people are sent: near first, then where the room is, never to a node that is silent, draining or full.
import { describe, expect, test } from "vitest";
import { orderNodes, type NodeLoad, type RegionTimes } from "./placement";

const EMPTY: Omit<NodeLoad, "node" | "region"> = {
  url: "wss://x",
  capacity: 100,
  participants: 0,
  busyPercent: 0,
  alive: true,
  draining: false,
};

function node(name: string, change: Partial<NodeLoad> = {}): NodeLoad {
  return { ...EMPTY, node: name, region: name.split("-")[0] ?? name, ...change };
}

type Case = [what: string, nodes: NodeLoad[], attached: string[], times: RegionTimes, order: string[]];

const near: RegionTimes = { lagos: 12, abuja: 35 };

const cases: Case[] = [
  ["nobody is there", [], [], near, []],
  ["the nearest region comes first", [node("abuja-1"), node("lagos-1")], [], near, ["lagos-1", "abuja-1"]],
  [
    "the caller's own region is better than the room's node elsewhere",
    [node("abuja-1"), node("lagos-1")],
    ["abuja-1"],
    near,
    ["lagos-1", "abuja-1"],
  ],
  [
    "without a node in the caller's region, the room's node is better than a nearer one",
    [node("abuja-1"), node("kano-1"), node("jos-1")],
    ["kano-1"],
    { lagos: 5 },
    ["kano-1", "abuja-1", "jos-1"],
  ],
  [
    "within the region, the room's node is better than an emptier one",
    [node("lagos-1", { participants: 50 }), node("lagos-2")],
    ["lagos-1"],
    near,
    ["lagos-1", "lagos-2"],
  ],
  [
    "the emptier of two that are both new to the room",
    [node("lagos-1", { participants: 50 }), node("lagos-2")],
    [],
    near,
    ["lagos-2", "lagos-1"],
  ],
  [
    "a full node of the room gives way to another of the region",
    [node("lagos-1", { participants: 100 }), node("lagos-2"), node("abuja-1")],
    ["lagos-1"],
    near,
    ["lagos-2", "abuja-1"],
  ],
  ["a busy processor is full too", [node("lagos-1", { busyPercent: 90 }), node("abuja-1")], [], near, ["abuja-1"]],
  ["when all are full, they serve", [node("lagos-1", { participants: 100 })], [], near, ["lagos-1"]],
  [
    "silent and draining nodes take nobody",
    [node("lagos-1", { alive: false }), node("lagos-2", { draining: true }), node("abuja-1")],
    ["lagos-1"],
    near,
    ["abuja-1"],
  ],
  ["nobody takes anybody", [node("lagos-1", { alive: false })], [], near, []],
  ["loads some seconds old that hardly differ", [node("lagos-2", { participants: 9 }), node("lagos-1")], [], {}, ["lagos-1", "lagos-2"]],
  ["without any measurement, where the room is", [node("abuja-1"), node("lagos-1")], ["lagos-1"], {}, ["lagos-1", "abuja-1"]],
  [
    "the nearest region is full: the next nearest, not the room's far node",
    [node("lagos-1", { participants: 100 }), node("abuja-1"), node("kano-1")],
    ["kano-1"],
    near,
    ["abuja-1", "kano-1"],
  ],
];

describe("people are placed", () => {
  test.each(cases)("%s", (_what, nodes, attached, times, order) => {
    const answer = orderNodes(nodes, new Set(attached), times).map((each) => each.node);
    expect(answer).toEqual(order);
    expect(orderNodes([...nodes].reverse(), new Set(attached), times).map((each) => each.node)).toEqual(order);
  });
});
