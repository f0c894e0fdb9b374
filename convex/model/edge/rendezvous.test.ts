// The homes of the shared fixtures, which the nodes' tests read too.
import { describe, expect, test } from "vitest";
import cases from "../../fixtures/wire/rendezvous.json";
import { rendezvousOrder } from "./rendezvous";

describe("every node finds the same home", () => {
  test.each(cases)("$room among $nodes", async ({ room, nodes, order }) => {
    expect(await rendezvousOrder(room, nodes)).toEqual(order);
    expect(await rendezvousOrder(room, [...nodes].reverse())).toEqual(order);
  });
});

test("a node that leaves moves its own rooms only", async () => {
  const fleet = ["a", "b", "c", "d"];
  for (let room = 0; room < 50; room += 1) {
    const [home] = await rendezvousOrder(`ROOM-${room}`, fleet);
    const [left] = await rendezvousOrder(`ROOM-${room}`, ["a", "b", "c"]);
    expect(home === "d" || home === left).toBe(true);
  }
});
