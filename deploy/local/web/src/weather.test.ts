import { expect, test } from 'vitest';
import { fair, nextLook, observe, WORDS, type Facts, type Weather, type Word } from './weather';

/** What is shown after facts at these milliseconds, each `[at, news]`. */
function after(...steps: [number, Partial<Facts>?][]): Weather {
  return steps.reduce((weather, [at, news]) => observe(weather, at, news), fair(0));
}

test('each kind of trouble has its word, the worst first', () => {
  const cases: [Partial<Facts>, Word | null][] = [
    [{}, null],
    [{ quality: 'poor' }, 'weak'],
    [{ profile: 'low', because: 'measured' }, 'pictures-smaller'],
    [{ profile: 'low', because: 'measured', quality: 'poor' }, 'pictures-smaller'],
    [{ paused: 1, watched: 3 }, 'pictures-paused'],
    [{ paused: 3, watched: 3 }, 'sound-only'],
    [{ profile: 'audio_only', because: 'measured' }, 'sound-only'],
    [{ profile: 'audio_only', because: 'measured', quality: 'lost' }, 'lost'],
    [{ link: 'signal-lost', quality: 'poor' }, 'signal-lost'],
    [{ link: 'reconnecting', quality: 'lost', paused: 3, watched: 3 }, 'reconnecting'],
    [{ profile: 'high', because: 'measured' }, null],
  ];
  for (const [facts, word] of cases) expect(after([0, facts], [10_000]).shown, JSON.stringify(facts)).toBe(word);
});

test('what was asked for is no fault of the network', () => {
  for (const because of ['asked', 'room'] as const) {
    expect(after([0, { profile: 'audio_only', because, paused: 2, watched: 2 }], [10_000]).shown).toBeNull();
    expect(after([0, { profile: 'low', because }], [10_000]).shown).toBeNull();
    // Asked for small pictures, and even those do not get through.
    expect(after([0, { profile: 'low', because, paused: 2, watched: 2 }], [10_000]).shown).toBe('sound-only');
  }
});

test('a blink is not spoken of', () => {
  expect(after([0, { quality: 'poor' }], [1_900, { quality: 'good' }], [20_000]).shown).toBeNull();
  expect(after([0, { quality: 'poor' }], [1_999]).shown).toBeNull();
  expect(after([0, { quality: 'poor' }], [2_000]).shown).toBe('weak');
  expect(after([0, { link: 'reconnecting' }], [500]).shown).toBe('reconnecting');
});

test('a word stays until it is over for a while', () => {
  expect(after([0, { quality: 'poor' }], [2_000], [3_000, { quality: 'good' }], [7_999]).shown).toBe('weak');
  expect(after([0, { quality: 'poor' }], [2_000], [3_000, { quality: 'good' }], [8_000]).shown).toBeNull();
});

test('a network that flaps makes the word change at most once', () => {
  for (const period of [100, 700, 1_900]) {
    let weather = fair(0);
    let changes = 0;
    for (let at = 0, poor = true; at < 120_000; at += period, poor = !poor) {
      const before = weather.shown;
      weather = observe(weather, at, { quality: poor ? 'poor' : 'good' });
      if (weather.shown !== before) changes += 1;
    }
    expect(changes, `every ${period} ms`).toBeLessThanOrEqual(1);
  }
});

test('it says when to look again, and nothing when there is nothing to wait for', () => {
  expect(nextLook(fair(0))).toBeNull();
  const poor = after([1_000, { quality: 'poor' }]);
  expect(nextLook(poor)).toBe(3_000);
  const said = observe(poor, 3_000);
  expect([said.shown, nextLook(said)]).toEqual(['weak', null]);
  expect(nextLook(observe(said, 4_000, { quality: 'good' }))).toBe(9_000);
});

test('every word says what is so in a sentence', () => {
  for (const words of Object.values(WORDS)) expect(words).toMatch(/^[A-Z].{20,90}[.…]$/);
});
