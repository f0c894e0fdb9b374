// Applies a batch of events in portions, each a transaction within the sync's, and stops before the sync's own reaches
// its limits: what is left comes again. Bad events are put aside, so that none holds up those behind it.
import { internal } from "../../_generated/api";
import type { Doc } from "../../_generated/dataModel";
import type { MutationCtx } from "../../_generated/server";
import type { Unreadable } from "../../model/edge/events";
import type { Event } from "../wire";

export type Batch = {
  node: Doc<"edgeNodes">;
  log: string;
  /** The number of the first event. */
  firstSeq: number;
  now: number;
};

/** How much of what a transaction may read and write a sync spends on events before it leaves the rest. */
const SPENT = 0.4;

/** How much an event does at most, by and by; the others count one. A leave ends tracks and a hand too. */
const WEIGHTS: Partial<Record<Event["type"], number>> = { left: 4, joined: 3, room_ended: 20, room_started: 3 };
const PORTION = 40;

/** How much of a bad event is kept for whoever looks into it. */
const MAX_DEAD_LETTER = 4096;

/** How many of the events are done: applied or put aside. */
export async function applyEvents(ctx: MutationCtx, batch: Batch, events: (Event | Unreadable)[]): Promise<number> {
  const former = events.flatMap((event) => (event.type === "unreadable" ? [] : [event.at]));
  const formerUntil = Math.max(0, ...former.filter((at) => at < batch.node.startedAtMs));
  const apply = async (portion: Event[]): Promise<void> => {
    const { node, now } = batch;
    await ctx.runMutation(internal.edge.apply.events.apply, { node: node.node, now, formerUntil, events: portion });
  };
  let done = 0;
  while (done < events.length && (done === 0 || (await spent(ctx)) < SPENT)) {
    const portion = portionOf(events, done);
    if (portion.length === 0) {
      await setAside(ctx, batch, done, events[done]);
      done += 1;
      continue;
    }
    try {
      await apply(portion);
      done += portion.length;
    } catch {
      // What was read stays spent. With little left, the same portion comes again at the head of the next sync.
      if (done > 0 && (await spent(ctx)) >= SPENT) {
        return done;
      }
      done += await applySingly(ctx, batch, done, portion, apply);
    }
  }
  return done;
}

/** The next events that are applied together; none when the very next cannot be read. */
function portionOf(events: (Event | Unreadable)[], from: number): Event[] {
  const portion: Event[] = [];
  let weight = 0;
  for (const event of events.slice(from)) {
    if (event.type === "unreadable") {
      break;
    }
    weight += WEIGHTS[event.type] ?? 1;
    if (portion.length > 0 && weight > PORTION) {
      break;
    }
    portion.push(event);
  }
  return portion;
}

async function applySingly(
  ctx: MutationCtx,
  batch: Batch,
  from: number,
  portion: Event[],
  apply: (portion: Event[]) => Promise<void>,
): Promise<number> {
  for (const [place, event] of portion.entries()) {
    if (place > 0 && (await spent(ctx)) >= 2 * SPENT) {
      return place;
    }
    try {
      await apply([event]);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      await setAside(ctx, batch, from + place, { type: "unreadable", reason, event: JSON.stringify(event) });
    }
  }
  return portion.length;
}

async function setAside(
  ctx: MutationCtx,
  { node, log, firstSeq, now }: Batch,
  place: number,
  event: Event | Unreadable | undefined,
): Promise<void> {
  if (event?.type === "unreadable") {
    await ctx.db.insert("edgeDeadLetters", {
      node: node.node,
      log,
      seq: firstSeq + place,
      reason: event.reason.slice(0, MAX_DEAD_LETTER),
      event: event.event.slice(0, MAX_DEAD_LETTER),
      receivedAt: now,
    });
  }
}

/** The part of its limits that this transaction has used up, of whichever it has used most. */
async function spent(ctx: MutationCtx): Promise<number> {
  const metrics = Object.values(await ctx.meta.getTransactionMetrics());
  return Math.max(...metrics.map(({ used, remaining }) => used / Math.max(1, used + remaining)));
}
