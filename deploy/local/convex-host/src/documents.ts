// Finds a component's documents by table and by the fixed first fields of an
// index. convex-test looks at every document for every query, which is right for
// a test of ten documents and hopeless for ten thousand.
//
// What a query means is left to convex-test: the candidates given to it are always
// enough, and it checks each one.

import { convexToJson, jsonToConvex as fromJson, type Value } from 'convex/values';
import type { GenericDocument } from 'convex/server';
import type { Documents, Query, Writes } from './internals.ts';

type Ids = Set<string>;
/** One index's documents by the values of its first fields. */
interface Shelf {
  fields: string[];
  byKey: Map<string, Ids>;
}

/** Replaces the full scans of `db`; `onRead` hears which table is being looked at. */
export function indexDocuments(db: Documents, onRead: (table: string) => void): void {
  const tables = new Map<string, Ids>();
  const shelves = new Map<string, Map<string, Shelf>>();
  /** What the query being resolved may look at, set around the one synchronous call that uses it. */
  let candidates: Ids | null = null;

  const place = (id: string, document: GenericDocument) => {
    const table = tableOf(id);
    idsOf(tables, table).add(id);
    for (const shelf of shelves.get(table)?.values() ?? []) idsOf(shelf.byKey, keyOf(document, shelf.fields)).add(id);
  };
  const remove = (id: string, document: GenericDocument) => {
    const table = tableOf(id);
    tables.get(table)?.delete(id);
    for (const shelf of shelves.get(table)?.values() ?? []) {
      const key = keyOf(document, shelf.fields);
      const ids = shelf.byKey.get(key);
      ids?.delete(id);
      if (ids?.size === 0) shelf.byKey.delete(key);
    }
  };
  const shelfFor = (table: string, fields: string[]): Shelf => {
    const ofTable = shelves.get(table) ?? shelves.set(table, new Map()).get(table)!;
    const name = fields.join('|');
    const known = ofTable.get(name);
    if (known) return known;
    const shelf: Shelf = { fields, byKey: new Map() };
    for (const id of tables.get(table) ?? []) idsOf(shelf.byKey, keyOf(db._documents[id]!, fields)).add(id);
    ofTable.set(name, shelf);
    return shelf;
  };

  for (const [id, document] of Object.entries(db._documents)) place(id, document);

  const commit = db.commit.bind(db);
  db.commit = (commitTs) => {
    const outermost: Writes | null = db._writes.length === 1 ? db._writes[0]! : null;
    const ids = outermost === null ? [] : Object.keys(outermost);
    for (const id of ids) {
      const before = db._documents[id];
      if (before) remove(id, before);
    }
    commit(commitTs);
    for (const id of ids) {
      const after = db._documents[id];
      if (after) place(id, after);
    }
  };

  const get = db.get.bind(db);
  db.get = (table, id) => {
    if (typeof id === 'string') onRead(tableOf(id));
    return get(table, id);
  };

  const resolve = db._resolveQuerySource.bind(db);
  db._resolveQuerySource = (query: Query) => {
    candidates = null;
    const { type, indexName, range } = query.source;
    const fixed = type === 'IndexRange' && range ? range.filter((bound) => bound.type === 'Eq') : [];
    if (indexName && fixed.length > 0) {
      const table = indexName.split('.')[0]!;
      const key = fixed.map((bound) => keyOfJson(bound.value)).join('|');
      candidates = shelfFor(table, fixed.map((bound) => bound.fieldPath)).byKey.get(key) ?? NONE;
    }
    try {
      return resolve(query);
    } finally {
      candidates = null;
    }
  };

  db._iterateDocs = (table, visit) => {
    onRead(table);
    const committed = candidates ?? tables.get(table) ?? NONE;
    const look = (id: string) => {
      const document = get(table, id);
      if (document !== null) visit(document);
    };
    const pending: Ids = new Set();
    for (const layer of db._writes) {
      for (const id of Object.keys(layer)) if (!committed.has(id) && tableOf(id) === table) pending.add(id);
    }
    committed.forEach(look);
    pending.forEach(look);
  };
}

const NONE: Ids = new Set();

/** An id here is a counter followed by its table's name. */
export function tableOf(id: string): string {
  let start = 0;
  while (id.charCodeAt(start) >= 48 && id.charCodeAt(start) <= 57) start++;
  return id.slice(start);
}

function idsOf(map: Map<string, Ids>, key: string): Ids {
  const known = map.get(key);
  if (known) return known;
  const made: Ids = new Set();
  map.set(key, made);
  return made;
}

function keyOf(document: GenericDocument, fields: string[]): string {
  return fields.map((field) => part(at(document, field))).join('|');
}

function at(document: GenericDocument, field: string): unknown {
  let value: unknown = document;
  for (const name of field.split('.')) {
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}

/** A value as text: equal values have equal text. What is no simple value shares a text, and is told apart later. */
function part(value: unknown): string {
  switch (typeof value) {
    case 'string': return `s${value}`;
    case 'number': return `n${value + 0}`;
    case 'bigint': return `i${value}`;
    case 'boolean': return value ? 't' : 'f';
    case 'undefined': return 'u';
    default: return value === null ? 'z' : JSON.stringify(convexToJson(value as Value));
  }
}

/** The same for a value as a query carries it. */
function keyOfJson(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    if ('$undefined' in value) return 'u';
    return part(fromJson(value as never));
  }
  return part(value);
}
