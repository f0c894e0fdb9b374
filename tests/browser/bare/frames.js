// @ts-check
/** Looks at decoded pictures themselves, so that no counter has to be believed. */

/** Half a minute at 30 frames a second, and more than any test looks at. */
const MAX_FRAMES = 1_500;
/** A picture is judged by this many sample points each way. */
const GRID = 12;

/**
 * @typedef {object} Frame
 * @property {number} at when it was decoded, on the page's clock
 * @property {number} width
 * @property {number} height
 * @property {number} background share of the picture, 0 to 1, that is the fake camera's plain green
 * @property {number} brightness of the picture, from 0 for black to 1
 */

/**
 * When the track's first frame comes out of its decoder; `null` if the track ends before, or in Firefox, whose pages
 * cannot read frames.
 * @param {MediaStreamTrack} track
 * @returns {Promise<number | null>}
 */
export async function firstFrame(track) {
  if (!('MediaStreamTrackProcessor' in window)) return null;
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  const { value } = await reader.read();
  const at = performance.now();
  value?.close();
  await reader.cancel();
  return value ? at : null;
}

/** Notes each frame of a track from its making until the track ends. */
export class FrameWatch {
  /** @type {Frame[]} */
  frames = [];

  /** @param {MediaStreamTrack} track */
  constructor(track) {
    this.run(new MediaStreamTrackProcessor({ track }).readable.getReader());
  }

  /** @param {ReadableStreamDefaultReader<VideoFrame>} reader */
  async run(reader) {
    const canvas = new OffscreenCanvas(GRID, GRID);
    const picture = canvas.getContext('2d', { willReadFrequently: true });
    if (!picture) throw new Error('no canvas to look at frames with');
    while (this.frames.length < MAX_FRAMES) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      picture.drawImage(frame, 0, 0, GRID, GRID);
      const { data } = picture.getImageData(0, 0, GRID, GRID);
      this.frames.push({
        at: performance.now(),
        width: frame.displayWidth,
        height: frame.displayHeight,
        background: backgroundShare(data),
        brightness: brightness(data),
      });
      frame.close();
    }
    await reader.cancel();
  }
}

/**
 * The fake camera draws on plain green: a decoder that lost its way shows grey or smear instead.
 * @param {Uint8ClampedArray} pixels
 */
function backgroundShare(pixels) {
  let green = 0;
  for (let at = 0; at < pixels.length; at += 4) {
    const [red, greenness, blue] = pixels.subarray(at, at + 3);
    if (greenness > 90 && greenness < 180 && red < 70 && blue < 70) green += 1;
  }
  return green / (GRID * GRID);
}

/** @param {Uint8ClampedArray} pixels */
function brightness(pixels) {
  let sum = 0;
  for (let at = 0; at < pixels.length; at += 4) sum += pixels[at] + pixels[at + 1] + pixels[at + 2];
  return sum / (GRID * GRID * 3 * 255);
}
