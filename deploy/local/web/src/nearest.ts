// Which of several servers is nearest: asks each a few times, keeps what it learned
// for a while, and puts the rest behind. Nothing is lost by not knowing: an order
// that could not be measured stays as it was given.

/** A server that takes calls. */
export interface Candidate {
  node: string;
  region: string;
  /** `ws:` or `wss:`. */
  url: string;
}

/** A candidate with its round trip, or null where it did not answer in time. */
export interface Measured extends Candidate {
  roundTripMs: number | null;
}

const PROBES = 3;
/** All of it: longer, and the measuring costs more than a worse choice. */
const BUDGET_MS = 800;
/** Networks change when people move; ten minutes are a walk. */
const FRESH_MS = 600_000;
const KEPT = 'meeting.roundtrips';

/** The nearest first; `ask` makes one round trip. */
export async function nearestFirst(candidates: Candidate[], ask = knock, now = Date.now): Promise<Measured[]> {
  const kept = readKept(now());
  const measured = await Promise.all(candidates.map(async (candidate) => {
    const known = kept[candidate.url];
    return { ...candidate, roundTripMs: known?.roundTripMs ?? (await measure(candidate.url, ask)) };
  }));
  const at = now();
  for (const { url, region, roundTripMs } of measured) {
    if (roundTripMs !== null && kept[url] === undefined) kept[url] = { roundTripMs, at, region };
  }
  keep(kept);
  return inOrder(measured);
}

/** The least round trip to each region, as far as it is known: whoever finds a server can prefer the nearest. */
export function nearRegions(now = Date.now): Record<string, number> {
  const near: Record<string, number> = {};
  for (const { region = '', roundTripMs } of Object.values(readKept(now())).filter((one) => one !== undefined)) {
    if (PLAIN.test(region)) near[region] = Math.min(near[region] ?? Infinity, roundTripMs);
  }
  return near;
}

/** Names that may be keys wherever they are sent. */
const PLAIN = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** By round trip; who did not answer comes last, in the order given. */
export function inOrder(measured: Measured[]): Measured[] {
  // Not Infinity, which less itself is no number.
  const last = Number.MAX_SAFE_INTEGER;
  return [...measured].sort((a, b) => (a.roundTripMs ?? last) - (b.roundTripMs ?? last));
}

/** A server that failed is asked anew next time. */
export function forget(url: string): void {
  const kept = readKept(Date.now());
  delete kept[url];
  keep(kept);
}

/** The least of the probes that fit the budget: delays only ever add. */
async function measure(url: string, ask: (url: string, stop: AbortSignal) => Promise<number>): Promise<number | null> {
  const stop = AbortSignal.timeout(BUDGET_MS);
  let least: number | null = null;
  for (let probe = 0; probe < PROBES && !stop.aborted; probe++) {
    const took = await ask(url, stop).catch(() => null);
    if (took === null) break;
    least = least === null ? took : Math.min(least, took);
  }
  return least;
}

/** The answer's words are not ours to read, and need not be: it came. */
async function knock(url: string, signal: AbortSignal): Promise<number> {
  const started = performance.now();
  await fetch(`${url.replace(/^ws/, 'http').replace(/\/$/, '')}/`, { mode: 'no-cors', cache: 'no-store', credentials: 'omit', signal });
  return performance.now() - started;
}

/** By url. */
type Kept = Record<string, { roundTripMs: number; at: number; region?: string } | undefined>;

function readKept(now: number): Kept {
  try {
    const all = JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Kept;
    return Object.fromEntries(Object.entries(all).filter(([, one]) => one !== undefined && one.at <= now && now - one.at < FRESH_MS));
  } catch {
    return {};
  }
}

function keep(kept: Kept): void {
  try {
    localStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    // Storage is refused or full: the next join measures again.
  }
}
