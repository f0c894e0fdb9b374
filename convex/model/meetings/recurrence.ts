// When a repeated meeting takes place. Reckoned on the wall clock of its zone, so a class at nine stays at nine when
// clocks change. Pure; making the meetings is for `meetings/recurring.ts`.
import { daysIn, instantOf, wallAt } from "./zone";
import type { Wall } from "./zone";

/** The platform's rule. Days of the week are 0-6 from Sunday. */
export interface Recurrence {
  pattern: "daily" | "weekly" | "monthly";
  interval: number;
  daysOfWeek?: number[];
  dayOfMonth?: number;
  endDate?: number;
  occurrences?: number;
}

/** No rule yields more: a daily class for two years. */
export const OCCURRENCES_MAX = 730;
/** Months without the wished day are passed over; a rule that never fits must still come to an end. */
const STEPS_MAX = 5_000;

/** What is wrong with a rule, or null. */
export function flawOf(rule: Recurrence): string | null {
  if (!Number.isInteger(rule.interval) || rule.interval < 1 || rule.interval > 366) {
    return "Repeat every 1 to 366 days, weeks or months.";
  }
  const days = rule.daysOfWeek ?? [];
  if (days.length > 7 || days.some((day) => !Number.isInteger(day) || day < 0 || day > 6)) {
    return "Days of the week are numbers from 0 (Sunday) to 6 (Saturday).";
  }
  const day = rule.dayOfMonth;
  if (day !== undefined && (!Number.isInteger(day) || day < 1 || day > 31)) {
    return "The day of the month is a number from 1 to 31.";
  }
  const count = rule.occurrences;
  if (count !== undefined && (!Number.isInteger(count) || count < 1 || count > OCCURRENCES_MAX)) {
    return `Repeat 1 to ${OCCURRENCES_MAX} times.`;
  }
  return null;
}

/**
 * Starts of the occurrences up to and including `until`, the first meeting
 * itself first. `until` bounds the answer; the rule's own end does so too.
 */
export function occurrences(rule: Recurrence, first: number, zone: string, until: number): number[] {
  const limit = Math.min(rule.occurrences ?? OCCURRENCES_MAX, OCCURRENCES_MAX);
  const last = Math.min(until, rule.endDate ?? Infinity);
  const starts: number[] = first <= until ? [first] : [];
  for (const start of following(rule, first, zone)) {
    if (starts.length >= limit || start > last) break;
    starts.push(start);
  }
  return starts;
}

/** All occurrences after the first, without end but for the count of steps. */
function* following(rule: Recurrence, first: number, zone: string): Generator<number> {
  const origin = wallAt(zone, first);
  for (let step = 0; step < STEPS_MAX; step++) {
    for (const day of daysOfStep(rule, origin, step)) {
      const start = instantOf(zone, { ...origin, ...day });
      if (start > first) yield start;
    }
  }
}

type Day = Pick<Wall, "year" | "month" | "day">;

function daysOfStep(rule: Recurrence, origin: Wall, step: number): Day[] {
  const stride = step * rule.interval;
  switch (rule.pattern) {
    case "daily":
      return [dayAfter(origin, stride)];
    case "weekly": {
      const days = rule.daysOfWeek?.length ? [...new Set(rule.daysOfWeek)].sort((a, b) => a - b) : [origin.weekday];
      return days.map((weekday) => dayAfter(origin, stride * 7 + weekday - origin.weekday));
    }
    case "monthly": {
      const months = origin.month - 1 + stride;
      const year = origin.year + Math.floor(months / 12);
      const month = (months % 12) + 1;
      const day = rule.dayOfMonth ?? origin.day;
      // A class on the 31st is held on the last day of a shorter month rather than not at all.
      return [{ year, month, day: Math.min(day, daysIn(year, month)) }];
    }
  }
}

function dayAfter(origin: Day, days: number): Day {
  const date = new Date(Date.UTC(origin.year, origin.month - 1, origin.day + days));
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}
