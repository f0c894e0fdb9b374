import { expect, test } from 'vitest';
import { countOf } from './browser-count';

test('a connection’s bytes come with their headers, from what the browser tells of', () => {
  const pair = { type: 'candidate-pair', bytesSent: 1000, packetsSent: 2, bytesReceived: 500, packetsReceived: 1 };
  expect(countOf([])).toEqual({ sent: 0, received: 0 });
  expect(countOf([pair])).toEqual({ sent: 1056, received: 528 });
  expect(countOf([{ type: 'transport', bytesSent: 10, packetsSent: 1, bytesReceived: 20, packetsReceived: 1 }, pair])).toEqual({ sent: 38, received: 48 });
  expect(countOf([{ type: 'transport' }, pair, { ...pair, bytesSent: undefined, packetsSent: Number.NaN }])).toEqual({ sent: 1056, received: 1056 });
});
