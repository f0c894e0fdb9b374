import { expect, test } from 'vitest';
import { readPlace, writePlace, type Place } from './place';

test('every place has an address that leads back to it', () => {
  for (const place of [
    { at: 'home' }, { at: 'new' }, { at: 'meeting', id: '00000010012meetings' }, { at: 'edit', id: '00000010012meetings' }, { at: 'code', code: '123 456 7890' },
  ] satisfies Place[]) {
    const url = new URL(writePlace(place), 'http://page.example');
    expect(readPlace(url.pathname, url.hash)).toEqual(place);
  }
});

test('an address that says nothing leads home', () => {
  for (const [path, hash] of [['/', '#/meetings/<b>'], ['/', '#'], ['/meetings/join/', ''], ['/elsewhere', '#/old']]) {
    expect(readPlace(path!, hash!)).toEqual({ at: 'home' });
  }
  expect(readPlace('/meetings/join/%', '')).toEqual({ at: 'code', code: '%' });
});
