// Scheduled jobs beyond one process: those that were waiting when the last one
// ended run at their time, or at once if it has passed.
//
// While the process lives convex-test runs them itself, on timers. A mutation that
// was running when the process was killed runs again; an action does not, as in Convex.

import type { GenericDocument } from 'convex/server';
import type { Documents, FunctionPath, Inside, Opened } from './internals.ts';

const JOBS = '_scheduled_functions';
/** Convex remembers finished jobs for a week; a demo that runs for months need not. */
const KEPT_MS = 3_600_000;
const TIDY_MS = 600_000;
/** Removed in one transaction at most. */
const TIDIED = 1_000;

type State = 'pending' | 'inProgress' | 'success' | 'failed' | 'canceled';

export class Jobs {
  private readonly timers = new Set<NodeJS.Timeout>();
  private stopped = false;

  constructor(
    private readonly convex: Opened,
    private readonly inside: Inside,
    private readonly runsIn: Map<string, string>,
  ) {
    this.noteWhere();
  }

  /** A job's document names its function but not the component, which differs for functions handed over by handle. */
  private noteWhere(): void {
    const syscall = this.inside.asyncSyscall;
    // Each read and write of each function passes here: no promise more than there was.
    this.inside.asyncSyscall = (operation, args) => {
      const answer = syscall(operation, args);
      return operation === '1.0/schedule' ? this.noteJob(answer, args) : answer;
    };
  }

  private async noteJob(answer: Promise<string>, args: string): Promise<string> {
    const job = await answer;
    const { functionHandle } = JSON.parse(args) as { functionHandle?: string };
    const component = /^function:\/\/([^;]*);/.exec(functionHandle ?? '')?.[1];
    if (component !== undefined) this.runsIn.set(JSON.parse(job) as string, component);
    return job;
  }

  resume(): void {
    for (const [component, { db }] of Object.entries(this.inside.components)) {
      for (const [id, document] of Object.entries(db._documents)) {
        if (!id.endsWith(JOBS)) continue;
        const state = stateOf(document);
        if (state === 'pending') this.after(Number(document.scheduledTime) - Date.now(), () => this.run(component, id, 'pending'));
        if (state === 'inProgress') this.after(0, () => this.run(component, id, 'inProgress'));
      }
    }
    this.after(TIDY_MS, () => this.tidy());
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers) clearTimeout(timer);
  }

  private after(delay: number, run: () => Promise<void>): void {
    const longest = 2 ** 31 - 1;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (this.stopped) return;
      if (delay > longest) return this.after(delay - longest, run);
      run().catch((error: unknown) => console.error('A scheduled job could not be started:', error));
    }, Math.min(Math.max(0, delay), longest));
    this.timers.add(timer);
  }

  private async run(component: string, id: string, from: State): Promise<void> {
    const db = this.inside.components[component]!.db;
    const found = await this.mark(component, db, id, from, { state: { kind: 'inProgress' } });
    if (found === null) return;
    const path: FunctionPath = { componentPath: this.runsIn.get(id) ?? component, udfPath: String(found.name) };
    try {
      if (from === 'inProgress' && (await this.isAction(path))) throw new Error('It was running when the host was stopped.');
      await this.convex.fun(path, (found.args as unknown[])[0]);
    } catch (error) {
      console.error(`Scheduled job ${path.udfPath} failed:`, error);
      await this.mark(component, db, id, 'inProgress', { state: { kind: 'failed' }, completedTime: Date.now() });
      return;
    }
    await this.mark(component, db, id, 'inProgress', { state: { kind: 'success' }, completedTime: Date.now() });
  }

  private async mark(component: string, db: Documents, id: string, from: State, change: Record<string, unknown>): Promise<GenericDocument | null> {
    let found: GenericDocument | null = null;
    await this.convex.runInComponent(component, async () => {
      const job = db.get(JOBS, id);
      if (job === null || stateOf(job) !== from) return null;
      found = job;
      db.patch(JOBS, id, change);
      return null;
    });
    return found;
  }

  private async isAction(path: FunctionPath): Promise<boolean> {
    const [module, name = 'default'] = path.udfPath.split(':');
    const component = this.inside.components[path.componentPath] as unknown as { modules: (path: string) => Promise<Record<string, unknown>> };
    return Reflect.get((await component.modules(module!))[name] as object, 'isAction') === true;
  }

  private async tidy(): Promise<void> {
    const old = Date.now() - KEPT_MS;
    for (const [component, { db }] of Object.entries(this.inside.components)) {
      const done = Object.entries(db._documents)
        .filter(([id, job]) => id.endsWith(JOBS) && !['pending', 'inProgress'].includes(stateOf(job)) && Number(job.scheduledTime) < old)
        .slice(0, TIDIED);
      if (done.length === 0) continue;
      await this.convex.runInComponent(component, async () => {
        for (const [id] of done) {
          db.delete(JOBS, id);
          this.runsIn.delete(id);
        }
        return null;
      });
    }
    this.after(TIDY_MS, () => this.tidy());
  }
}

function stateOf(job: GenericDocument): State {
  return (job.state as { kind: State }).kind;
}
