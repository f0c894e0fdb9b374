// Calendar files of meetings.
import { expect, test } from "vitest";
import { calendarOf } from "./calendar";
import type { Entry } from "./calendar";

const ENTRY: Entry = {
  id: "m1",
  title: "Physics; lesson 3, light",
  description: "Bring:\nprism\\glass",
  startsAt: Date.parse("2026-11-23T08:00:00Z"),
  endsAt: Date.parse("2026-11-23T09:30:00Z"),
  changedAt: Date.parse("2026-11-20T12:00:00.123Z"),
  link: "https://tof.example/meetings/join/1234567890",
  hostName: "Adaeze Obi",
  cancelled: false,
};

test("a meeting is an event", () => {
  const file = calendarOf("Meetings", [ENTRY], Date.parse("2026-11-22T00:00:00Z"));
  expect(file.split("\r\n")).toEqual([
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//TOF Edge//Meetings//EN",
    "CALSCALE:GREGORIAN",
    "METHOD:PUBLISH",
    "X-WR-CALNAME:Meetings",
    "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
    "BEGIN:VEVENT",
    "UID:m1@tof-edge",
    "DTSTAMP:20261122T000000Z",
    "LAST-MODIFIED:20261120T120000Z",
    "DTSTART:20261123T080000Z",
    "DTEND:20261123T093000Z",
    "SUMMARY:Physics\\; lesson 3\\, light",
    "DESCRIPTION:Bring:\\nprism\\\\glass\\nhttps://tof.example/meetings/join/1234567",
    " 890",
    "URL:https://tof.example/meetings/join/1234567890",
    "CONTACT:Adaeze Obi",
    "STATUS:CONFIRMED",
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ]);
});

test("a title cannot break out of its line", () => {
  const title = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\u0000";
  const lines = calendarOf("Meetings", [{ ...ENTRY, title }], 0).split("\r\n");
  expect(lines.filter((line) => line === "BEGIN:VEVENT")).toHaveLength(1);
  expect(lines).toContain("SUMMARY:x\\nEND:VEVENT\\nBEGIN:VEVENT");
});

test("a link that is no link is left out", () => {
  expect(calendarOf("Meetings", [{ ...ENTRY, link: "javascript:alert(1)" }], 0)).not.toContain("URL:");
});

test("no line is longer than 75 octets, and letters stay whole", () => {
  const file = calendarOf("Meetings", [{ ...ENTRY, title: "Ẹ̀kọ́ ".repeat(60) }], 0);
  for (const line of file.split("\r\n")) expect(new TextEncoder().encode(line).length).toBeLessThanOrEqual(75);
  expect(file.replace(/\r\n /g, "")).toContain("Ẹ̀kọ́ ".repeat(60));
});
