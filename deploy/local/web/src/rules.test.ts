import { expect, test } from 'vitest';
import { checkName, checkRoom, checkTab, identityOf } from './rules.mjs';

test('a name may be in any script, on one line, with something to see', () => {
  for (const [raw, value] of [
    ['Ada', 'Ada'],
    ['  Ọláyínká   Adébáyọ̀ ', 'Ọláyínká Adébáyọ̀'.normalize('NFC')],
    ["Chinedu O'Neil-Obi (TOF)", "Chinedu O'Neil-Obi (TOF)"],
    ['x'.repeat(64), 'x'.repeat(64)],
    ['', null],
    ['   ', null],
    [null, null],
    ['x'.repeat(65), null],
    ['two\nlines', null],
    ['bell\u0007', null],
    ['turned\u202Earound', null],
  ] as const) {
    const verdict = checkName(raw);
    expect(verdict.ok ? verdict.value : null, JSON.stringify(raw)).toBe(value);
  }
});

test('a room fits into a link as it is', () => {
  for (const [raw, value] of [
    ['board', 'board'],
    [' Board meeting  2 ', 'Board-meeting-2'],
    ['v1.2_x-y', 'v1.2_x-y'],
    ['Ìbàdàn', 'Ìbàdàn'],
    ['', null],
    ['-leading', null],
    ['a/b', null],
    ['a?b', null],
    ['..', null],
    ['<b>', null],
    ['r'.repeat(65), null],
    [undefined, null],
  ] as const) {
    const verdict = checkRoom(raw);
    expect(verdict.ok ? verdict.value : null, JSON.stringify(raw)).toBe(value?.normalize('NFC') ?? null);
  }
});

test('a refusal says what to write instead', () => {
  expect(checkRoom('a b/c')).toEqual({ ok: false, reason: expect.stringContaining('letters, digits') });
});

test('an identity is readable and differs from tab to tab', () => {
  expect(identityOf('Adébáyọ̀ Ọlá', 'k3x9')).toBe('adebayo-ola-k3x9');
  expect(identityOf('李雷', 'k3x9')).toBe('guest-k3x9');
  expect(identityOf('x'.repeat(64), 'k3x9')).toBe(`${'x'.repeat(24)}-k3x9`);
});

test('a tab id is short and plain', () => {
  expect(checkTab('ab12cd34')).toBe(true);
  for (const raw of ['', 'ab', 'AB12', 'a b1', 'a'.repeat(33), null]) expect(checkTab(raw)).toBe(false);
});
