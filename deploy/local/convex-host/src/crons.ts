// When the periodic functions run next. Times are UTC, as Convex's are.
//
// Expressions in cron syntax know numbers, `*`, lists, ranges and steps; names of
// days and months do not occur here and are refused.

/** As `cronJobs()` keeps them. */
export interface Cron {
  name: string;
  args: unknown[];
  schedule: Schedule;
}

type Schedule =
  | { type: 'interval'; seconds?: number; minutes?: number; hours?: number }
  | { type: 'hourly'; minuteUTC?: number }
  | { type: 'daily'; hourUTC: number; minuteUTC?: number }
  | { type: 'weekly'; dayOfWeek: string; hourUTC: number; minuteUTC?: number }
  | { type: 'monthly'; day: number; hourUTC: number; minuteUTC?: number }
  | { type: 'cron'; cron: string };

const MINUTE_MS = 60_000;
const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
/** Every date there is comes round within eight years (29 February around a century's end). */
const SEARCH_DAYS = 366 * 8;

/** The first time after `now`. */
export function nextRun(schedule: Schedule, now: number): number {
  switch (schedule.type) {
    case 'interval':
      return now + ((schedule.seconds ?? 0) + 60 * (schedule.minutes ?? 0) + 3600 * (schedule.hours ?? 0)) * 1000;
    case 'hourly':
      return search(now, { minute: exactly(schedule.minuteUTC ?? 0) });
    case 'daily':
      return search(now, { minute: exactly(schedule.minuteUTC ?? 0), hour: exactly(schedule.hourUTC) });
    case 'weekly':
      return search(now, {
        minute: exactly(schedule.minuteUTC ?? 0), hour: exactly(schedule.hourUTC),
        weekday: exactly(DAYS.indexOf(schedule.dayOfWeek)),
      });
    case 'monthly':
      return search(now, { minute: exactly(schedule.minuteUTC ?? 0), hour: exactly(schedule.hourUTC), day: exactly(schedule.day) });
    case 'cron':
      return search(now, parse(schedule.cron));
  }
}

type Allows = (value: number) => boolean;
interface Times {
  minute: Allows;
  hour?: Allows;
  day?: Allows;
  month?: Allows;
  weekday?: Allows;
  /** Of an expression that names days of both kinds either is enough. */
  eitherDay?: boolean;
}

function exactly(wanted: number): Allows {
  return (value) => value === wanted;
}

function search(now: number, times: Times): number {
  const start = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
  const any: Allows = () => true;
  const { minute, hour = any, day = any, month = any, weekday = any } = times;
  const first = new Date(start);
  for (let offset = 0; offset <= SEARCH_DAYS; offset++) {
    const date = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth(), first.getUTCDate() + offset));
    const [ofMonth, ofWeek] = [day(date.getUTCDate()), weekday(date.getUTCDay())];
    if (!month(date.getUTCMonth() + 1) || !(times.eitherDay ? ofMonth || ofWeek : ofMonth && ofWeek)) continue;
    for (let of = 0; of < 24 * 60; of++) {
      const at = date.getTime() + of * MINUTE_MS;
      if (at >= start && hour(Math.floor(of / 60)) && minute(of % 60)) return at;
    }
  }
  throw new Error('This schedule never comes round.');
}

function parse(expression: string): Times {
  const fields = expression.trim().split(/\s+/);
  if (fields.length !== 5) throw new Error(`"${expression}" has ${fields.length} fields; a schedule has five: minute, hour, day, month, day of the week.`);
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string];
  const sundayIsSeven = oneField(weekday, 0, 7);
  return {
    minute: oneField(minute, 0, 59), hour: oneField(hour, 0, 23), day: oneField(day, 1, 31), month: oneField(month, 1, 12),
    weekday: (value) => sundayIsSeven(value) || (value === 0 && sundayIsSeven(7)),
    eitherDay: !day.startsWith('*') && !weekday.startsWith('*'),
  };
}

function oneField(text: string, low: number, high: number): Allows {
  const allowed = new Set<number>();
  for (const piece of text.split(',')) {
    const parts = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/([1-9]\d*))?$/.exec(piece);
    if (parts === null) throw new Error(`"${piece}" is not understood in a schedule: use numbers, *, lists, ranges and steps.`);
    const [, from, to, step] = parts;
    const start = from === undefined ? low : Number(from);
    const end = to !== undefined ? Number(to) : from === undefined || step !== undefined ? high : start;
    for (let value = start; value <= end; value += Number(step ?? 1)) allowed.add(value);
  }
  return (value) => allowed.has(value);
}
