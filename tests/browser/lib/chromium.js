// @ts-check
/** Debian's Chromium, headless, with a fake camera, microphone and screen that nobody is asked about. */

import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
/**
 * Which fake cameras to use. Pages that share one share its size too, so those of one call each take their own;
 * the one left out is a depth camera, whose pictures nobody can encode.
 */
export const CAMERAS = [0, 2, 3, 4];
export const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // No page may starve because another is in front.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  `--use-fake-device-for-media-stream=device-count=${Math.max(...CAMERAS) + 1}`,
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
];

/**
 * A fresh browser with an empty profile of its own.
 * @param {import('playwright-core').LaunchOptions} [options] other than usual
 */
export function launchChromium(options = {}) {
  return chromium.launch({ executablePath: EXECUTABLE, headless: true, args: FLAGS, ...options });
}

/** The same as a process of its own, to be treated badly. */
export function launchChromiumServer() {
  return chromium.launchServer({ executablePath: EXECUTABLE, headless: true, args: FLAGS });
}
