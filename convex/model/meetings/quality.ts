// The plan's indicators of quality, out of what nodes measured by the minute: averages weighted by time. Pure.

/** One measured stretch of one connection. */
export interface Measure {
  fromMs: number;
  toMs: number;
  score: number;
  lossPercent: number;
  jitterMs: number;
  roundTripMs: number;
  sentKbps: number;
  receivedKbps: number;
  width?: number;
  height?: number;
  framesPerSecond?: number;
  drops: number;
}

/** One connection, as far as it tells about joining and being lost. */
export interface Connection {
  joinMs?: number;
  lost: boolean;
}

/** How a meeting's connections were. */
export interface Quality {
  connections: number;
  minutes: number;
  score: number;
  lossPercent: number;
  jitterMs: number;
  roundTripMs: number;
  sentKbps: number;
  receivedKbps: number;
  width: number | null;
  height: number | null;
  framesPerSecond: number | null;
  joinMs: number | null;
  drops: number;
  lostShare: number;
}

/** The averages over all connections of a meeting. */
export function averages(measures: readonly Measure[], connections: readonly Connection[]): Quality {
  const shown = measures.filter((measure) => (measure.height ?? 0) > 0);
  const mean = (of: Reading) => weighted(measures, of) ?? 0;
  const joins = connections.flatMap(({ joinMs }) => (joinMs === undefined ? [] : [joinMs]));
  return {
    connections: connections.length,
    minutes: round(measures.reduce((sum, measure) => sum + length(measure), 0) / 60_000),
    score: mean(({ score }) => score),
    lossPercent: mean(({ lossPercent }) => lossPercent),
    jitterMs: mean(({ jitterMs }) => jitterMs),
    roundTripMs: mean(({ roundTripMs }) => roundTripMs),
    sentKbps: mean(({ sentKbps }) => sentKbps),
    receivedKbps: mean(({ receivedKbps }) => receivedKbps),
    width: weighted(shown, ({ width }) => width),
    height: weighted(shown, ({ height }) => height),
    framesPerSecond: weighted(shown, ({ framesPerSecond }) => framesPerSecond),
    joinMs: joins.length === 0 ? null : round(joins.reduce((sum, ms) => sum + ms, 0) / joins.length),
    drops: measures.reduce((sum, measure) => sum + measure.drops, 0),
    lostShare: connections.length === 0 ? 0 : round(connections.filter(({ lost }) => lost).length / connections.length),
  };
}

/** A word for a score of 1 to 5, as the platform's tables have it for a person. */
export function wordFor(score: number): "excellent" | "good" | "poor" {
  if (score >= 4) return "excellent";
  return score >= 3 ? "good" : "poor";
}

/** What a measure says of one thing; undefined when it says nothing of it. */
type Reading = (measure: Measure) => number | undefined;

/** The mean of what was measured. What a measure leaves out is not known, and must not count as nothing. */
function weighted(measures: readonly Measure[], of: Reading): number | null {
  let [sum, total] = [0, 0];
  for (const measure of measures) {
    const value = of(measure);
    if (value === undefined) continue;
    sum += value * length(measure);
    total += length(measure);
  }
  return total <= 0 ? null : round(sum / total);
}

function length({ fromMs, toMs }: Measure): number {
  return Math.max(0, toMs - fromMs);
}

/** Two places: more would only pretend. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
