import { beforeEach, expect, test, vi } from 'vitest';
import { forget, nearestFirst, nearRegions, type Candidate } from './nearest';

const LAGOS: Candidate = { node: 'lagos', region: 'lagos', url: 'ws://lagos' };
const ABUJA: Candidate = { node: 'abuja', region: 'abuja', url: 'ws://abuja' };
const KANO: Candidate = { node: 'kano', region: 'kano', url: 'ws://kano' };

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) });
});

/** Answers in these times, one after another; null never answers. */
function answering(times: Record<string, (number | null)[]>) {
  const asked: string[] = [];
  const ask = (url: string, stop: AbortSignal) => {
    asked.push(url);
    const took = times[url]?.shift();
    if (typeof took === 'number') return Promise.resolve(took);
    if (took === undefined) return Promise.reject(new Error('refused'));
    return new Promise<number>((_, refuse) => stop.addEventListener('abort', () => refuse(new Error('too late'))));
  };
  return { ask, asked };
}

test('the nearest by its best probe comes first, who never answers last', async () => {
  const { ask } = answering({ 'ws://lagos': [90, 30, 31], 'ws://abuja': [40, 41, 42], 'ws://kano': [null] });
  const order = await nearestFirst([KANO, ABUJA, LAGOS], ask);
  expect(order.map(({ node, roundTripMs }) => [node, roundTripMs])).toEqual([['lagos', 30], ['abuja', 40], ['kano', null]]);
});

test('where nobody answers the order stays as it was given', async () => {
  const order = await nearestFirst([KANO, ABUJA, LAGOS], answering({}).ask);
  expect(order.map(({ node }) => node)).toEqual(['kano', 'abuja', 'lagos']);
});

test('what was measured counts for ten minutes, unless it is forgotten', async () => {
  let clock = Date.now();
  const now = () => clock;
  const first = answering({ 'ws://lagos': [10, 10, 10] });
  await nearestFirst([LAGOS], first.ask, now);
  expect(first.asked).toHaveLength(3);
  const within = answering({ 'ws://lagos': [20, 20, 20] });
  expect((await nearestFirst([LAGOS], within.ask, now))[0]?.roundTripMs).toBe(10);
  expect(within.asked).toHaveLength(0);
  forget('ws://lagos');
  expect((await nearestFirst([LAGOS], within.ask, now))[0]?.roundTripMs).toBe(20);
  clock += 600_000;
  expect((await nearestFirst([LAGOS], answering({ 'ws://lagos': [5, 5, 5] }).ask, now))[0]?.roundTripMs).toBe(5);
});

test('three probes in 800 ms, and what came by then counts', async () => {
  const budget = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(budget.signal);
  const { ask, asked } = answering({ 'ws://lagos': [30, 20, 25, 1], 'ws://abuja': [500, null] });
  const order = nearestFirst([ABUJA, LAGOS], ask);
  await vi.waitFor(() => expect(asked.filter((url) => url === ABUJA.url)).toHaveLength(2));
  budget.abort();
  expect((await order).map(({ node, roundTripMs }) => [node, roundTripMs])).toEqual([['lagos', 20], ['abuja', 500]]);
  expect(asked.filter((url) => url === LAGOS.url)).toHaveLength(3);
  expect(timeout.mock.calls).toEqual([[800], [800]]);
  timeout.mockRestore();
});

test('a join can tell how far each region is', async () => {
  const second: Candidate = { node: 'lagos-2', region: 'lagos', url: 'ws://lagos-2' };
  const odd: Candidate = { node: 'odd', region: '$where', url: 'ws://odd' };
  const { ask } = answering({ 'ws://lagos': [9, 9, 9], 'ws://lagos-2': [7, 7, 7], 'ws://abuja': [40, 40, 40], 'ws://kano': [null], 'ws://odd': [1, 1, 1] });
  expect(nearRegions()).toEqual({});
  vi.spyOn(AbortSignal, 'timeout').mockImplementationOnce(() => AbortSignal.abort());
  await nearestFirst([KANO, LAGOS, second, ABUJA, odd], ask);
  expect(nearRegions()).toEqual({ lagos: 7, abuja: 40 });
  expect(nearRegions(() => Date.now() + 600_000)).toEqual({});
});
