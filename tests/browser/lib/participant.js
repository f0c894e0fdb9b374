// @ts-check
/** One participant on a bare page, seen from the test. */

import assert from 'node:assert/strict';

/** @typedef {import('../bare/page.js').Call} Call */
/** @typedef {Awaited<ReturnType<Call['seen']>>} Seen */
/** @typedef {Seen['participants'][number]['tracks'][number]} SeenTrack */
/** @typedef {import('../bare/page.js').Source} Source */
/** @typedef {import('../bare/page.js').Quality} Quality */
/** @typedef {import('../bare/page.js').VideoWish} VideoWish */

/** Above what coding noise adds to silence in the time between two looks; the fake microphone's beep is far above. */
const AUDIBLE_ENERGY = 1e-5;
/** A browser that was starved of the processor raises its bitrate step by step until its best layer fits again. */
const RAMP_MS = 30_000;

export class Participant {
  /**
   * @param {import('playwright-core').Page} page
   * @param {import('./edge-worker.js').EdgeWorker} worker
   * @param {string} room
   * @param {string} identity
   * @param {number} camera which of the fake cameras is theirs
   */
  constructor(page, worker, room, identity, camera) {
    this.page = page;
    this.worker = worker;
    this.room = room;
    this.identity = identity;
    this.camera = camera;
    /** The one it joined with last. */
    this.token = '';
  }

  /**
   * @param {Parameters<Call['join']>[2]} [options]
   * @param {string} [token] of another making
   */
  async join(options, token) {
    token ??= await this.worker.token(this.room, this.identity);
    this.token = token;
    await this.page.evaluate(([url, jwt, wishes]) => window.call.join(url, jwt, wishes), /** @type {const} */ ([
      this.worker.url, token, options,
    ]));
  }

  leave() {
    return this.page.evaluate(() => window.call.leave());
  }

  /** @param {VideoWish} wish */
  publishCamera(wish) {
    return this.page.evaluate(([video, camera]) => window.call.publishCamera(video, camera), /** @type {const} */ ([
      wish, this.camera,
    ]));
  }

  publishMicrophone() {
    return this.page.evaluate(() => window.call.publishMicrophone());
  }

  /** @param {VideoWish} wish */
  shareScreen(wish) {
    return this.page.evaluate((video) => window.call.shareScreen(video), wish);
  }

  stopScreen() {
    return this.page.evaluate(() => window.call.stopScreen());
  }

  /**
   * @param {Source} source
   * @param {'on' | 'off'} state
   */
  turn(source, state) {
    return this.page.evaluate(([what, how]) => window.call.turn(what, how), /** @type {const} */ ([source, state]));
  }

  /**
   * Lets the client and the server play a mishap.
   * @param {string} scenario
   */
  simulate(scenario) {
    return this.page.evaluate((mishap) => window.call.simulate(mishap), scenario);
  }

  /** @param {string} text */
  say(text) {
    return this.page.evaluate((line) => window.call.say(line), text);
  }

  /**
   * @param {string} text
   * @param {Parameters<Call['send']>[1]} options
   */
  send(text, options) {
    return this.page.evaluate(([line, how]) => window.call.send(line, how), /** @type {const} */ ([text, options]));
  }

  /**
   * @param {string} identity
   * @param {Quality} quality
   */
  wish(identity, quality) {
    return this.page.evaluate(([whose, layer]) => window.call.wish(whose, layer), /** @type {const} */ ([
      identity, quality,
    ]));
  }

  /** @param {Parameters<Call['show']>[0]} size */
  show(size) {
    return this.page.evaluate((how) => window.call.show(how), size);
  }

  /** @param {number} bitsPerSecond */
  imagineLink(bitsPerSecond) {
    return this.page.evaluate((width) => window.call.imagineLink(width), bitsPerSecond);
  }

  /**
   * @param {string} identity
   * @param {Source} source
   */
  watch(identity, source) {
    return this.page.evaluate(([whose, what]) => window.call.watch(whose, what), /** @type {const} */ ([
      identity, source,
    ]));
  }

  /**
   * @param {string} identity
   * @param {Source} source
   */
  frames(identity, source) {
    return this.page.evaluate(([whose, what]) => window.call.frames(whose, what), /** @type {const} */ ([
      identity, source,
    ]));
  }

  now() {
    return this.page.evaluate(() => window.call.now());
  }

  /** @returns {Promise<Seen>} */
  seen() {
    return this.page.evaluate(() => window.call.seen());
  }

  /**
   * Waits until this participant sees something.
   * @param {string} what
   * @param {(seen: Seen) => unknown} accept
   * @param {number} [timeoutMs]
   */
  sees(what, accept, timeoutMs) {
    return this.worker.until(`${this.identity} sees ${what}`, () => this.seen(), accept, timeoutMs);
  }

  /**
   * Waits for pictures that move, of the size asked for.
   * @param {string} identity
   * @param {Source} source
   * @param {{ width: number, height: number }} size
   */
  async seesVideoOf(identity, source, { width, height }) {
    const { counters } = await this.track(identity, source);
    const before = counters.framesDecoded ?? 0;
    await this.sees(`${identity}'s ${source} move at ${width}x${height}`, (seen) => {
      const now = trackOf(seen, identity, source)?.counters ?? {};
      return now.framesDecoded >= before + 5 && now.frameWidth === width && now.frameHeight === height;
    }, RAMP_MS);
  }

  /**
   * Waits for sound that is not silence.
   * @param {string} identity
   */
  async hears(identity) {
    const { counters } = await this.track(identity, 'microphone');
    const before = counters.totalAudioEnergy ?? 0;
    await this.sees(`(hears) ${identity}`, (seen) => {
      const now = trackOf(seen, identity, 'microphone')?.counters ?? {};
      return now.totalAudioEnergy > before + AUDIBLE_ENERGY;
    });
  }

  /**
   * Waits until someone's track stands still: no pictures, no sound.
   * @param {string} identity
   * @param {Source} source
   */
  async seesNothingOf(identity, source) {
    let before = Number.NaN;
    let quiet = 0;
    await this.sees(`nothing more of ${identity}'s ${source}`, (seen) => {
      const track = trackOf(seen, identity, source);
      const now = (source === 'microphone' ? track?.counters.totalAudioEnergy : track?.counters.framesDecoded) ?? 0;
      quiet = now - before < (source === 'microphone' ? AUDIBLE_ENERGY : 1) ? quiet + 1 : 0;
      before = now;
      // The fake microphone beeps twice a second: silence must outlast that.
      return track?.muted && quiet >= 15;
    });
  }

  /**
   * Someone's track, once it is subscribed to.
   * @param {string} identity
   * @param {Source} source
   * @returns {Promise<SeenTrack>}
   */
  async track(identity, source) {
    const seen = await this.sees(`${identity} publish a ${source}`, (now) => trackOf(now, identity, source)?.subscribed);
    const track = trackOf(seen, identity, source);
    assert(track);
    return track;
  }
}

/**
 * @param {Seen} seen
 * @param {string} identity
 * @param {Source} source
 * @returns {SeenTrack | undefined}
 */
export function trackOf(seen, identity, source) {
  const participant = seen.participants.find((other) => other.identity === identity);
  return participant?.tracks.find((track) => track.source === source);
}
