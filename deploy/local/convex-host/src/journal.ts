// Keeps the documents on disk: a line for each committed transaction, read again
// at the start. What was answered is in the file, whatever ends the process; a
// machine that loses power may lose the last moments, since nothing waits for the disk.
//
// File storage is not kept: its bytes live as long as the process.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { convexToJson, jsonToConvex, type JSONValue, type Value } from 'convex/values';
import type { GenericDocument } from 'convex/server';
import { tableOf } from './documents.ts';
import type { Inside } from './internals.ts';

/** Component, id, and what is there now; a scheduled job also has the component it runs in. */
type Change = [component: string, id: string, document: JSONValue, runsIn?: string];
interface Line {
  at: string;
  changes: Change[];
}

/** A line of a rewritten file holds so many documents at most. */
const DOCUMENTS_PER_LINE = 500;
/** Before the file is written anew it may grow to this, or to so many times what it holds. */
const ROOM_BYTES = 32 * 1024 * 1024;
const ROOM_TIMES = 4;

export class Journal {
  private file: number;
  private appended = 0;
  private written = 0;

  private constructor(
    private readonly path: string,
    private readonly inside: Inside,
    /** For jobs that run in another component than the one that scheduled them. */
    private readonly runsIn: Map<string, string>,
  ) {
    this.file = this.rewrite();
  }

  /** Reads what an earlier process left, into `inside`, and goes on from there. */
  static open(path: string, inside: Inside, runsIn: Map<string, string>): { journal: Journal; restored: number } {
    mkdirSync(dirname(path), { recursive: true });
    const restored = existsSync(path) ? restore(readFileSync(path, 'utf8'), inside, runsIn) : 0;
    return { journal: new Journal(path, inside, runsIn), restored };
  }

  /** Called in the same turn as the commit, so that no answer leaves before its line. */
  append(commitTs: bigint, changed: Map<string, string[]>): void {
    const changes: Change[] = [];
    for (const [component, ids] of changed) for (const id of ids) changes.push(this.change(component, id));
    this.appended += this.write(this.file, { at: String(commitTs), changes });
    if (this.appended > Math.max(ROOM_BYTES, ROOM_TIMES * this.written)) {
      closeSync(this.file);
      this.file = this.rewrite();
    }
  }

  close(): void {
    fsyncSync(this.file);
    closeSync(this.file);
  }

  private change(component: string, id: string): Change {
    const document = this.inside.components[component]?.db._documents[id];
    const json = document === undefined ? null : convexToJson(document as Value);
    const runsIn = this.runsIn.get(id);
    return runsIn === undefined ? [component, id, json] : [component, id, json, runsIn];
  }

  private write(file: number, line: Line): number {
    return writeSync(file, `${JSON.stringify(line)}\n`);
  }

  /** Writes all that is there beside the file, then puts it in its place. */
  private rewrite(): number {
    const fresh = openSync(`${this.path}.new`, 'w', 0o600);
    const at = String(this.inside.transactionManager._lastCommitTs);
    this.written = this.write(fresh, { at, changes: [] });
    for (const [component, { db }] of Object.entries(this.inside.components)) {
      const ids = Object.keys(db._documents);
      for (let first = 0; first < ids.length; first += DOCUMENTS_PER_LINE) {
        const changes = ids.slice(first, first + DOCUMENTS_PER_LINE).map((id) => this.change(component, id));
        this.written += this.write(fresh, { at, changes });
      }
    }
    fsyncSync(fresh);
    renameSync(`${this.path}.new`, this.path);
    this.appended = 0;
    return fresh;
  }
}

function restore(text: string, inside: Inside, runsIn: Map<string, string>): number {
  let lastTs = 0n;
  const lines = text.split('\n');
  for (const [number, raw] of lines.entries()) {
    if (raw === '') continue;
    let line: Line;
    try {
      line = JSON.parse(raw) as Line;
    } catch {
      // The process ended in the middle of the last line: nobody got an answer to that one.
      if (number >= lines.length - 2) break;
      throw new Error(`Line ${number + 1} of the saved documents is broken: move the file away to start empty.`);
    }
    lastTs = BigInt(line.at);
    for (const [component, id, document, where] of line.changes) {
      const db = inside.components[component]?.db;
      // A component that is no longer installed took its documents with it.
      if (db === undefined) continue;
      if (where !== undefined) runsIn.set(id, where);
      if (document === null) delete db._documents[id];
      else db._documents[id] = jsonToConvex(document) as GenericDocument;
      db._nextDocId = Math.max(db._nextDocId, counterOf(id) + 1);
    }
  }
  inside.transactionManager._lastCommitTs = lastTs;
  let restored = 0;
  for (const { db } of Object.values(inside.components)) {
    for (const document of Object.values(db._documents)) {
      restored++;
      db._lastCreationTime = Math.max(db._lastCreationTime, Number(document._creationTime));
    }
  }
  return restored;
}

function counterOf(id: string): number {
  return Number(id.slice(0, id.length - tableOf(id).length));
}
