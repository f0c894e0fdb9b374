// The host as a program: how it starts, what it keeps when it is killed, how it stops.

import { ConvexHttpClient } from 'convex/browser';
import { anyApi, type FunctionReference } from 'convex/server';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const api = anyApi as unknown as Record<'notes', Record<string, FunctionReference<any, 'public', any, any>>>;
const state = mkdtempSync(join(tmpdir(), 'convex-host-main-'));
let program: ChildProcess | undefined;

afterEach(() => {
  program?.kill('SIGKILL');
  rmSync(state, { recursive: true, force: true });
});

/** Starts it, and waits until it says where it is. */
async function start(): Promise<{ client: ConvexHttpClient; restored: number }> {
  const options = ['--functions', 'trial', '--state', state, '--api-port', '0', '--site-port', '0', '--no-crons'];
  program = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', ...options], { cwd: HERE, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const chunk of program.stdout!) {
    said += String(chunk);
    const told = /API (\S+), HTTP actions \S+, (\d+) documents restored/.exec(said);
    if (told) return { client: new ConvexHttpClient(told[1]!), restored: Number(told[2]) };
  }
  throw new Error(`it ended before it was ready: ${said}`);
}

async function end(signal: NodeJS.Signals): Promise<unknown[]> {
  const ended = once(program!, 'exit');
  program!.kill(signal);
  return await ended;
}

test('what was answered is there after kill -9, and after a line that was not finished', async () => {
  const first = await start();
  expect(first.restored).toBe(0);
  for (const body of ['one', 'two']) await first.client.mutation(api.notes.send!, { room: 'kept', body });
  await end('SIGKILL');
  appendFileSync(join(state, 'documents.jsonl'), '{"at":"99","changes":[["","0001');

  const second = await start();
  expect(second.restored).toBe(2);
  await second.client.mutation(api.notes.send!, { room: 'kept', body: 'three' });
  expect(await second.client.query(api.notes.list!, { room: 'kept' })).toEqual(['one', 'two', 'three']);
  expect(await end('SIGTERM')).toEqual([0, null]);
});

test('options that can’t work are refused in words', async () => {
  for (const [options, words] of [
    [[], '--functions is missing'],
    [['--functions', 'nowhere'], 'does not exist'],
    [['--functions', 'trial', '--api-port', '70000'], '--api-port is "70000"'],
    [['--functions', 'trial', '--what'], '--what'],
  ] as const) {
    program = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', ...options], { cwd: HERE, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    program.stderr!.on('data', (chunk) => { said += String(chunk); });
    const [status] = await once(program, 'close');
    expect([status, said]).toEqual([1, expect.stringContaining(words)]);
  }
});
