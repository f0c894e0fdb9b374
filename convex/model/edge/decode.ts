// Reads what came in over the wire by a Convex validator: what is not asked for is left out, so that both ends may grow;
// what is missing or of another kind is named. Bounds on lengths are left to whoever knows the field.
import type { GenericValidator, Infer, Validator } from "convex/values";

export type Decoded<T> = { ok: true; value: T } | { ok: false; reason: string };

/** The value that `validator` describes, or where and why `json` is not one. */
export function decode<V extends GenericValidator>(validator: V, json: unknown): Decoded<Infer<V>> {
  const decoded = read(validator, json, "");
  return decoded as Decoded<Infer<V>>;
}

function read(validator: GenericValidator, json: unknown, path: string): Decoded<unknown> {
  const known = validator as Validator<unknown, "required" | "optional", string>;
  switch (known.kind) {
    case "any":
      return { ok: true, value: json };
    case "null":
      return json === null ? { ok: true, value: null } : refuse(path, "null");
    case "string":
    case "boolean":
      return typeof json === known.kind ? { ok: true, value: json } : refuse(path, `a ${known.kind}`);
    case "float64":
      return typeof json === "number" && Number.isFinite(json) ? { ok: true, value: json } : refuse(path, "a number");
    case "literal":
      return json === known.value ? { ok: true, value: json } : refuse(path, JSON.stringify(known.value));
    case "array":
      return readArray(known.element as GenericValidator, json, path);
    case "record":
      return readRecord(known.value as GenericValidator, json, path);
    case "object":
      return readObject(known.fields as Record<string, GenericValidator>, json, path);
    case "union":
      return readUnion(known.members as GenericValidator[], json, path);
    default:
      throw new Error(`the wire has no ${known.kind}: describe it with another validator`);
  }
}

function readArray(element: GenericValidator, json: unknown, path: string): Decoded<unknown[]> {
  if (!Array.isArray(json)) {
    return refuse(path, "a list");
  }
  const values = [];
  for (const [place, item] of json.entries()) {
    const decoded = read(element, item, `${path}[${place}]`);
    if (!decoded.ok) {
      return decoded;
    }
    values.push(decoded.value);
  }
  return { ok: true, value: values };
}

function readRecord(element: GenericValidator, json: unknown, path: string): Decoded<Record<string, unknown>> {
  if (!isRecord(json)) {
    return refuse(path, "an object");
  }
  const values: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(json)) {
    // Convex stores no other names; one bad name must not cost the rest.
    if (!/^[\x20-\x7e]+$/.test(name) || /^[$_]/.test(name)) {
      continue;
    }
    const decoded = read(element, item, `${path}.${name}`);
    if (!decoded.ok) {
      return decoded;
    }
    values[name] = decoded.value;
  }
  return { ok: true, value: values };
}

function readObject(
  fields: Record<string, GenericValidator>,
  json: unknown,
  path: string,
): Decoded<Record<string, unknown>> {
  if (!isRecord(json)) {
    return refuse(path, "an object");
  }
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const item = Object.prototype.hasOwnProperty.call(json, name) ? json[name] : undefined;
    // Null for what may be absent is how many languages write "absent".
    if (field.isOptional === "optional" && (item === undefined || item === null)) {
      continue;
    }
    const decoded = read(field, item, path === "" ? name : `${path}.${name}`);
    if (!decoded.ok) {
      return decoded;
    }
    values[name] = decoded.value;
  }
  return { ok: true, value: values };
}

function readUnion(members: GenericValidator[], json: unknown, path: string): Decoded<unknown> {
  for (const member of members) {
    const decoded = read(member, json, path);
    if (decoded.ok) {
      return decoded;
    }
  }
  return refuse(path, "one of the kinds it may be");
}

function refuse(path: string, expected: string): { ok: false; reason: string } {
  return { ok: false, reason: `${path === "" ? "the body" : path} is not ${expected}` };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
