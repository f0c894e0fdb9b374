import { expect, test } from 'vitest';
import { inviteLink, reachesOthers, readAddress, suggestRoom, readCities } from './address';
import { checkRoom } from './rules.mjs';

test('an invite link leads back to its room', () => {
  for (const room of ['board', 'Ìbàdàn-2', 'v1.2_x']) {
    const link = new URL(inviteLink('https://meet.example', room));
    expect(readAddress(link.search)).toEqual({ room: room.normalize('NFC'), refusal: null, debug: false });
  }
});

test('an address without a room, or with a broken one, is no dead end', () => {
  expect(readAddress('')).toEqual({ room: null, refusal: null, debug: false });
  expect(readAddress('?room=')).toEqual({ room: null, refusal: null, debug: false });
  expect(readAddress('?room=a/b')).toMatchObject({ room: null, refusal: expect.stringContaining('letters') });
  expect(readAddress('?room=x&debug')).toMatchObject({ room: 'x', debug: true });
});

test('a link to this machine does not reach others', () => {
  expect(['localhost', '127.0.0.1', '[::1]', 'meet.localhost'].map(reachesOthers)).toEqual([false, false, false, false]);
  expect(['meet.example', '192.168.1.5', '10.0.0.1'].map(reachesOthers)).toEqual([true, true, true]);
});

test('a suggested room keeps the rules at both ends of chance', () => {
  for (const chance of [0, 0.5, 0.999999]) expect(checkRoom(suggestRoom(() => chance)).ok).toBe(true);
});

test('cities are read as far as they can be', () => {
  expect(readCities('lagos=wss://lagos.example  abuja=ws://127.0.0.1:7980')).toEqual([{ region: 'lagos', url: 'wss://lagos.example' }, { region: 'abuja', url: 'ws://127.0.0.1:7980' }]);
  for (const told of [null, undefined, '', ' ', 'wss://a', 'lagos=https://a', 'lagos=', '__proto__=wss://a', 'kano=wss://[']) expect(readCities(told), String(told)).toEqual([]);
  expect(readCities('a=ws://b '.repeat(99)).length).toBe(16);
});
