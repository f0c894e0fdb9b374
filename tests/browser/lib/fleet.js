// @ts-check
/** Several edge workers that are linked, each in a city of its own: one room over all of them. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { EdgeWorker, TARGET } from './edge-worker.js';
import { freeTcpPort, freeUdpPort } from './ports.js';
import { Program } from './program.js';
import { Trench } from './trench.js';

/** The hub, and the maker of certificates. */
const RELAY = process.env.RELAY ?? fileURLToPath(new URL('relay', TARGET));

/** @typedef {{ city: string, relay: number }} Place where a node is, and the port on which others reach it */
/** @typedef {(one: string, other: string) => boolean} Linked whether a node in one city dials one in another */

export class Fleet {
  /** In the order of their cities. @type {EdgeWorker[]} */
  nodes = [];
  /** Those that can be cut, by who dials and who is dialled. @type {Map<string, Trench>} */
  trenches = new Map();
  /** Passes on rooms that it does not host. @type {Program | null} */
  hub = null;

  /**
   * @param {Place[]} places
   * @param {Linked} linked
   * @param {string} folder
   * @param {NodeJS.ProcessEnv} environment
   */
  constructor(places, linked, folder, environment) {
    this.places = places;
    this.linked = linked;
    this.folder = folder;
    this.environment = environment;
  }

  /**
   * A node in each city, with certificates of a CA made for the occasion.
   * @param {readonly string[]} cities
   * @param {{ environment?: NodeJS.ProcessEnv, hub?: string, linked?: Linked, trench?: [string, string] }} [options]
   *   further settings of all nodes; the city of a hub, if there shall be one; who dials whom, if not all dial all; and
   *   who dials whom over a wire that can be cut
   */
  static async start(cities, { environment = {}, hub, linked = () => true, trench } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'fleet-'));
    await pki('authority', '--out', folder);
    const places = [];
    for (const city of hub ? [...cities, hub] : cities) {
      await pki('node', '--authority', folder, '--node', nameIn(city), '--region', city, '--out', folder);
      places.push({ city, relay: await freeUdpPort() });
    }
    const fleet = new Fleet(places, linked, folder, environment);
    try {
      if (trench) fleet.trenches.set(trench.join(' '), await Trench.dig(fleet.placeOf(trench[1]).relay));
      if (hub) await fleet.startHub(hub);
      for (const city of cities) fleet.nodes.push(await fleet.startNode(city));
      await Promise.all(cities.map((city, index) => fleet.sees(index, fleet.linksOf(city))));
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  /**
   * Starts the node of a city, or starts it again where it was.
   * @param {string} city
   * @param {EdgeWorker['ports']} [taken]
   */
  startNode(city, taken) {
    const relay = this.placeOf(city);
    const neighbours = this.neighboursOf(city).map(
      (it) => `{node="${nameIn(it.city)}",address="127.0.0.1:${this.trenches.get(`${city} ${it.city}`)?.port ?? it.relay}",region="${it.city}"}`,
    );
    return EdgeWorker.start(
      {
        EDGE_RELAY__BIND: '127.0.0.1',
        EDGE_RELAY__PORT: String(relay.relay),
        EDGE_RELAY__AUTHORITY: join(this.folder, 'authority.pem'),
        EDGE_RELAY__CERTIFICATE: join(this.folder, `${nameIn(city)}.pem`),
        EDGE_RELAY__KEY: join(this.folder, `${nameIn(city)}.key`),
        EDGE_RELAY__NEIGHBOURS: `[${neighbours.join(',')}]`,
        ...this.environment,
      },
      taken,
    );
  }

  /** @param {string} city */
  async startHub(city) {
    const config = join(this.folder, 'hub.toml');
    const neighbours = this.neighboursOf(city);
    await writeFile(
      config,
      [
        '[relay]', 'bind = "127.0.0.1"', `port = ${this.placeOf(city).relay}`,
        '[admin]', 'bind = "127.0.0.1"', `port = ${await freeTcpPort()}`,
        '[tls]',
        `authority = "${join(this.folder, 'authority.pem')}"`,
        `certificate = "${join(this.folder, `${nameIn(city)}.pem`)}"`,
        `key = "${join(this.folder, `${nameIn(city)}.key`)}"`,
        ...neighbours.map((it) => `[[neighbours]]\nnode = "${nameIn(it.city)}"\naddress = "127.0.0.1:${it.relay}"`),
      ].join('\n'),
    );
    this.hub = await Program.start(RELAY, ['run', '--config', config]);
  }

  /**
   * Waits until a node is linked to exactly those in these cities.
   * @param {number} index
   * @param {string[]} cities
   */
  async sees(index, cities) {
    const node = this.nodes[index];
    const probe = async () => {
      const answer = await fetch(`http://127.0.0.1:${node.ports.admin}/links`);
      const { links } = /** @type {{ links: { node: string }[] }} */ (await answer.json());
      return links.map((link) => link.node).sort();
    };
    const wanted = cities.map(nameIn).sort().join();
    await node.until(`links to ${wanted}`, probe, (linked) => linked.join() === wanted);
  }

  /** The exit code of each node. */
  async stop() {
    const codes = await Promise.all(this.nodes.map((node) => node.stop()));
    await this.hub?.stop();
    for (const trench of this.trenches.values()) trench.close();
    await rm(this.folder, { recursive: true, force: true });
    return codes;
  }

  /** @param {string} city */
  placeOf(city) {
    const place = this.places.find((it) => it.city === city);
    if (!place) throw new Error(`nobody is in ${city}`);
    return place;
  }

  /** @param {string} city */
  neighboursOf(city) {
    return this.places.filter((it) => it.city !== city && this.linked(city, it.city));
  }

  /** @param {string} city */
  linksOf(city) {
    const others = this.places.map((it) => it.city).filter((other) => other !== city);
    return others.filter((other) => this.linked(city, other) || this.linked(other, city));
  }
}

/** @param {string[]} words */
async function pki(...words) {
  await promisify(execFile)(RELAY, ['pki', ...words]).catch((error) => {
    throw new Error(`${RELAY} makes no certificates (build it: cargo build -p relay): ${error.message}`);
  });
}

/** @param {string} city */
function nameIn(city) {
  return `${city}-1`;
}
