// The life of meetings: made, changed, started, ended, repeated, reminded of, by people and by the schedule.
import { expect, test, vi } from "vitest";
import { api, internal } from "../_generated/api";
import type { Id } from "../_generated/dataModel";
import { pass } from "../testing/backend";
import { HOUR, MINUTE, school, word } from "../testing/foundation";
import type { Name, School } from "../testing/foundation";
import { joined } from "../testing/node";

const DAY = 24 * HOUR;

async function planned(open: School, more: Record<string, unknown> = {}, hours = 2): Promise<Id<"meetings">> {
  const startsAt = Date.now() + hours * HOUR;
  const { meetingId } = await open.as("hana").mutation(api.meetings.life.create, {
    kind: "scheduled",
    title: "Chemistry",
    startsAt,
    endsAt: startsAt + HOUR,
    invited: [open.ids.pio],
    coHosts: [open.ids.cora],
    ...more,
  });
  return meetingId;
}

test.each<[Name, "instant" | "scheduled", boolean]>([
  ["hana", "scheduled", true],
  ["ade", "scheduled", true],
  ["oye", "scheduled", true],
  ["pio", "scheduled", false],
  ["pio", "instant", true],
])("%s makes a meeting that is %s: %s", async (name, kind, may) => {
  const { as } = await school();
  const times = kind === "scheduled" ? { startsAt: Date.now() + HOUR, endsAt: Date.now() + 2 * HOUR } : {};
  const making = as(name).mutation(api.meetings.life.create, { kind, title: "Talk", ...times });
  if (may) expect(await making).toMatchObject({ room: expect.stringMatching(/^ROOM-[A-Z0-9]{10}$/), code: expect.stringMatching(/^\d{3} \d{3} \d{4}$/) });
  else await expect(making).rejects.toThrow("cannot make such a meeting");
});

test("an instant meeting is live, its room is open and asks for tokens of ours", async () => {
  const { as, lagos, abuja, read } = await school();
  const { meetingId, room, link, code } = await as("pio").mutation(api.meetings.life.create, { kind: "instant", title: "Talk" });
  expect(await read("meetings", meetingId)).toMatchObject({ status: "live", type: "instant", scheduledEndTime: Date.now() + 4 * HOUR });
  expect(link).toBe(`https://tof.example/meetings/join/${code.replace(/ /g, "")}`);
  await lagos.sync();
  await abuja.sync();
  const rooms = [...(lagos.desired?.rooms ?? []), ...(abuja.desired?.rooms ?? [])];
  expect(rooms).toMatchObject([{ room, tokens: "ours", meetingId }]);
});

test.each<[string, Record<string, unknown>, string]>([
  ["without a title", { title: " " }, "Give a title"],
  ["that ends before it begins", { endsAt: 1 }, "ends after it begins"],
  ["of two days", { endsAt: Date.UTC(2026, 10, 27) }, "at most 24 hours"],
  ["with a time zone of Mars", { timeZone: "Mars/Olympus" }, "Name the time zone"],
  ["for a million", { maxParticipants: 1e6 }, "takes 1 to 1000"],
  ["with half a reminder", { reminders: [0.5] }, "At most 8 reminders"],
  ["with a short password", { password: "abc" }, "4 to 128"],
  ["that repeats but is not recurring", { recurrence: { pattern: "daily", interval: 1 } }, "Say how a recurring"],
  ["that repeats never", { kind: "recurring", recurrence: { pattern: "daily", interval: 0 } }, "Repeat every 1"],
])("nobody plans a meeting %s", async (_, more, message) => {
  await expect(planned(await school(), more)).rejects.toThrow(message);
});

test("the schedule starts and ends a meeting, and the register follows", async () => {
  const open = await school();
  const meetingId = await planned(open);
  const status = async () => (await open.read("meetings", meetingId)).status;
  await open.later(2 * HOUR - MINUTE);
  expect(await status()).toBe("scheduled");
  await open.later(MINUTE);
  expect(await open.read("meetings", meetingId)).toMatchObject({ status: "live", actualStartTime: Date.now() });
  const { roomName } = await open.read("meetings", meetingId);
  open.lagos.tell(joined(roomName, `${open.ids.pio}#a`, { userId: open.ids.pio, meetingId }));
  await open.lagos.flush();
  await open.later(HOUR);
  expect(await open.read("meetings", meetingId)).toMatchObject({ status: "ended", actualEndTime: Date.now(), totalDuration: HOUR });
  expect(open.lagos.carriedOut).toMatchObject([{ type: "close_room", room: roomName, reason: "schedule" }]);
  const rows = await open.t.run((ctx) => ctx.db.query("meetingParticipants").collect());
  expect(rows).toMatchObject([{ userId: open.ids.pio, leaveTime: Date.now(), duration: HOUR }]);
  await open.later(MINUTE);
  const register = await open.as("hana").query(api.meetings.reports.attendanceOf, { meetingId });
  expect(register.map(({ name, attendance, presentMs }) => [name, attendance, presentMs])).toEqual([
    ["Cora Bello", "absent", 0],
    ["Hana Bello", "absent", 0],
    ["Pio Bello", "present", HOUR],
  ]);
});

test("the end reads the schedule again: an extended meeting goes on", async () => {
  const open = await school();
  const meetingId = await planned(open, {}, 1);
  await open.later(HOUR + 50 * MINUTE);
  const { endsAt } = await open.as("cora").mutation(api.meetings.life.extend, { meetingId, minutes: 30 });
  await open.later(15 * MINUTE);
  expect((await open.read("meetings", meetingId)).status).toBe("live");
  await open.later(endsAt - Date.now());
  expect((await open.read("meetings", meetingId)).status).toBe("ended");
});

test("a job made for an old time does nothing at it", async () => {
  const open = await school();
  const meetingId = await open.meeting();
  await open.t.mutation(internal.meetings.schedule.look, {});
  // The host's own function extends without telling anybody.
  await open.t.run((ctx) => ctx.db.patch("meetings", meetingId, { scheduledEndTime: Date.now() + 2 * HOUR }));
  await open.later(HOUR + MINUTE);
  expect((await open.read("meetings", meetingId)).status).toBe("live");
  await open.later(HOUR);
  expect((await open.read("meetings", meetingId)).status).toBe("ended");
});

test("the regular look takes up what the host's own functions make", async () => {
  const open = await school();
  const scheduledStartTime = Date.now() + 3 * HOUR;
  const times = { scheduledStartTime, scheduledEndTime: scheduledStartTime + HOUR, status: "scheduled" as const };
  const meetingId = await open.meeting(times);
  await open.t.mutation(internal.meetings.schedule.look, {});
  await open.t.mutation(internal.meetings.schedule.look, {});
  const jobs = await open.t.run((ctx) => ctx.db.query("meetingJobs").collect());
  expect(jobs).toMatchObject([{ meetingId, startsAt: scheduledStartTime }]);
  const mine = await open.as("pio").query(api.meetings.list.mine, { from: Date.now(), to: Date.now() + DAY });
  expect(mine).toMatchObject([{ meetingId, title: "Physics", invited: true, hostName: "Hana Bello", role: "participant" }]);
  await open.later(3 * HOUR);
  expect((await open.read("meetings", meetingId)).status).toBe("live");
});

test("a meeting that was forgotten for a week is ended by the look", async () => {
  const open = await school();
  const scheduledStartTime = Date.now() - 7 * DAY;
  const meetingId = await open.meeting({ scheduledStartTime, scheduledEndTime: scheduledStartTime + HOUR });
  await open.t.mutation(internal.meetings.schedule.look, {});
  expect((await open.read("meetings", meetingId)).status).toBe("ended");
});

test("a meeting that the host's own function ended gets its room closed and its register made", async () => {
  const open = await school();
  const meetingId = await open.meeting();
  await open.t.mutation(internal.meetings.schedule.look, {});
  await open.join("pio", meetingId);
  open.lagos.tell(joined("ROOM-PHYSICS001", `${open.ids.pio}#a`, { userId: open.ids.pio, meetingId }));
  await open.lagos.flush();
  const actualEndTime = Date.now() + 1000;
  await open.t.run((ctx) => ctx.db.patch("meetings", meetingId, { status: "ended", actualEndTime }));
  await open.t.mutation(internal.meetings.schedule.look, {});
  await open.lagos.sync();
  expect(open.lagos.carriedOut).toMatchObject([{ type: "close_room" }]);
  await open.later(MINUTE);
  const register = await open.as("hana").query(api.meetings.reports.attendanceOf, { meetingId });
  expect(register.find(({ name }) => name === "Pio Bello")).toMatchObject({ attendance: "present", presentMs: 1000 });
  await open.t.mutation(internal.meetings.schedule.look, {});
  await open.lagos.sync();
  expect(open.lagos.carriedOut).toHaveLength(1);
});

const STEERING: ["start" | "end" | "endSession" | "remove", string][] = [
  ["start", "hana cora ade oye"],
  ["end", "hana cora ade oye"],
  ["endSession", "hana cora ade oye"],
  ["remove", "hana ade oye"],
];
test.each(STEERING)("%s is for %s", async (deed, who) => {
  const able: string[] = [];
  for (const name of ["hana", "cora", "ade", "oye", "rita", "pio", "sola"] as const) {
    const open = await school();
    const meetingId = await open.meeting(deed === "remove" ? { status: "ended" } : {});
    const done = await open.as(name).mutation(api.meetings.life[deed], { meetingId }).then(() => true, (error: unknown) => String(error));
    if (done === true) able.push(name);
    else expect(done).toMatch(name === "sola" ? "no such meeting" : "Only hosts");
  }
  expect(able.join(" ")).toBe(who);
});

test("ending a session sends everybody out, and lets them back in", async () => {
  const open = await school();
  const meetingId = await open.meeting();
  await open.join("pio", meetingId);
  open.lagos.tell(joined("ROOM-PHYSICS001", `${open.ids.pio}#a`, { userId: open.ids.pio, meetingId }));
  await open.lagos.flush();
  await open.as("hana").mutation(api.meetings.life.endSession, { meetingId });
  await open.lagos.sync();
  expect(open.lagos.carriedOut).toMatchObject([{ type: "close_room", reason: "session_ended" }]);
  expect((await open.read("meetings", meetingId)).status).toBe("live");
  expect(word(await open.join("pio", meetingId))).toBe("joined");
});

test("reminders call the host's own function, once each, and not for what was cancelled", async () => {
  const open = await school();
  const meetingId = await planned(open, { reminders: [60, 10] });
  const cancelled = await planned(open, { reminders: [60], title: "Cancelled" });
  await open.as("hana").mutation(api.meetings.life.end, { meetingId: cancelled });
  const sent = async () => {
    await open.t.mutation(internal.meetings.reminders.sendDue, {});
    return (await open.t.run((ctx) => ctx.db.query("notifications").collect())).map(({ message }) => message);
  };
  expect(await sent()).toEqual([]);
  await open.later(HOUR);
  expect(await sent()).toEqual(["“Chemistry” begins in 60 minutes."]);
  expect(await sent()).toHaveLength(1);
  await open.later(50 * MINUTE);
  expect(await sent()).toEqual(["“Chemistry” begins in 60 minutes.", "“Chemistry” begins in 10 minutes."]);
  const [first] = await open.t.run((ctx) => ctx.db.query("notifications").collect());
  expect(first?.recipients?.toSorted()).toEqual([open.ids.hana, open.ids.cora, open.ids.pio].sort());
  expect((await open.read("meetings", meetingId)).status).toBe("scheduled");
});

test("a meeting that is moved is announced again", async () => {
  const open = await school();
  const meetingId = await planned(open, { reminders: [60] });
  await open.later(HOUR);
  await open.t.mutation(internal.meetings.reminders.sendDue, {});
  const startsAt = Date.now() + 3 * HOUR;
  await open.as("hana").mutation(api.meetings.life.update, { meetingId, changes: { startsAt, endsAt: startsAt + HOUR } });
  await open.later(2 * HOUR);
  await open.t.mutation(internal.meetings.reminders.sendDue, {});
  expect(await open.t.run((ctx) => ctx.db.query("notifications").collect())).toHaveLength(2);
});

test("a weekly class becomes meetings of their own, five weeks ahead and further every day", async () => {
  const open = await school();
  const meetingId = await planned(open, { kind: "recurring", recurrence: { pattern: "weekly", interval: 1, daysOfWeek: [1, 3] }, password: "prism" });
  const children = async () =>
    (await open.t.run((ctx) => ctx.db.query("meetings").collect())).filter((meeting) => meeting.recurringMeetingId === meetingId);
  const made = await children();
  expect(made.map(({ scheduledStartTime }) => new Date(scheduledStartTime).toISOString().slice(5, 16))).toEqual([
    "11-25T10:00", "11-30T10:00", "12-02T10:00", "12-07T10:00", "12-09T10:00", "12-14T10:00", "12-16T10:00", "12-21T10:00", "12-23T10:00",
  ]);
  expect(new Set(made.map(({ roomName }) => roomName)).size).toBe(made.length);
  expect(made[0]).toMatchObject({ status: "scheduled", hostId: open.ids.hana, invitedParticipants: [open.ids.pio] });
  expect(made[0]).not.toHaveProperty("recurrence");
  await open.later(2 * DAY + 2 * HOUR);
  const wednesday = made[0];
  if (wednesday === undefined) throw new Error("no occurrence");
  expect((await open.read("meetings", wednesday._id)).status).toBe("live");
  expect(word(await open.join("pio", wednesday._id, { password: "prism" }))).toBe("joined");

  // One is deleted, and stays so.
  const holiday = made[7];
  if (holiday === undefined) throw new Error("no occurrence");
  await open.as("hana").mutation(api.meetings.life.remove, { meetingId: holiday._id });
  await open.t.mutation(internal.meetings.recurring.expandAll, {});
  await open.later(MINUTE);
  const later = await children();
  expect(later.map(({ scheduledStartTime }) => scheduledStartTime)).not.toContain(holiday.scheduledStartTime);
  await open.later(5 * DAY);
  await open.t.mutation(internal.meetings.recurring.expandAll, {});
  await open.later(MINUTE);
  const added = (await children()).slice(later.length).map(({ scheduledStartTime }) => scheduledStartTime);
  expect(added).toEqual([Date.UTC(2027, 0, 4, 10)]);
});

test("when the rule changes, meetings to come that it no longer names are cancelled", async () => {
  const open = await school();
  const meetingId = await planned(open, { kind: "recurring", recurrence: { pattern: "daily", interval: 1, occurrences: 5 } });
  await open.as("hana").mutation(api.meetings.life.update, { meetingId, changes: { recurrence: { pattern: "daily", interval: 2, occurrences: 3 } } });
  const all = await open.t.run((ctx) => ctx.db.query("meetings").collect());
  const told = all.filter((meeting) => meeting._id !== meetingId).map(({ scheduledStartTime, status }) => [new Date(scheduledStartTime).getUTCDate(), status]);
  expect(told).toEqual([[24, "cancelled"], [25, "scheduled"], [26, "cancelled"], [27, "scheduled"]]);
});

test("a series that is ended makes no more meetings, and cancels those to come", async () => {
  const open = await school();
  const meetingId = await planned(open, { kind: "recurring", recurrence: { pattern: "daily", interval: 1 } });
  await open.later(DAY + 4 * HOUR);
  await expect(open.as("pio").mutation(api.meetings.life.endSeries, { meetingId })).rejects.toThrow("Only hosts");
  await open.as("hana").mutation(api.meetings.life.endSeries, { meetingId });
  await open.t.mutation(internal.meetings.recurring.expandAll, {});
  await open.later(MINUTE);
  const all = await open.t.run((ctx) => ctx.db.query("meetings").collect());
  const count = (status: string) => all.filter((meeting) => meeting.status === status).length;
  expect([count("ended"), count("scheduled"), count("live")]).toEqual([2, 0, 0]);
  expect(count("cancelled")).toBeGreaterThan(30);
});

test("a calendar link lists the viewer's meetings, and no other opens it", async () => {
  const open = await school();
  await planned(open, { password: "prism" });
  const { path } = await open.as("pio").mutation(api.meetings.calendar.makeLink, {});
  const response = await open.t.fetch(path);
  expect(response.headers.get("content-type")).toContain("text/calendar");
  const text = await response.text();
  expect(text).toContain("SUMMARY:Chemistry");
  expect(text).toContain("DTSTART:20261123T100000Z");
  expect(text).not.toContain("prism");
  const other = await open.as("qudus").mutation(api.meetings.calendar.makeLink, {});
  expect(await (await open.t.fetch(other.path)).text()).not.toContain("Chemistry");
  await open.as("pio").mutation(api.meetings.calendar.makeLink, {});
  expect((await open.t.fetch(path)).status).toBe(404);
  expect((await open.t.fetch("/api/calendar/guess.ics")).status).toBe(404);
});

test("meetings are listed for those they concern", async () => {
  const open = await school();
  await planned(open, { allowUninvitedJoin: false });
  const titles = async (name: Name) =>
    (await open.as(name).query(api.meetings.list.mine, { from: Date.now(), to: Date.now() + DAY })).length;
  expect([await titles("hana"), await titles("cora"), await titles("pio"), await titles("ade")]).toEqual([1, 1, 1, 1]);
  expect([await titles("qudus"), await titles("rita"), await titles("sola")]).toEqual([0, 0, 0]);
  expect(await open.t.query(api.meetings.list.mine, { from: 0, to: Date.now() + DAY })).toEqual([]);
});

test("details tell hosts all and others what concerns them, and strangers nothing", async () => {
  const open = await school();
  const meetingId = await planned(open, { allowedDomains: ["north.school.ng"], password: "prism" });
  const details = (name: Name) => open.as(name).query(api.meetings.list.details, { meetingId });
  expect(await details("hana")).toMatchObject({ viewer: { leads: true, role: "host" }, invited: [{ name: "Pio Bello" }], settings: { hasPassword: true, allowedDomains: ["north.school.ng"] } });
  expect(await details("pio")).toMatchObject({ viewer: { leads: false }, invited: [], settings: { hasPassword: true, allowedDomains: [] } });
  expect(await details("sola")).toBeNull();
});

/** The pokes that went out since the last look, by node. */
function pokes(): string[] {
  const sent = vi.mocked(fetch).mock.calls.map(([url]) => new URL(String(url)).hostname.replace(".edge.test", ""));
  vi.mocked(fetch).mockClear();
  return sent.sort();
}

test("nodes hear of a meeting's making, moving and cancelling within a second, of many at once", async () => {
  const open = await school();
  vi.mocked(fetch).mockResolvedValue(new Response(null, { status: 204 }));
  const heard = async (): Promise<unknown[]> => {
    await pass(open.t, 1000);
    const came = pokes();
    expect(came).toEqual(["abuja-1", "lagos-1"]);
    await open.lagos.sync();
    await open.abuja.sync();
    expect(open.abuja.desired?.scheduled).toEqual(open.lagos.desired?.scheduled);
    return open.lagos.desired?.scheduled.map(({ meetingId, startsAt, maxParticipants }) => [meetingId, startsAt, maxParticipants]) ?? [];
  };
  const startsAt = Date.now() + 2 * HOUR;
  const ids = [await planned(open), await planned(open), await planned(open)];
  expect(await heard()).toEqual(ids.map((meetingId) => [meetingId, startsAt, 0]));

  const [first, second, third] = ids as [Id<"meetings">, Id<"meetings">, Id<"meetings">];
  const change = async (meetingId: Id<"meetings">, changes: { startsAt?: number; endsAt?: number; maxParticipants?: number; title?: string }) =>
    await open.as("hana").mutation(api.meetings.life.update, { meetingId, changes });
  await change(first, { startsAt: startsAt + HOUR, endsAt: startsAt + 2 * HOUR });
  await change(second, { maxParticipants: 30 });
  await change(third, { startsAt: startsAt + 7 * DAY, endsAt: startsAt + 7 * DAY + HOUR });
  expect(await heard()).toEqual([[second, startsAt, 30], [first, startsAt + HOUR, 0]]);

  await open.as("hana").mutation(api.meetings.life.end, { meetingId: first });
  expect(await heard()).toEqual([[second, startsAt, 30]]);

  // What nodes are not told of costs nothing.
  await change(second, { title: "Physics" });
  await change(third, { maxParticipants: 12 });
  await planned(open, {}, 24 * 6);
  await pass(open.t, 2000);
  expect(pokes()).toEqual([]);
});

test("whoever is no longer asked by a changed list holds no pass any more", async () => {
  const open = await school();
  const meetingId = await planned(open, { invited: [open.ids.pio, open.ids.qudus] });
  for (const name of ["pio", "qudus"] as const) {
    const taken = await open.as(name).mutation(api.meetings.invitations.take, { meetingId, device: "phone" });
    expect(taken.status).toBe("given");
  }
  await open.as("hana").mutation(api.meetings.life.update, { meetingId, changes: { invited: [open.ids.qudus] } });
  await open.lagos.sync();
  expect(open.lagos.desired?.revoked.map(({ identity }) => identity)).toEqual([`${open.ids.pio}#phone`]);
});
