// @ts-check
/** How long it takes somebody whose node is lost to be back in the call, and what the others notice of it. */

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { trackOf } from './participant.js';

/** @typedef {import('./participant.js').Participant} Participant */
/** @typedef {import('./participant.js').Seen} Seen */

/** Pictures and sound that count as moving again. */
const FRAMES = 3;
const PACKETS = 10;
/** What may still be on its way to a decoder when its node is lost. */
const SETTLE_MS = 300;
/** The longest that anybody may be away for. */
const PATIENCE_MS = 40_000;
/** More often than usual, as this is measured. */
const EVERY_MS = 50;

/** Where a participant is: the city of its node. @param {Participant} participant */
export function cityOf(participant) {
  return participant.page.evaluate(() => {
    const { localParticipant } = window.call.open();
    return String(/** @type {any} */ (localParticipant).participantInfo?.region);
  });
}

/**
 * Waits until those who were thrown out and all others see and hear each other, and tells for each who was thrown out
 * how many ms after `since` that was.
 * @param {Participant[]} lost
 * @param {Participant[]} all
 * @param {number} since
 */
export async function backAfter(lost, all, since) {
  await pause(SETTLE_MS);
  return Promise.all(lost.map(async (participant) => {
    const others = all.filter((other) => other !== participant);
    const before = await participant.seen();
    for (;;) {
      const seen = await participant.seen();
      const receives = others.every(({ identity }) => comesAnew(before, seen, identity));
      const views = receives ? await Promise.all(others.map((other) => other.seen())) : [];
      const took = performance.now() - since;
      if (receives && views.every((view) => shows(view, seen))) return took;
      if (took > PATIENCE_MS) assert.fail(`${participant.identity} is not back\n${explain(before, [seen, ...views])}`);
      await pause(EVERY_MS);
    }
  }));
}

/**
 * @param {Seen} before
 * @param {Seen[]} views
 */
function explain({ events }, views) {
  const since = views[0].events.slice(events.length).map(({ at, name, about }) => `${Math.round(at)} ${name} ${about}`);
  const shown = views.map((view) => {
    const others = view.participants.map(({ identity, sid }) => `${identity} (${sid}) ${JSON.stringify(flow(view, identity))}`);
    return `${view.identity} (${view.sid}, ${view.state}) sees ${others.join(', ')}`;
  });
  return [...since, ...shown].join('\n');
}

/**
 * Whether more of somebody comes than there was when the node was lost.
 * @param {Seen} before
 * @param {Seen} now
 * @param {string} identity
 */
function comesAnew(before, now, identity) {
  const [then, since] = [before, now].map((seen) => flow(seen, identity));
  return since.frames >= FRAMES && since.packets >= PACKETS && since.frames !== then.frames && since.packets !== then.packets;
}

/**
 * Whether somebody sees the one who came back as the participant that it is now, moving, and once.
 * @param {Seen} view
 * @param {Seen} back
 */
function shows(view, back) {
  const shown = view.participants.filter(({ identity }) => identity === back.identity);
  const { frames, packets } = flow(view, String(back.identity));
  return shown.length === 1 && shown[0].sid === back.sid && frames >= FRAMES && packets >= PACKETS;
}

/**
 * @param {Seen} seen
 * @param {string} identity
 */
function flow(seen, identity) {
  return {
    frames: trackOf(seen, identity, 'camera')?.counters.framesDecoded ?? 0,
    packets: trackOf(seen, identity, 'microphone')?.counters.packetsReceived ?? 0,
  };
}

/** What somebody sees of somebody else while others come and go. */
export class Undisturbed {
  /**
   * @param {Participant} viewer
   * @param {string} identity
   * @param {Seen} before
   */
  constructor(viewer, identity, before) {
    this.viewer = viewer;
    this.identity = identity;
    this.before = before;
  }

  /**
   * @param {Participant} viewer
   * @param {string} identity
   */
  static async watch(viewer, identity) {
    await viewer.watch(identity, 'camera');
    return new Undisturbed(viewer, identity, await viewer.seen());
  }

  /** The longest time without a picture, in ms; all else that disturbs fails. */
  async check() {
    const now = await this.viewer.seen();
    const disturbances = ['reconnecting', 'signalReconnecting', 'disconnected'];
    const since = now.events.slice(this.before.events.length);
    assert.deepEqual(since.filter(({ name }) => disturbances.includes(name)), []);
    assert(since.every(({ name, about }) => name !== 'trackUnsubscribed' || !about.includes(this.identity)));
    for (const source of /** @type {const} */ (['camera', 'microphone'])) {
      assert.equal(trackOf(now, this.identity, source)?.sid, trackOf(this.before, this.identity, source)?.sid);
    }
    const at = [...(await this.viewer.frames(this.identity, 'camera')).map((frame) => frame.at), await this.viewer.now()];
    return Math.max(0, ...at.slice(1).map((time, index) => time - at[index]));
  }
}

/**
 * For people: the smallest, the middle, 95 % and the largest.
 * @param {number[]} times in ms
 */
export function distribution(times) {
  const sorted = [...times].sort((one, other) => one - other);
  const at = (/** @type {number} */ share) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN);
  return `${times.length} times: at least ${Math.round(sorted[0])}, median ${at(0.5)}, 95 % ${at(0.95)}, at most ${at(1)} ms`;
}
