import { expect, test } from 'vitest';
import { adviceOf, bestPace, conclude, directVerdict, mediaBytes, offeredIn, pace, paceWords, relaysOf, together, type Entry, type Findings, type Verdict } from './ways';

const local = (candidateType: string): Entry => ({ id: 'l', type: 'local-candidate', candidateType });
const remote = (protocol: string): Entry => ({ id: 'r', type: 'remote-candidate', protocol });
const pair = (facts: Entry): Entry => ({ id: 'p', type: 'candidate-pair', localCandidateId: 'l', remoteCandidateId: 'r', ...facts });

test('a way works when it answered, is blocked when it was asked in vain, and else nobody knows', () => {
  const cases: [string, Entry[][], Verdict][] = [
    ['no statistics at all', [], 'not-offered'],
    ['the server names no such address', [[local('host'), remote('tcp')]], 'not-offered'],
    ['named and never tried', [[local('host'), remote('udp')]], 'untold'],
    ['asked once', [[local('host'), remote('udp'), pair({ state: 'in-progress', requestsSent: 1 })]], 'untold'],
    ['answered', [[local('srflx'), remote('udp'), pair({ state: 'in-progress', requestsSent: 1, responsesReceived: 1 })]], 'works'],
    ['a browser that counts nothing', [[local('host'), remote('udp'), pair({ state: 'succeeded' })]], 'works'],
    ['asked in vain', [[local('host'), remote('udp'), pair({ state: 'in-progress', requestsSent: 9, responsesReceived: 0 })]], 'blocked'],
    ['failed', [[local('host'), remote('udp'), pair({ state: 'failed' })]], 'blocked'],
    ['only by a relay', [[local('relay'), remote('udp'), pair({ state: 'succeeded' })]], 'untold'],
    ['failed, then answered', [[local('host'), remote('udp'), pair({ state: 'failed' })], [local('host'), remote('udp'), pair({ state: 'succeeded' })]], 'works'],
    ['odd entries', [[{}, { type: 'candidate-pair' }, { type: 'remote-candidate', protocol: 'udp', id: 7 }, pair({ requestsSent: 'many', remoteCandidateId: 7 })]], 'untold'],
  ];
  for (const [what, snapshots, verdict] of cases) expect(directVerdict('udp', snapshots), what).toBe(verdict);
});

test('what the server names is read from its description, whatever else stands there', () => {
  const sdp = 'v=0\r\na=candidate:1 1 udp 2130706431 10.0.0.1 7882 typ host\r\na=candidate:2 1 TCP 1 10.0.0.1 7881 typ host tcptype passive\r\na=candidate:3 2 udp 1 10.0.0.1 1 typ host\r\na=candidate:\r\n';
  expect(offeredIn(sdp).map(({ protocol }) => protocol)).toEqual(['udp', 'tcp']);
  expect(offeredIn('')).toEqual([]);
  expect(offeredIn(sdp.repeat(1000)).length).toBe(64);
  expect([directVerdict('udp', [offeredIn(sdp)]), directVerdict('tcp', [offeredIn(sdp.split('a=candidate:2')[0] ?? '')])]).toEqual(['untold', 'not-offered']);
});

test('a trial that ran its time leaves fewer doubts', () => {
  const cases: [Verdict, Verdict, Verdict, Verdict][] = [
    ['works', 'untold', 'works', 'untold'],
    ['untold', 'untold', 'blocked', 'blocked'],
    ['blocked', 'untold', 'blocked', 'blocked'],
    ['untold', 'works', 'blocked', 'works'],
    ['untold', 'not-offered', 'blocked', 'not-offered'],
    ['not-offered', 'untold', 'not-offered', 'blocked'],
  ];
  for (const [udp, tcp, thenUdp, thenTcp] of cases) expect(conclude(udp, tcp)).toEqual({ udp: thenUdp, tcp: thenTcp });
});

test('relays are told apart by how they are reached', () => {
  const server = (...urls: string[]) => ({ urls, username: 'u', credential: 'c' });
  const ways = (...servers: ReturnType<typeof server>[]) => [...relaysOf(servers)].map(([way, { urls }]) => [way, urls[0]]);
  expect(ways()).toEqual([]);
  expect(ways(server('stun:a:3478', 'http://b', '', 'turn'))).toEqual([['udp', 'turn']]);
  expect(ways(server('turn:a:3478?transport=udp', 'turns:b:443?transport=tcp'), server('TURN:c?transport=TCP', 'turn:d'))).toEqual([
    ['udp', 'turn:a:3478?transport=udp'], ['tls', 'turns:b:443?transport=tcp'], ['tcp', 'TURN:c?transport=TCP'],
  ]);
});

test('a way of several kinds is as good as the best of them', () => {
  const cases: [Verdict[], Verdict][] = [
    [[], 'not-offered'], [['not-offered', 'blocked'], 'blocked'], [['blocked', 'works'], 'works'], [['blocked', 'untold'], 'untold'],
  ];
  for (const [verdicts, expected] of cases) expect(together(verdicts)).toBe(expected);
});

test('a pace needs a while, and something that went', () => {
  expect(pace(undefined, { bytes: 1, at: 1 })).toBeNull();
  expect(pace({ bytes: 0, at: 0 }, { bytes: 9000, at: 1000 })).toBeNull();
  expect(pace({ bytes: 9000, at: 0 }, { bytes: 9000, at: 4000 })).toBeNull();
  expect(pace({ bytes: 1000, at: 0 }, { bytes: 251_000, at: 2000 })).toBe(1_000_000);
  expect(bestPace([])).toBeNull();
  expect(bestPace([0, 100, 200, 300, 100_300, 200_300, 300_300, 300_400].map((bytes, index) => ({ bytes, at: index * 500 })))).toBe(1_600_000);
  expect(mediaBytes('inbound-rtp', [{ type: 'inbound-rtp', bytesReceived: 5 }, { type: 'inbound-rtp' }, { type: 'outbound-rtp', bytesSent: 9 }])).toBe(5);
  expect([null, 64_000, 1_240_000].map(paceWords)).toEqual(['could not be measured', '64 kbit/s', '1.2 Mbit/s']);
});

test('the advice follows what was found, and promises nothing that is not known', () => {
  const fine: Findings = { signalling: 'works', trouble: null, udp: 'works', tcp: 'not-offered', tls: 'not-offered', up: 1e6, down: 1e6, cities: [] };
  const cases: [Partial<Findings>, RegExp][] = [
    [{}, /sound and pictures/],
    [{ up: null, down: null }, /could not be measured/],
    [{ down: 90_000 }, /data saver/],
    [{ up: 300_000, down: null }, /low use/],
    [{ udp: 'blocked' }, /don’t get through/],
    [{ udp: 'blocked', tls: 'works' }, /You can join/],
    [{ udp: 'untold' }, /can’t be told/],
    [{ signalling: 'blocked', udp: 'untold' }, /can’t join/],
  ];
  for (const [found, words] of cases) expect(adviceOf({ ...fine, ...found })).toMatch(words);
});
