// Wall clocks: the instant at which a clock in a time zone shows a given day and time, and back. Lagos, which keeps
// one offset all year, needs no tables; other zones are asked of `Intl`.

/** The zone of the schools this is made for. */
export const HOME_ZONE = "Africa/Lagos";

/** What a clock on a wall shows. `month` is 1-12, `weekday` 0-6 from Sunday. */
export interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  weekday: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Whether this zone can be reckoned with. */
export function isZone(zone: string): boolean {
  if (zone === HOME_ZONE || zone === "UTC") return true;
  if (zone.length > 64) return false;
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** How far the clocks of `zone` are ahead of UTC at `at`, in milliseconds. */
export function offsetAt(zone: string, at: number): number {
  if (zone === HOME_ZONE) return HOUR;
  if (zone === "UTC") return 0;
  const shown: Partial<Record<string, number>> = {};
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  for (const { type, value } of clock.formatToParts(at)) shown[type] = Number(value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
}

/** What clocks in `zone` show at `at`. */
export function wallAt(zone: string, at: number): Wall {
  const shifted = new Date(at + offsetAt(zone, at));
  return {
    year: shifted.getUTCFullYear(),
    month: shifted.getUTCMonth() + 1,
    day: shifted.getUTCDate(),
    hour: shifted.getUTCHours(),
    minute: shifted.getUTCMinutes(),
    second: shifted.getUTCSeconds(),
    weekday: shifted.getUTCDay(),
  };
}

/**
 * When clocks in `zone` show this. A time that is skipped in spring is read as
 * the hour after; one that comes twice in autumn as the first.
 */
export function instantOf(zone: string, wall: Omit<Wall, "weekday">): number {
  const plain = Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);
  const before = plain - offsetAt(zone, plain - DAY);
  const after = plain - offsetAt(zone, plain + DAY);
  const candidates = [before, after].filter((at) => at + offsetAt(zone, at) === plain);
  return candidates.length > 0 ? Math.min(...candidates) : before;
}

/** Days of `month` (1-12) of `year`. */
export function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}
