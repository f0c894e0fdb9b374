import { expect, test } from 'vitest';
import { bytesWords, feed, nairaWords, NAIRA_PER_GB, newMeter, perHour, readPrice, readReport, type Meter, type Reading } from './usage';

const bytes = (text: string) => new TextEncoder().encode(text);

test('a report is read, and words it does not know are none', () => {
  expect(readReport(bytes('{"sent":1,"received":2,"profile":"low","because":"measured"}'))).toEqual({ sent: 1, received: 2, profile: 'low', because: 'measured' });
  expect(readReport(bytes('{"sent":0,"received":0,"profile":"huge","because":7,"more":{}}'))).toEqual({ sent: 0, received: 0, profile: null, because: null });
});

test('what is no report is none, whatever it is', () => {
  for (const hostile of [
    '', '{', 'null', '7', '"sent"', '[1,2]', '[]', '{}',
    '{"sent":-1,"received":0}', '{"sent":1.5,"received":0}', '{"sent":"1","received":"2"}', '{"sent":1e400,"received":0}',
    '{"sent":9007199254740993,"received":0}', '{"sent":null,"received":1}', '{"sent":1}', '{"__proto__":{"sent":1,"received":1}}',
    `{"sent":1,"received":2,"pad":"${'x'.repeat(600)}"}`, '['.repeat(500),
  ]) {
    expect(readReport(bytes(hostile)), hostile.slice(0, 60)).toBeNull();
  }
  expect(readReport(new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]))).toBeNull();
});

/** A meter fed with `[second, source, sent, received]`. */
function fed(...readings: [number, Reading['source'], number, number][]): Meter {
  return readings.reduce((meter, [second, source, sent, received]) => feed(meter, { at: second * 1000, source, sent, received }), newMeter(0));
}

test('what is counted adds up, over reconnections and counters', () => {
  const cases: [string, Meter, [number, number]][] = [
    ['nothing yet', fed(), [0, 0]],
    ['totals replace totals', fed([5, 'server', 100, 1000], [10, 'server', 150, 3000]), [150, 3000]],
    ['who comes in anew counts from nothing', fed([5, 'server', 100, 1000], [10, 'server', 20, 30]), [120, 1030]],
    ['the browser counts until the server does', fed([2, 'browser', 90, 900], [5, 'server', 100, 1000]), [100, 1000]],
    ['the browser does not count beside the server', fed([5, 'server', 100, 1000], [7, 'browser', 5000, 5000]), [100, 1000]],
    ['the browser goes on where the server fell silent', fed([5, 'server', 100, 1000], [30, 'browser', 5000, 5000], [35, 'browser', 5010, 5020]), [110, 1020]],
    ['and hands back', fed([5, 'server', 100, 1000], [30, 'browser', 50, 50], [35, 'server', 900, 9000], [40, 'server', 901, 9002]), [101, 1002]],
    ['an older reading changes nothing', fed([10, 'server', 100, 1000], [5, 'server', 200, 2000]), [100, 1000]],
    ['what no line carries was made up', fed([5, 'server', 100, 1000], [10, 'server', 100, 9e15]), [100, 1000]],
    ['nor as the first report', fed([5, 'server', 9e15, 0]), [0, 0]],
  ];
  for (const [what, { sent, received }, expected] of cases) expect([sent, received], what).toEqual(expected);
});

test('an hour is reckoned from the last minute, and not from a moment', () => {
  expect(perHour(fed())).toBeNull();
  expect(perHour(fed([5, 'server', 0, 1000], [14, 'server', 0, 2000]))).toBeNull();
  expect(perHour(fed([5, 'server', 0, 1000], [15, 'server', 0, 11_000]))).toBe(3_600_000);
  // A big first minute is forgotten once it is over.
  const meter = fed([0, 'server', 0, 0], [60, 'server', 0, 9_000_000], ...Array.from({ length: 13 }, (_, n) => [65 + 5 * n, 'server', 0, 9_000_000 + 1000 * n] as [number, 'server', number, number]));
  expect(perHour(meter)).toBeCloseTo((12_000 / 60) * 3600, 0);
});

test('a long call keeps a bounded memory', () => {
  let meter = newMeter(0);
  for (let at = 0; at < 600_000; at += 10) meter = feed(meter, { at, source: 'server', sent: at, received: at });
  expect(meter.samples.length).toBeLessThanOrEqual(64);
});

test('figures are short, and money is in naira', () => {
  expect([0, 900, 12_400, 1_000_000, 12_000_000, 999_900_000, 2_340_000_000].map(bytesWords)).toEqual(['0 kB', '1 kB', '12 kB', '1.0 MB', '12 MB', '1.0 GB', '2.3 GB']);
  expect([0, 1000, 12e6, 450e6, 5e9].map((n) => nairaWords(n, 500))).toEqual(['₦0.0', 'under ₦0.1', '₦6.0', '₦225', '₦2,500']);
  const told: [string | null | undefined, number][] = [['350', 350], ['0', 0], ['', NAIRA_PER_GB], [null, NAIRA_PER_GB], [' ', NAIRA_PER_GB], ['-1', NAIRA_PER_GB], ['much', NAIRA_PER_GB], ['1e99', NAIRA_PER_GB]];
  for (const [text, price] of told) expect(readPrice(text)).toBe(price);
});
