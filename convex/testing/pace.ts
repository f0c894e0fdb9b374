// When a node syncs, by the rules of WIRE.md: a moment after something that somebody waits to see, at once when much
// waits, otherwise when it was told to; one request at a time.

/** What happens at the same time is told together. */
const GATHER_MS = 250;
/** Most events in a request. */
const BATCH = 200;
/** From a Nigerian city to a deployment in Europe and back, with the work there. */
export const ROUND_TRIP_MS = 300;

export type Happening = { at: number; urgent: boolean };

/** One sync: when it left, and how many events it took along. */
export type Sync = { at: number; events: number };

/** The syncs of a node to which `happenings`, in order of their time, occur before `until`. */
export function syncsOf(happenings: readonly Happening[], from: number, until: number, nextMs: (at: number) => number): Sync[] {
  const syncs: Sync[] = [];
  let wantedAt = from;
  let freeAt = from;
  let next = 0;
  let waiting = 0;
  for (;;) {
    const dueAt = Math.max(wantedAt, freeAt);
    const happening = happenings[next];
    if (happening !== undefined && happening.at <= dueAt) {
      next += 1;
      waiting += 1;
      if (happening.urgent) {
        wantedAt = Math.min(wantedAt, happening.at + GATHER_MS);
      } else if (waiting >= BATCH) {
        wantedAt = Math.min(wantedAt, happening.at);
      }
      continue;
    }
    if (dueAt >= until) {
      return syncs;
    }
    const events = Math.min(waiting, BATCH);
    syncs.push({ at: dueAt, events });
    waiting -= events;
    freeAt = dueAt + ROUND_TRIP_MS;
    wantedAt = waiting > 0 ? freeAt : freeAt + nextMs(freeAt);
  }
}
