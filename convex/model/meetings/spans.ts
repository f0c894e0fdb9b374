// Time somebody was there, out of the spans of their connections: two devices at once count once, a reconnect is not
// a leave. Pure.

/** One connection: from joining to leaving. `end` is null while it lasts. */
export interface Span {
  start: number;
  end: number | null;
}

/** A stretch of presence. */
export interface Stretch {
  start: number;
  end: number;
}

/** The stretches covered by `spans`, in order, without overlaps. What still lasts is cut at `now`. */
export function union(spans: readonly Span[], now: number): Stretch[] {
  const sorted = spans
    .map(({ start, end }) => ({ start, end: Math.max(start, end ?? now) }))
    .sort((a, b) => a.start - b.start || a.end - b.end);
  const stretches: Stretch[] = [];
  for (const span of sorted) {
    const last = stretches[stretches.length - 1];
    if (last !== undefined && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else stretches.push({ ...span });
  }
  return stretches;
}

/** How long `stretches` are together. */
export function lengthOf(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { start, end }) => sum + end - start, 0);
}
