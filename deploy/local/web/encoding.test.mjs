import { expect, test } from 'vitest';
import { acceptedCopies } from './encoding.mjs';

test('a browser gets the smallest copy that it takes', () => {
  for (const [header, expected] of [
    ['gzip, deflate, br, zstd', ['br', 'gzip']],
    ['gzip, deflate', ['gzip']],
    ['GZIP;q=0.5, br;q=0', ['gzip']],
    ['*', ['br', 'gzip']],
    ['*;q=0, gzip', ['gzip']],
    ['br;q=nonsense', []],
    ['identity', []],
    ['', []],
    [undefined, []],
  ]) {
    expect(acceptedCopies(header).map(({ encoding }) => encoding), String(header)).toEqual(expected);
  }
});
