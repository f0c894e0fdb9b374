import { expect, test } from 'vitest';
import { nextRun } from './crons.ts';

const at = (text: string) => Date.parse(`${text}Z`);

test('a schedule’s next run is the first time after now that it names, in UTC', () => {
  for (const [schedule, now, next] of [
    [{ type: 'interval', seconds: 30 }, '2026-03-01T10:00:10', '2026-03-01T10:00:40'],
    [{ type: 'interval', hours: 2 }, '2026-03-01T23:00:00', '2026-03-02T01:00:00'],
    [{ type: 'hourly', minuteUTC: 15 }, '2026-03-01T10:15:00', '2026-03-01T11:15:00'],
    [{ type: 'hourly' }, '2026-03-01T10:15:00', '2026-03-01T11:00:00'],
    [{ type: 'daily', hourUTC: 3, minuteUTC: 17 }, '2026-02-28T03:17:30', '2026-03-01T03:17:00'],
    [{ type: 'weekly', dayOfWeek: 'monday', hourUTC: 8 }, '2026-03-01T10:00:00', '2026-03-02T08:00:00'],
    [{ type: 'monthly', day: 31, hourUTC: 0, minuteUTC: 5 }, '2026-03-31T00:05:00', '2026-05-31T00:05:00'],
    [{ type: 'cron', cron: '*/20 9-17 * * 1-5' }, '2026-02-27T17:40:00', '2026-03-02T09:00:00'],
    [{ type: 'cron', cron: '0 0 29 2 *' }, '2026-03-01T00:00:00', '2028-02-29T00:00:00'],
    [{ type: 'cron', cron: '0 12 13 * 5' }, '2026-03-01T00:00:00', '2026-03-06T12:00:00'],
    [{ type: 'cron', cron: '30 6 * * 7' }, '2026-03-01T06:30:00', '2026-03-08T06:30:00'],
  ] as const) {
    expect(new Date(nextRun(schedule, at(now))).toISOString(), JSON.stringify(schedule)).toBe(new Date(at(next)).toISOString());
  }
});

test('a schedule that can’t be read or never comes round says so', () => {
  expect(() => nextRun({ type: 'cron', cron: '0 0 30 2 *' }, at('2026-03-01T00:00:00'))).toThrow('never comes round');
  expect(() => nextRun({ type: 'cron', cron: '0 0 * *' }, 0)).toThrow('five');
  expect(() => nextRun({ type: 'cron', cron: '0 0 * * MON' }, 0)).toThrow('not understood');
});
