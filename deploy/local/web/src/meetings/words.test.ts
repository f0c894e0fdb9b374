import { expect, test } from 'vitest';
import { cityWords, dayWords, errorWords, lengthWords, untilWords } from './words';

test('lengths are told to the second until they are long', () => {
  for (const [ms, words] of [[0, '0 s'], [6_600, '7 s'], [60_000, '1 min'], [725_000, '12 min 5 s'], [3_840_000, '1 h 4 min']] as const) {
    expect(lengthWords(ms)).toBe(words);
  }
});

test('days near today have names', () => {
  const noon = new Date(2026, 2, 4, 12).getTime();
  const at = (day: number, hour: number) => new Date(2026, 2, day, hour).getTime();
  expect([at(4, 0), at(4, 23), at(5, 1), at(3, 23)].map((time) => dayWords(time, noon))).toEqual(['Today', 'Today', 'Tomorrow', 'Yesterday']);
});

test('how far a start is away is told roughly', () => {
  for (const [minutes, words] of [[0, 'now'], [9, 'in 9 min'], [-3, 'since 3 min'], [120, 'in 2 h'], [5 * 1440, 'in 5 days']] as const) {
    expect(untilWords(minutes * 60_000, 0)).toBe(words);
  }
});

test('cities and errors are put into words', () => {
  expect(cityWords('port-harcourt')).toBe('Port Harcourt');
  expect(errorWords({ data: { message: 'This meeting is full.' } })).toBe('This meeting is full.');
  expect(errorWords(new Error('[Request ID: 1] Server Error'))).toContain('try again');
});
