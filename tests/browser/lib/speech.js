// @ts-check
/**
 * How well somebody is heard: what the browser had to make up, how long the sound paused, and what ITU-T G.107 (the
 * E-model) makes of loss and delay. It rates numbers, not sound: nobody compares what was said with what was heard.
 */

/** @typedef {import('./participant.js').Participant} Participant */

/** Often enough to see a pause of a tenth of a second. */
const LOOK_MS = 25;
/** Of Opus, a frame; it is said before it can be sent. */
const FRAME_MS = 20;
/** G.107 with all defaults: nothing is lost and nothing late. */
const BEST_R = 93.2;
/**
 * G.113 knows Opus not. Taken as unimpaired while nothing is lost, and as robust against loss as between G.711 without
 * concealment (4.3) and with it (25.1).
 */
const OPUS_LOSS_ROBUSTNESS = 10;

/**
 * The rating of a connection that loses this share of its frames and takes this long from mouth to ear.
 * @param {number} lost 0 to 1
 * @param {number} delayMs one way; 0 rates listening alone
 */
export function rating(lost, delayMs) {
  const percent = lost * 100;
  const loss = (95 * percent) / (percent + OPUS_LOSS_ROBUSTNESS);
  const r = BEST_R - loss - delayImpairment(delayMs);
  return { r, mos: opinion(r) };
}

/**
 * G.107 equation 7-27: pure delay, echo cancelled.
 * @param {number} ms
 */
function delayImpairment(ms) {
  if (ms <= 100) return 0;
  const x = Math.log2(ms / 100);
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2);
}

/**
 * G.107 annex B: what people would say, 1 to 4.5.
 * @param {number} r
 */
function opinion(r) {
  if (r <= 0) return 1;
  if (r >= 100) return 4.5;
  return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

/** Listens to somebody's microphone from here on, until it is asked what was heard. */
export class Listening {
  /**
   * @param {Participant} listener
   * @param {Participant} speaker
   */
  constructor(listener, speaker) {
    this.listener = listener;
    this.speaker = speaker;
  }

  /**
   * @param {Participant} listener
   * @param {Participant} speaker who sends all the time, silence too, if pauses are to be told
   */
  static async begin(listener, speaker) {
    await listener.page.evaluate(async ([identity, everyMs]) => {
      const page = /** @type {any} */ (window);
      const { track } = window.call.publication(identity, 'microphone');
      const look = async () => {
        const report = await /** @type {any} */ (track).getRTCStatsReport();
        return [...report.values()].find(({ type }) => type === 'inbound-rtp');
      };
      const first = await look();
      const heard = { first, last: first, longestMs: 0, ended: false };
      page.listening ??= {};
      page.listening[identity] = { heard, look };
      let packets = first.packetsReceived;
      let at = performance.now();
      const again = async () => {
        if (heard.ended) return;
        const { packetsReceived } = await look();
        const now = performance.now();
        heard.longestMs = Math.max(heard.longestMs, now - at);
        if (packetsReceived > packets) [packets, at] = [packetsReceived, now];
        setTimeout(again, everyMs);
      };
      again();
    }, /** @type {const} */ ([speaker.identity, LOOK_MS]));
    return new Listening(listener, speaker);
  }

  /**
   * What was heard since.
   * @returns {Promise<{ seconds: number, concealed: number, longestPauseMs: number, delayMs: number, listening: number, conversation: number }>}
   * seconds of sound, the share of it that was made up, the longest time without a packet, the delay from mouth to ear,
   * and the opinion score of listening alone and of talking to each other
   */
  async end() {
    const { first, last, longestMs } = await this.listener.page.evaluate(async (identity) => {
      const { heard, look } = /** @type {any} */ (window).listening[identity];
      heard.ended = true;
      heard.last = await look();
      return heard;
    }, this.speaker.identity);
    /** @param {string} name */
    const grown = (name) => last[name] - first[name];
    const samples = grown('totalSamplesReceived');
    const concealed = (grown('concealedSamples') - grown('silentConcealedSamples')) / samples;
    const buffered = (grown('jitterBufferDelay') / grown('jitterBufferEmittedCount')) * 1_000;
    const [mouth, ear] = await Promise.all([this.speaker, this.listener].map(roundTripMs));
    const delayMs = FRAME_MS + (mouth + ear) / 2 + buffered;
    return {
      seconds: samples / 48_000,
      concealed,
      longestPauseMs: longestMs,
      delayMs,
      listening: rating(concealed, 0).mos,
      conversation: rating(concealed, delayMs).mos,
    };
  }
}

/**
 * The mean round trip of all checks that were answered.
 * @param {Participant} participant
 */
function roundTripMs({ page }) {
  return page.evaluate(async () => {
    const { publisher, subscriber } = /** @type {any} */ (window.call.open()).engine.pcManager;
    let seconds = 0;
    let answers = 0;
    for (const transport of [publisher, subscriber].filter(Boolean)) {
      for (const entry of (await transport._pc.getStats()).values()) {
        if (entry.type !== 'candidate-pair' || !entry.responsesReceived) continue;
        seconds += entry.totalRoundTripTime;
        answers += entry.responsesReceived;
      }
    }
    return answers ? (seconds / answers) * 1_000 : 0;
  });
}

/**
 * In words, for people.
 * @param {Awaited<ReturnType<Listening['end']>>} heard
 */
export function told({ seconds, concealed, longestPauseMs, delayMs, listening, conversation }) {
  return `${seconds.toFixed(0)} s of sound: ${(concealed * 100).toFixed(2)} % made up, longest pause ${longestPauseMs.toFixed(0)} ms, ` +
    `${delayMs.toFixed(0)} ms from mouth to ear; E-model: ${listening.toFixed(2)} for listening, ${conversation.toFixed(2)} for talking`;
}
