// What the browser itself counted of a call's connections, for where the server
// says nothing. Browsers do not count the lower headers; they are added here.

/** IPv4 and UDP; a lower bound where it is IPv6 or TCP. */
const HEADERS_BYTES = 28;

export interface Count {
  sent: number;
  received: number;
}

/** The bytes of one connection; zero where the browser does not say. */
export function countOf(stats: Iterable<Record<string, unknown>>): Count {
  const all = [...stats];
  const transports = all.filter(({ type }) => type === 'transport');
  // Not every browser tells of transports; all tell of the pairs of addresses in use.
  const told = transports.some(({ bytesSent }) => number(bytesSent) > 0) ? transports : all.filter(({ type }) => type === 'candidate-pair');
  return {
    sent: sum(told, (one) => number(one.bytesSent) + HEADERS_BYTES * number(one.packetsSent)),
    received: sum(told, (one) => number(one.bytesReceived) + HEADERS_BYTES * number(one.packetsReceived)),
  };
}

function sum<T>(all: T[], amount: (one: T) => number): number {
  return all.reduce((total, one) => total + amount(one), 0);
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.round(value) : 0;
}
