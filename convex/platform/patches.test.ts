// What a host is asked to change: at most ten lines, none of them taken away.
import { expect, test } from "vitest";
import overlay from "./patches/1-overlay.patch?raw";

test("the overlay adds at most ten lines to a host's files, and takes none away", () => {
  const changed = overlay.split("\n").filter((line) => /^[+-](?![+-])/.test(line));
  expect(changed.filter((line) => line.startsWith("+")).length).toBeLessThanOrEqual(10);
  expect(changed.filter((line) => line.startsWith("-"))).toEqual([]);
});
