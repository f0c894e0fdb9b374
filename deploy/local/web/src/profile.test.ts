import { expect, test } from 'vitest';
import { attributeOf, pictureOf, readWish, WISHES } from './profile';

test('each wish is asked for by a word of the server, the automatic one by none', () => {
  expect(WISHES.map(({ wish }) => [wish, attributeOf(wish)])).toEqual([
    ['automatic', ''], ['medium', 'medium'], ['low', 'low'], ['saver', 'audio_only'],
  ]);
});

test('one’s own picture is no larger than what one asks for', () => {
  expect(WISHES.map(({ wish }) => pictureOf(wish).height)).toEqual([720, 360, 180, 180]);
});

test('what was kept by another page or an older one is the default', () => {
  for (const kept of [undefined, null, '', 'high', 'audio_only', 7, {}, ['low']]) expect(readWish(kept)).toBe('automatic');
  expect(readWish('saver')).toBe('saver');
});
