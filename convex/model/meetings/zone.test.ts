// Wall clocks of zones with and without summer time.
import { expect, test } from "vitest";
import { instantOf, isZone, offsetAt, wallAt } from "./zone";

const HOUR = 3_600_000;

test.each([
  ["Africa/Lagos", "2026-11-23T08:00:00Z", 1],
  ["UTC", "2026-11-23T08:00:00Z", 0],
  ["Europe/London", "2026-11-23T08:00:00Z", 0],
  ["Europe/London", "2026-07-01T08:00:00Z", 1],
  ["America/New_York", "2026-07-01T08:00:00Z", -4],
  ["Asia/Kolkata", "2026-07-01T08:00:00Z", 5.5],
])("%s at %s is %d hours ahead", (zone, at, hours) => {
  expect(offsetAt(zone, Date.parse(at))).toBe(hours * HOUR);
});

test("a wall clock tells the day of its own place", () => {
  expect(wallAt("Africa/Lagos", Date.parse("2026-11-22T23:30:00Z"))).toEqual({
    year: 2026, month: 11, day: 23, hour: 0, minute: 30, second: 0, weekday: 1,
  });
});

test.each([
  ["Africa/Lagos", [2026, 11, 23, 9, 0], "2026-11-23T08:00:00Z"],
  ["Europe/London", [2026, 3, 28, 9, 0], "2026-03-28T09:00:00Z"],
  ["Europe/London", [2026, 3, 30, 9, 0], "2026-03-30T08:00:00Z"],
  // Skipped: clocks go from 01:00 to 02:00.
  ["Europe/London", [2026, 3, 29, 1, 30], "2026-03-29T01:30:00Z"],
  // Twice: the first of them, in summer time.
  ["Europe/London", [2026, 10, 25, 1, 30], "2026-10-25T00:30:00Z"],
] as const)("clocks in %s show %j at %s", (zone, [year, month, day, hour, minute], at) => {
  expect(new Date(instantOf(zone, { year, month, day, hour, minute, second: 0 })).toISOString()).toBe(
    new Date(at).toISOString(),
  );
});

test("a zone nobody knows is none", () => {
  expect(["Africa/Lagos", "UTC", "Europe/Paris", "Mars/Olympus", "x".repeat(1000)].map(isZone)).toEqual([
    true, true, true, false, false,
  ]);
});
