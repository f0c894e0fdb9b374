// Runs the periodic functions of `crons.ts`: each at its times, one run of a cron at
// a time; one that takes longer than its interval skips the runs it overlaps.

import type { JSONValue } from 'convex/values';
import type { Backend } from './backend.ts';
import { nextRun, type Cron } from './crons.ts';
import { optional } from './modules.ts';

export class Clockwork {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private stopped = false;

  private constructor(private readonly backend: Backend) {}

  static async start(backend: Backend): Promise<Clockwork> {
    const clockwork = new Clockwork(backend);
    const found = (await optional(backend.folder, 'crons'))?.default as { crons: Record<string, Cron> } | undefined;
    for (const [name, cron] of Object.entries(found?.crons ?? {})) clockwork.wait(name, cron);
    return clockwork;
  }

  get names(): string[] {
    return [...this.timers.keys()];
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  private wait(name: string, cron: Cron): void {
    if (this.stopped) return;
    const now = Date.now();
    this.timers.set(name, setTimeout(() => void this.run(name, cron), nextRun(cron.schedule, now) - now));
  }

  private async run(name: string, cron: Cron): Promise<void> {
    try {
      await this.backend.callAny(cron.name, (cron.args[0] ?? {}) as JSONValue);
    } catch (error) {
      console.error(`Cron "${name}" failed:`, error);
    }
    this.wait(name, cron);
  }
}
