// Reads one event of a node's log. A fact is worth more than its form: what is only too long is cut, and an event is
// given up only when what says whom or what it is about cannot be relied on.
import { decode } from "./decode";
import { utf8 } from "./bytes";
import { eventKinds, type Event } from "../../edge/wire";

/** An event that could not be read; it takes its place in the numbering and goes to the dead letters. */
export type Unreadable = { type: "unreadable"; reason: string; event: string };

/** Names and ids: LiveKit's own bound is 256. */
const MAX_ID = 512;
/** The text of a chat message, in bytes. */
const MAX_TEXT = 8 * 1024;
const MAX_RECIPIENTS = 1000;
const MAX_ATTRIBUTES = 64;
const MAX_ATTRIBUTE = 4096;
const MAX_DEAD_LETTER = 4096;

/** Told by people and browsers: cut to so many characters. */
const CUT: Record<string, number> = { name: 256, reason: 256, region: 64 };
const MAX_CLIENT = 128;

const WHOLE = ["at", "sentAt", "fromMs", "toMs", "generation", "count"];
const MAX_COUNT = 1_000_000;

export function readEvent(json: unknown): Event | Unreadable {
  const type = typeof json === "object" && json !== null ? (json as { type?: unknown }).type : undefined;
  if (typeof type !== "string" || !Object.prototype.hasOwnProperty.call(eventKinds, type)) {
    return unreadable(json, "its type is not known: the node is newer than these functions");
  }
  const decoded = decode(eventKinds[type as keyof typeof eventKinds], json);
  if (!decoded.ok) {
    return unreadable(json, decoded.reason);
  }
  const event = { ...decoded.value } as Record<string, unknown>;
  for (const [name, value] of Object.entries(event)) {
    const reason = WHOLE.includes(name) ? refuseNumber(name, value as number) : bound(event, name, value);
    if (reason !== null) {
      return unreadable(json, reason);
    }
  }
  return event as Event;
}

/** Shortens the field in place where that may be done; otherwise says why the event cannot be taken. */
function bound(event: Record<string, unknown>, name: string, value: unknown): string | null {
  if (name === "text") {
    const text = cutText(value as string);
    event.text = text;
    event.truncated = event.truncated === true || text !== value;
    return null;
  }
  const most = CUT[name];
  if (typeof value === "string") {
    if (most !== undefined) {
      event[name] = cut(value, most);
      return null;
    }
    return value === "" || value.length > MAX_ID ? `${name} is empty or longer than ${MAX_ID}` : null;
  }
  if (name === "to") {
    const to = value as string[];
    const fits = to.length <= MAX_RECIPIENTS && to.every((identity) => identity.length <= MAX_ID);
    return fits ? null : `to names more than ${MAX_RECIPIENTS} people, or one by too long a name`;
  }
  if (name === "attributes") {
    event.attributes = Object.fromEntries(
      Object.entries(value as Record<string, string>)
        .filter(([key, text]) => key.length <= MAX_ID && text.length <= MAX_ATTRIBUTE)
        .slice(0, MAX_ATTRIBUTES),
    );
  }
  if (name === "client") {
    event.client = Object.fromEntries(
      Object.entries(value as Record<string, string>).map(([key, text]) => [key, cut(text, MAX_CLIENT)]),
    );
  }
  return null;
}

function refuseNumber(name: string, value: number): string | null {
  if (!Number.isSafeInteger(value) || value < 0) {
    return `${name} is not a whole number`;
  }
  return name === "count" && value > MAX_COUNT ? `count is more than ${MAX_COUNT}` : null;
}

/** No half of a surrogate pair is left at the end. */
function cut(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).replace(/[\ud800-\udbff]$/, "");
}

function cutText(text: string): string {
  const bytes = utf8(text);
  if (bytes.length <= MAX_TEXT) {
    return text;
  }
  // A letter cut in two would read as U+FFFD at the end.
  return new TextDecoder().decode(bytes.slice(0, MAX_TEXT)).replace(/\ufffd$/, "");
}

function unreadable(json: unknown, reason: string): Unreadable {
  return { type: "unreadable", reason, event: cut(JSON.stringify(json) ?? "nothing", MAX_DEAD_LETTER) };
}
