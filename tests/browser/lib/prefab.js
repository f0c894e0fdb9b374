// @ts-check
/** The prefab conference of LiveKit's component library: its page, built and served, and somebody who sits at it. */

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const SOURCE = fileURLToPath(new URL('../prefab/', import.meta.url));
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' };

export class PrefabPages {
  /** @param {import('node:http').Server} server */
  constructor(server) {
    this.server = server;
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    this.origin = `http://127.0.0.1:${port}`;
  }

  /** Builds the page, in memory, and serves it. */
  static async serve() {
    const { outputFiles } = await build({
      entryPoints: [`${SOURCE}page.jsx`],
      outdir: SOURCE,
      bundle: true,
      write: false,
      format: 'esm',
      jsx: 'automatic',
      minify: true,
      define: { 'process.env.NODE_ENV': '"production"' },
    });
    /** @type {Map<string, Uint8Array>} */
    const files = new Map(outputFiles.map(({ path, contents }) => [path.slice(SOURCE.length), contents]));
    files.set('index.html', await readFile(`${SOURCE}index.html`));
    const server = createServer(({ url = '/' }, response) => {
      const name = new URL(url, 'http://localhost').pathname.slice(1) || 'index.html';
      const body = files.get(name);
      if (!body) return response.writeHead(404).end();
      const type = TYPES[/** @type {keyof typeof TYPES} */ (name.slice(name.lastIndexOf('.') + 1))];
      response.writeHead(200, { 'content-type': type }).end(body);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(null)));
    return new PrefabPages(server);
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/**
 * One participant's tile as the page shows it.
 * @typedef {object} Tile
 * @property {string} name
 * @property {string} source
 * @property {boolean} speaking
 * @property {boolean} muted whether the sign of a muted microphone is on it
 * @property {boolean} dark whether there is no picture, by what the tile says of itself
 * @property {string} quality of the connection
 * @property {boolean} outlined whether something is drawn around it
 * @property {number} width of the picture itself, whatever size it is shown in
 * @property {number} played how far it has, in seconds
 */

/** Somebody in a prefab conference, by what is seen and clicked. */
export class Guest {
  /**
   * @param {import('playwright-core').Page} page
   * @param {import('./edge-worker.js').EdgeWorker} worker
   * @param {string} name
   */
  constructor(page, worker, name) {
    this.page = page;
    this.worker = worker;
    this.name = name;
  }

  /**
   * Opens the page, which joins by itself.
   * @param {string} origin
   * @param {string} room
   */
  async enter(origin, room) {
    const token = await this.worker.token(room, this.name);
    await this.page.addInitScript(prepare);
    await this.page.goto(`${origin}/?${new URLSearchParams({ url: this.worker.url, token })}`);
  }

  /** @param {number} loudness of the microphone; 0 is silence */
  sounds(loudness) {
    return this.page.evaluate((gain) => {
      /** @type {any} */ (window).loudness(gain);
    }, loudness);
  }

  /** @param {string} selector */
  click(selector) {
    return this.page.locator(selector).first().click();
  }

  /** @param {string} text */
  async says(text) {
    await this.page.locator('.lk-chat-form-input').fill(text);
    await this.click('.lk-chat-form-button');
  }

  /**
   * Waits for tiles, whose names are unique together with what they show.
   * @param {string} what
   * @param {(tiles: Record<string, Tile>, count: number) => unknown} accept `tiles` by "name" or "name's screen"
   * @param {number} [timeoutMs]
   */
  async sees(what, accept, timeoutMs) {
    const byName = (/** @type {Tile[]} */ tiles) => Object.fromEntries(tiles.map((tile) => [tile.name, tile]));
    const tiles = await this.worker.until(`${this.name} sees ${what}`, () => this.tiles(), (all) => accept(byName(all), all.length), timeoutMs);
    return byName(tiles);
  }

  /**
   * Waits for pictures that play.
   * @param {string[]} names
   */
  async seesMove(...names) {
    const before = await this.sees(`tiles of ${names}`, (tiles) => names.every((name) => tiles[name]?.width > 0));
    await this.sees(`${names} move`, (tiles) => names.every((name) => tiles[name]?.played > before[name].played + 0.2));
  }

  /** What the page shows now. @returns {Promise<Tile[]>} */
  tiles() {
    return this.page.evaluate(() =>
      [...document.querySelectorAll('.lk-participant-tile')].map((tile) => {
        const video = tile.querySelector('video');
        const attribute = (/** @type {string} */ name) => tile.getAttribute(name) ?? '';
        return {
          name: tile.querySelector('.lk-participant-name')?.textContent ?? '',
          source: attribute('data-lk-source'),
          speaking: attribute('data-lk-speaking') === 'true',
          muted: tile.querySelector('[data-lk-muted="true"]') !== null,
          dark: attribute('data-lk-video-muted') === 'true',
          quality: tile.querySelector('[data-lk-quality]:has(svg)')?.getAttribute('data-lk-quality') ?? '',
          outlined: parseFloat(getComputedStyle(tile, '::after').borderTopWidth) > 0,
          width: video?.videoWidth ?? 0,
          played: video?.currentTime ?? 0,
        };
      }),
    );
  }

  /** Who is in focus; nobody, if all are shown alike. */
  focus() {
    return this.page.evaluate(() => {
      const tile = document.querySelector('.lk-focus-layout > .lk-participant-tile');
      return tile?.querySelector('.lk-participant-name')?.textContent ?? null;
    });
  }

  /** Everything in the chat, as "name: text"; names stand only where they change. */
  chat() {
    return this.page.evaluate(() =>
      [...document.querySelectorAll('.lk-chat-entry')].map((entry) => {
        const text = (/** @type {string} */ name) => entry.querySelector(name)?.textContent ?? '';
        return `${text('.lk-participant-name')}: ${text('.lk-message-body')}`;
      }),
    );
  }

  /** Everything that the page has said about the connection. @returns {Promise<string[]>} */
  toasts() {
    return this.page.evaluate(() => /** @type {any} */ (window).toasts);
  }

  /**
   * @template T
   * @param {string} what
   * @param {() => Promise<T>} probe
   * @param {(value: T) => unknown} accept
   */
  waits(what, probe, accept) {
    return this.worker.until(`${this.name} waits ${what}`, probe, accept);
  }
}

/**
 * Runs in the page before anything else: the microphone is a tone whose loudness can be set, for the fake one beeps too
 * briefly for anybody to be called a speaker; and every toast is noted, however briefly it shows.
 */
function prepare() {
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  /** @type {GainNode[]} */
  const volumes = [];
  let loudness = 0;
  devices.getUserMedia = async (constraints) => {
    const media = await ask(constraints);
    for (const microphone of media.getAudioTracks()) {
      const context = new AudioContext();
      const volume = new GainNode(context, { gain: loudness });
      const out = context.createMediaStreamDestination();
      const tone = new OscillatorNode(context, { frequency: 300 });
      tone.connect(volume).connect(out);
      tone.start();
      volumes.push(volume);
      media.removeTrack(microphone);
      microphone.stop();
      media.addTrack(out.stream.getAudioTracks()[0]);
    }
    return media;
  };
  /** @type {string[]} */
  const toasts = [];
  Object.assign(window, {
    toasts,
    loudness: (/** @type {number} */ gain) => {
      loudness = gain;
      for (const volume of volumes) volume.gain.value = gain;
    },
  });
  new MutationObserver(() => {
    const text = document.querySelector('.lk-toast-connection-state')?.textContent?.trim() ?? '';
    if (text !== (toasts.at(-1) ?? '')) toasts.push(text);
  }).observe(document, { childList: true, subtree: true, characterData: true });
}
