// A calendar file (RFC 5545) of meetings, for the feed by a secret link. Pure. Times are written in UTC, so no zone
// tables travel with it.

/** One meeting as calendars see it. Never its password. */
export interface Entry {
  id: string;
  title: string;
  description?: string;
  startsAt: number;
  endsAt: number;
  changedAt: number;
  link?: string;
  hostName?: string;
  cancelled: boolean;
}

/** The file. `now` stamps it. */
export function calendarOf(name: string, entries: readonly Entry[], now: number): string {
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//TOF Edge//Meetings//EN",
    "CALSCALE:GREGORIAN",
    "METHOD:PUBLISH",
    `X-WR-CALNAME:${escape(name)}`,
    // How often a subscriber should look again.
    "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
    ...entries.flatMap((entry) => eventOf(entry, now)),
    "END:VCALENDAR",
  ];
  return lines.map(fold).join("\r\n") + "\r\n";
}

function eventOf(entry: Entry, now: number): string[] {
  const text = [entry.description, entry.link].filter((part) => part !== undefined && part !== "").join("\n");
  return [
    "BEGIN:VEVENT",
    `UID:${escape(entry.id)}@tof-edge`,
    `DTSTAMP:${stamp(now)}`,
    `LAST-MODIFIED:${stamp(entry.changedAt)}`,
    `DTSTART:${stamp(entry.startsAt)}`,
    `DTEND:${stamp(Math.max(entry.endsAt, entry.startsAt))}`,
    `SUMMARY:${escape(entry.title)}`,
    ...(text === "" ? [] : [`DESCRIPTION:${escape(text)}`]),
    ...(isLink(entry.link) ? [`URL:${entry.link}`] : []),
    ...(entry.hostName === undefined ? [] : [`CONTACT:${escape(entry.hostName)}`]),
    `STATUS:${entry.cancelled ? "CANCELLED" : "CONFIRMED"}`,
    "END:VEVENT",
  ];
}

function isLink(link: string | undefined): link is string {
  return link !== undefined && /^https?:\/\/[\x21-\x7e]+$/.test(link);
}

function stamp(at: number): string {
  return new Date(at).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

/** Text of people, made harmless to the format. */
function escape(text: string): string {
  return text
    .replace(/[\\;,]/g, (mark) => `\\${mark}`)
    .replace(/\r\n|[\r\n\u2028\u2029]/g, "\\n")
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "");
}

/** Lines of at most 75 octets; a longer one goes on behind a blank. Letters are not torn apart. */
function fold(line: string): string {
  const encoder = new TextEncoder();
  let folded = "";
  let width = 0;
  for (const letter of line) {
    const size = encoder.encode(letter).length;
    if (width + size > 75) {
      folded += "\r\n ";
      width = 1;
    }
    folded += letter;
    width += size;
  }
  return folded;
}
