// When repeated meetings take place.
import { expect, test } from "vitest";
import { flawOf, occurrences } from "./recurrence";
import type { Recurrence } from "./recurrence";

const FAR = Date.parse("2030-01-01T00:00:00Z");

test.each<[string, Recurrence, string, string, string[]]>([
  [
    "every second day",
    { pattern: "daily", interval: 2, occurrences: 3 },
    "Africa/Lagos",
    "2026-11-29T08:00:00Z",
    ["2026-11-29T08:00", "2026-12-01T08:00", "2026-12-03T08:00"],
  ],
  [
    "Mondays and Wednesdays, from a Wednesday",
    { pattern: "weekly", interval: 1, daysOfWeek: [3, 1], occurrences: 4 },
    "Africa/Lagos",
    "2026-11-25T08:00:00Z",
    ["2026-11-25T08:00", "2026-11-30T08:00", "2026-12-02T08:00", "2026-12-07T08:00"],
  ],
  [
    "every second week on the day it began",
    { pattern: "weekly", interval: 2, occurrences: 3 },
    "Africa/Lagos",
    "2026-12-24T16:00:00Z",
    ["2026-12-24T16:00", "2027-01-07T16:00", "2027-01-21T16:00"],
  ],
  [
    "the last day of months that have no 31st",
    { pattern: "monthly", interval: 1, dayOfMonth: 31, occurrences: 4 },
    "Africa/Lagos",
    "2026-12-31T08:00:00Z",
    ["2026-12-31T08:00", "2027-01-31T08:00", "2027-02-28T08:00", "2027-03-31T08:00"],
  ],
  [
    "until its end date",
    { pattern: "daily", interval: 1, endDate: Date.parse("2026-11-25T12:00:00Z") },
    "Africa/Lagos",
    "2026-11-23T08:00:00Z",
    ["2026-11-23T08:00", "2026-11-24T08:00", "2026-11-25T08:00"],
  ],
  [
    "nine in London over the change of the clocks",
    { pattern: "daily", interval: 1, occurrences: 3 },
    "Europe/London",
    "2026-03-28T09:00:00Z",
    ["2026-03-28T09:00", "2026-03-29T08:00", "2026-03-30T08:00"],
  ],
  [
    "a day that in Lagos is already tomorrow",
    { pattern: "weekly", interval: 1, daysOfWeek: [1], occurrences: 2 },
    "Africa/Lagos",
    "2026-11-22T23:30:00Z",
    ["2026-11-22T23:30", "2026-11-29T23:30"],
  ],
])("%s", (_, rule, zone, first, expected) => {
  const starts = occurrences(rule, Date.parse(first), zone, FAR);
  expect(starts.map((at) => new Date(at).toISOString().slice(0, 16))).toEqual(expected);
});

test("a rule without end stops at what is asked for", () => {
  const first = Date.parse("2026-11-23T08:00:00Z");
  expect(occurrences({ pattern: "daily", interval: 1 }, first, "Africa/Lagos", first + 86_400_000 * 9)).toHaveLength(10);
  expect(occurrences({ pattern: "daily", interval: 1 }, first, "Africa/Lagos", FAR)).toHaveLength(730);
  expect(occurrences({ pattern: "daily", interval: 1 }, first, "Africa/Lagos", first - 1)).toEqual([]);
});

test.each<[Partial<Recurrence>, boolean]>([
  [{}, true],
  [{ interval: 0 }, false],
  [{ interval: 1.5 }, false],
  [{ interval: NaN }, false],
  [{ daysOfWeek: [7] }, false],
  [{ daysOfWeek: [0, 6] }, true],
  [{ dayOfMonth: 32 }, false],
  [{ occurrences: 0 }, false],
  [{ occurrences: 1e9 }, false],
])("%j is a rule: %s", (part, good) => {
  expect(flawOf({ pattern: "weekly", interval: 1, ...part }) === null).toBe(good);
});
