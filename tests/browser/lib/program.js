// @ts-check
/** A child process whose output is kept for when a test fails, and which never outlives the test. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** A worker at `debug` says much; its last words are what counts. */
const MAX_LINES = 5_000;
const TAIL_LINES = 60;
/** Linux counts processor time for programs in hundredths of a second. */
const MS_PER_TICK = 10;
/** Longer than a clean stop may take; what is still there then is killed, and the test fails. */
const STOP_MS = 10_000;

/** Everything started here that may still run. @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();

// Also when the test process is told to stop, or ends in a hurry.
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => process.exit(1));

export class Program {
  /** @type {string[]} */
  lines = [];

  /**
   * @param {string} name
   * @param {import('node:child_process').ChildProcess} child
   */
  constructor(name, child) {
    this.name = name;
    this.child = child;
    children.add(child);
    this.exited = once(child, 'exit').then(([code, signal]) => {
      children.delete(child);
      return { code, signal };
    });
    for (const output of [child.stdout, child.stderr]) {
      if (output) createInterface({ input: output }).on('line', (line) => this.keep(line));
    }
  }

  /**
   * @param {string} path
   * @param {string[]} args
   * @param {NodeJS.ProcessEnv} [env] added to our own
   * @param {string} [cwd]
   */
  static async start(path, args, env = {}, cwd = undefined) {
    await access(path, constants.X_OK).catch(() => {
      throw new Error(`${path} is not there: build it first (tests/run does, or: cargo build --workspace)`);
    });
    const child = spawn(path, args, { env: { ...process.env, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    return new Program(path.split('/').at(-1) ?? path, child);
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The last lines it printed. */
  tail() {
    const end = this.running ? 'runs' : `ended with ${this.child.exitCode ?? this.child.signalCode}`;
    return `--- ${this.name} (${end}), its last lines:\n${this.lines.slice(-TAIL_LINES).join('\n')}`;
  }

  /** Processor time it has used so far. */
  async cpuMs() {
    const stat = await readFile(`/proc/${this.child.pid}/stat`, 'utf8');
    // The name may hold spaces and brackets; user and system time are the 12th and 13th word after it.
    const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(words[11]) + Number(words[12])) * MS_PER_TICK;
  }

  /** Memory it holds now. */
  async memoryMiB() {
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(status.match(/VmRSS:\s+(\d+) kB/)?.[1]) / 1_024;
  }

  /** Asks it to stop and answers with its exit code, or with the signal that had to kill it. */
  async stop() {
    if (this.running) this.child.kill('SIGTERM');
    const patience = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    const { code, signal } = await this.exited;
    clearTimeout(patience);
    return code ?? signal;
  }

  /** @param {string} line */
  keep(line) {
    this.lines.push(line);
    if (this.lines.length > MAX_LINES) this.lines.shift();
  }
}
