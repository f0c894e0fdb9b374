// What nodes tell becomes rows of who was in, chat, live meetings and registers: once, in whatever order it comes.
import { expect, test, vi } from "vitest";
import { api, internal } from "../_generated/api";
import type { Id } from "../_generated/dataModel";
import { verifyJoin } from "../edge/tokens";
import { pass } from "../testing/backend";
import { joined, left, said } from "../testing/node";
import { HOUR, MINUTE, school } from "../testing/foundation";
import type { Name, School } from "../testing/foundation";

const ROOM = "ROOM-PHYSICS001";

interface Class extends School {
  meetingId: Id<"meetings">;
  /** A connection of somebody with a token of ours. */
  comes(name: Name, device?: string, more?: Record<string, unknown>): ReturnType<typeof joined>;
  goes(name: Name, device?: string, more?: Record<string, unknown>): ReturnType<typeof left>;
  /** The host's rows of somebody, in the order they were made, as seconds since the start. */
  rows(name: Name): Promise<[number, number | null][]>;
  start: number;
}

async function lesson(changes: Parameters<School["meeting"]>[0] = {}): Promise<Class> {
  const open = await school();
  const start = Date.now();
  const meetingId = await open.meeting({ actualStartTime: start, ...changes });
  const who = (name: Name, device: string) => `${open.ids[name]}#${device}`;
  return {
    ...open,
    meetingId,
    start,
    comes: (name, device = "a", more = {}) =>
      joined(ROOM, who(name, device), { userId: open.ids[name], meetingId, ...more }),
    goes: (name, device = "a", more = {}) => left(ROOM, who(name, device), more),
    rows: async (name) => {
      const rows = await open.t.run((ctx) =>
        ctx.db
          .query("meetingParticipants")
          .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", open.ids[name]))
          .collect(),
      );
      const seconds = (at: number) => (at - start) / 1000;
      return rows.map(({ joinTime, leaveTime }) => [seconds(joinTime), leaveTime === undefined ? null : seconds(leaveTime)]);
    },
  };
}

/** What the host's own functions do: they fail when somebody has two open rows. */
async function openRowAsTheHostReadsIt({ t, ids, meetingId }: Class, name: Name) {
  return await t.run(async (ctx) => {
    const rows = ctx.db
      .query("meetingParticipants")
      .withIndex("by_meeting_user", (q) => q.eq("meetingId", meetingId).eq("userId", ids[name]));
    // eslint-disable-next-line @convex-dev/no-filter-in-query -- as the host does it
    return await rows.filter((q) => q.eq(q.field("leaveTime"), undefined)).unique();
  });
}

test("somebody comes and goes, to the second", async () => {
  const c = await lesson();
  c.lagos.tell(c.comes("pio"));
  await c.lagos.flush();
  expect(await c.rows("pio")).toEqual([[0, null]]);
  vi.advanceTimersByTime(754_000);
  c.lagos.tell(c.goes("pio"));
  await c.lagos.flush();
  expect(await c.rows("pio")).toEqual([[0, 754]]);
});

test("two devices are one row, which ends with the last of them", async () => {
  const c = await lesson();
  c.lagos.tell(c.comes("pio", "phone"));
  await c.lagos.flush();
  vi.advanceTimersByTime(10_000);
  c.abuja.tell(c.comes("pio", "laptop"));
  await c.abuja.flush();
  expect(await openRowAsTheHostReadsIt(c, "pio")).toMatchObject({ joinTime: c.start });
  vi.advanceTimersByTime(5_000);
  c.lagos.tell(c.goes("pio", "phone"));
  await c.lagos.flush();
  expect(await c.rows("pio")).toEqual([[0, null]]);
  vi.advanceTimersByTime(5_000);
  c.abuja.tell(c.goes("pio", "laptop"));
  await c.abuja.flush();
  expect(await c.rows("pio")).toEqual([[0, 20]]);
});

test("a reconnect to another city is no second row", async () => {
  const c = await lesson();
  c.lagos.tell(c.comes("pio"));
  await c.lagos.flush();
  vi.advanceTimersByTime(30_000);
  c.abuja.tell(c.comes("pio", "a", { sid: "PA_second" }));
  await c.abuja.flush();
  expect(await openRowAsTheHostReadsIt(c, "pio")).toMatchObject({ joinTime: c.start });
});

test("the host's own row is taken over, and a ghost gets its true time", async () => {
  const c = await lesson();
  await c.t.run((ctx) =>
    ctx.db.insert("meetingParticipants", {
      meetingId: c.meetingId, userId: c.ids.pio, joinTime: c.start - HOUR, role: "participant", hasVideo: true, hasAudio: true, createdAt: c.start - HOUR,
    }),
  );
  c.lagos.tell(c.comes("pio"));
  await c.lagos.flush();
  expect(await c.rows("pio")).toEqual([[0, null]]);
});

test("two open rows, however they came about, become one", async () => {
  const c = await lesson();
  await c.t.run(async (ctx) => {
    for (const joinTime of [c.start - 9000, c.start - 8000]) {
      await ctx.db.insert("meetingParticipants", {
        meetingId: c.meetingId, userId: c.ids.pio, joinTime, role: "participant", hasVideo: true, hasAudio: true, createdAt: joinTime,
      });
    }
  });
  c.lagos.tell(c.comes("pio"));
  await c.lagos.flush();
  expect(await openRowAsTheHostReadsIt(c, "pio")).not.toBeNull();
});

test("a silent node's people have left at its lease's end, until their own leave corrects it", async () => {
  const c = await lesson();
  c.lagos.tell(c.comes("pio"));
  await c.lagos.flush();
  vi.advanceTimersByTime(60_000);
  await c.t.mutation(internal.edge.reaper.reap, {});
  await c.t.finishAllScheduledFunctions(() => vi.advanceTimersByTime(0));
  expect(await c.rows("pio")).toEqual([[0, 20]]);
  expect(await openRowAsTheHostReadsIt(c, "pio")).toBeNull();
  // The city was cut off; the class went on, and Pio left after 41 seconds.
  c.lagos.tell(c.goes("pio", "a", { at: c.start + 41_000 }));
  await c.lagos.register();
  await c.lagos.flush();
  expect(await c.rows("pio")).toEqual([[0, 41]]);
});

test("what nobody can tell whose it is stays unattributed, and is not lost", async () => {
  const c = await lesson();
  c.lagos.tell(
    { type: "room_started", room: ROOM, roomSid: `RM_${ROOM}`, generation: 1 },
    joined(ROOM, "pio_bello_1795420800000", { name: "Pio Bello" }),
    joined(ROOM, "user_qudus0000000000", { name: "Qudus" }),
    joined(ROOM, "user_nobody0000000000", { name: "Nobody" }),
    said(ROOM, "pio_bello_1795420800000", "m1"),
  );
  await c.lagos.flush();
  expect(await c.rows("pio")).toEqual([]);
  expect(await c.rows("qudus")).toEqual([[0, null]]);
  const people = await c.as("hana").query(api.meetings.list.people, { meetingId: c.meetingId });
  expect(people.map(({ name, userId }) => [name, userId === null])).toEqual([
    ["Pio Bello", true],
    ["Qudus Bello", false],
    ["Nobody", true],
  ]);
  const chat = await c.as("hana").query(api.meetings.list.chat, { meetingId: c.meetingId });
  expect(chat).toMatchObject([{ userId: null, name: "pio_bello_1795420800000", text: "message m1" }]);
  await finished(c, 10 * MINUTE);
  const register = await c.as("hana").query(api.meetings.reports.attendanceOf, { meetingId: c.meetingId });
  expect(register.filter(({ attendance }) => attendance === "unattributed").map(({ identity }) => identity)).toEqual([
    "user_nobody0000000000",
    "pio_bello_1795420800000",
  ]);
});

test("chat is in the host's table once, edited and deleted there", async () => {
  const c = await lesson();
  const pio = `${c.ids.pio}#a`;
  c.lagos.tell(c.comes("pio"), said(ROOM, pio, "m1"), said(ROOM, pio, "m1"), said(ROOM, pio, "m2"));
  await c.lagos.sync("answer lost");
  await c.lagos.flush();
  const stored = () => c.t.run((ctx) => ctx.db.query("meetingChatMessages").collect());
  expect(await stored()).toMatchObject([
    { meetingId: c.meetingId, senderId: c.ids.pio, senderName: "Pio Bello", message: "message m1", type: "text", timestamp: c.start },
    { message: "message m2" },
  ]);
  c.lagos.tell(
    { type: "chat_edited", room: ROOM, messageId: "m1", identity: pio, text: "better" },
    { type: "chat_deleted", room: ROOM, messageId: "m2", identity: pio },
    { type: "chat_deleted", room: ROOM, messageId: "m1", identity: `${c.ids.qudus}#a` },
  );
  await c.lagos.flush();
  expect((await stored()).map(({ message }) => message)).toEqual(["better"]);
  const chat = await c.as("qudus").query(api.meetings.list.chat, { meetingId: c.meetingId });
  expect(chat).toMatchObject([{ text: "better", name: "Pio Bello", mine: false, private: false }]);
});

test("private messages are shown to writer and reader, and sealed ones only counted", async () => {
  const c = await lesson();
  const [pio, qudus] = [`${c.ids.pio}#a`, `${c.ids.qudus}#phone`];
  c.lagos.tell(
    c.comes("pio"),
    said(ROOM, pio, "m1", { to: [qudus], text: "psst" }),
    { type: "chat_sealed", room: ROOM, count: 3 },
    { type: "chat_sealed", room: ROOM, count: 2 },
  );
  await c.lagos.flush();
  expect(await c.t.run((ctx) => ctx.db.query("meetingChatMessages").collect())).toEqual([]);
  const texts = async (name: Name) =>
    (await c.as(name).query(api.meetings.list.chat, { meetingId: c.meetingId })).map(({ text }) => text);
  expect([await texts("pio"), await texts("qudus"), await texts("hana"), await texts("rita")]).toEqual([["psst"], ["psst"], [], []]);
  await finished(c, 10 * MINUTE);
  const report = await c.as("hana").query(api.meetings.reports.report, { meetingId: c.meetingId });
  expect(report).toMatchObject({ chatMessages: 1, sealedMessages: 5 });
});

test.each<[string, Name, boolean]>([
  ["its writer", "pio", true],
  ["a host", "hana", true],
  ["a moderator", "rita", true],
  ["another pupil", "qudus", false],
])("%s may delete a message", async (_, name, may) => {
  const c = await lesson();
  c.lagos.tell(c.comes("pio"), said(ROOM, `${c.ids.pio}#a`, "m1"));
  await c.lagos.flush();
  const [message] = await c.as(name).query(api.meetings.list.chat, { meetingId: c.meetingId });
  if (message === undefined) throw new Error("no message");
  const deleting = c.as(name).mutation(api.meetings.chat.remove, { meetingId: c.meetingId, chatId: message.chatId });
  if (may) await deleting;
  else await expect(deleting).rejects.toThrow("Only its writer");
  expect(await c.t.run((ctx) => ctx.db.query("meetingChatMessages").collect())).toHaveLength(may ? 0 : 1);
});

test.each<[string, number, string]>([
  ["from a quarter of an hour before its start", 15, "live"],
  ["not before", 16, "scheduled"],
])("a room that comes to life makes its meeting live, %s", async (_, minutes, status) => {
  const c = await lesson({ status: "scheduled", actualStartTime: undefined, scheduledStartTime: Date.UTC(2026, 10, 23, 8) + minutes * MINUTE, scheduledEndTime: Date.UTC(2026, 10, 23, 9) });
  c.lagos.tell({ type: "room_started", room: ROOM, roomSid: `RM_${ROOM}`, generation: 1 });
  await c.lagos.flush();
  expect((await c.read("meetings", c.meetingId)).status).toBe(status);
});

test("an empty or deleted room ends no meeting inside its schedule", async () => {
  const c = await lesson();
  c.lagos.tell(
    { type: "room_started", room: ROOM, roomSid: `RM_${ROOM}`, generation: 1 },
    c.comes("pio"),
    c.goes("pio"),
    { type: "room_ended", room: ROOM, roomSid: `RM_${ROOM}`, generation: 1, reason: "deleted" },
  );
  await c.lagos.flush();
  expect((await c.read("meetings", c.meetingId)).status).toBe("live");
  expect(await c.join("pio", c.meetingId)).toMatchObject({ status: "joined" });
});

test("a room that comes to life after the meeting's end is closed again", async () => {
  const c = await lesson();
  await c.as("hana").mutation(api.meetings.life.end, { meetingId: c.meetingId });
  await c.later(MINUTE);
  c.lagos.tell({ type: "room_started", room: ROOM, roomSid: "RM_again", generation: 9 });
  await c.lagos.flush();
  await c.lagos.sync();
  expect(c.lagos.carriedOut.map(({ type }) => type)).toContain("close_room");
});

async function finished(c: Class, after: number) {
  await c.later(after);
  await c.as("hana").mutation(api.meetings.life.end, { meetingId: c.meetingId });
  await c.later(MINUTE);
}

test("the register is right to the second, and made again when facts come later", async () => {
  const c = await lesson();
  const quality = { type: "quality", room: ROOM, sid: `PA_${c.ids.pio}#a`, fromMs: c.start, toMs: c.start + 60_000, score: 4, lossPercent: 2, jitterMs: 10, roundTripMs: 60, sentKbps: 300, receivedKbps: 900, width: 640, height: 360, framesPerSecond: 20, drops: 1 };
  c.lagos.tell(
    c.comes("hana", "a", { joinMs: 800 }),
    c.comes("pio", "a", { joinMs: 1200 }),
    { type: "track_published", room: ROOM, sid: `PA_${c.ids.pio}#a`, track: "TR_1", source: "microphone", kind: "audio" },
    quality,
    { type: "hand", room: ROOM, sid: `PA_${c.ids.pio}#a`, identity: `${c.ids.pio}#a`, raised: true },
  );
  await c.lagos.flush();
  await c.later(301_000);
  c.abuja.tell(c.comes("qudus"));
  await c.abuja.flush();
  await c.later(99_000);
  c.lagos.tell(c.goes("pio"));
  await c.lagos.flush();
  await finished(c, 200_000);

  const told = async () => {
    const register = await c.as("hana").query(api.meetings.reports.attendanceOf, { meetingId: c.meetingId });
    return register.map((line) => [line.name, line.attendance, line.presentMs / 1000, line.lateMs / 1000, line.microphoneMs / 1000]);
  };
  expect(await told()).toEqual([
    ["Cora Bello", "absent", 0, 0, 0],
    ["Hana Bello", "present", 600, 0, 0],
    ["Pio Bello", "present", 400, 0, 400],
    ["Qudus Bello", "late", 299, 301, 0],
  ]);
  expect(await c.as("hana").query(api.meetings.reports.report, { meetingId: c.meetingId })).toMatchObject({
    lastedMs: 600_000, expected: 3, present: 2, late: 1, absent: 1, unattributed: 0, handsRaised: 1, attendanceRate: 0.667,
    quality: { connections: 3, score: 4, lossPercent: 2, height: 360, joinMs: 1000, drops: 1 },
  });
  const own = await c.as("pio").query(api.meetings.reports.attendanceOf, { meetingId: c.meetingId });
  expect(own.map(({ name }) => name)).toEqual(["Pio Bello"]);
  expect(await c.as("pio").query(api.meetings.reports.report, { meetingId: c.meetingId })).toBeNull();

  // Cora had been there all along, behind a cut cable.
  c.abuja.tell(c.comes("cora", "a", { at: c.start + 5_000 }), c.goes("cora", "a", { at: c.start + 595_000 }));
  await c.abuja.flush();
  await c.later(2 * MINUTE);
  expect((await told())[0]).toEqual(["Cora Bello", "present", 590, 0, 0]);
  expect(await c.rows("cora")).toEqual([[5, 595]]);
});

test("hands are queued in order, and a host lowers them", async () => {
  const c = await lesson();
  const hand = (name: Name, raised: boolean) => ({ type: "hand", room: ROOM, sid: `PA_${c.ids[name]}#a`, identity: `${c.ids[name]}#a`, raised });
  c.lagos.tell(c.comes("pio"), c.comes("qudus"), hand("qudus", true));
  await c.lagos.flush();
  vi.advanceTimersByTime(1000);
  c.lagos.tell(hand("pio", true));
  await c.lagos.flush();
  const queue = async () => (await c.as("hana").query(api.meetings.list.hands, { meetingId: c.meetingId })).map(({ name }) => name);
  expect(await queue()).toEqual(["Qudus Bello", "Pio Bello"]);
  await c.as("hana").mutation(api.meetings.control.lowerHand, { meetingId: c.meetingId, identity: `${c.ids.qudus}#a` });
  await c.lagos.sync();
  expect(c.lagos.carriedOut).toMatchObject([{ type: "attributes", identity: `${c.ids.qudus}#a` }]);
  c.lagos.tell(hand("qudus", false));
  await c.lagos.flush();
  expect(await queue()).toEqual(["Pio Bello"]);
});

test("the map of cities tells who is where", async () => {
  const c = await lesson();
  c.lagos.tell(c.comes("pio"));
  c.abuja.tell(c.comes("qudus"));
  await c.lagos.flush();
  await c.abuja.flush();
  const cities = await c.as("rita").query(api.meetings.list.cities, { meetingId: c.meetingId });
  expect(cities.map(({ node, region, alive, people }) => [node, region, alive, people.map(({ name }) => name)])).toEqual([
    ["abuja-1", "abuja", true, [`${c.ids.qudus}#a`]],
    ["lagos-1", "lagos", true, [`${c.ids.pio}#a`]],
  ]);
  expect(await c.t.query(api.meetings.list.cities, { meetingId: c.meetingId })).toEqual([]);
});

test.each<[string, boolean, number]>([
  ["a second after the last of them has left", true, 1000],
  ["at once when nobody was in any more", false, 1000],
])("the register is there %s", async (_, stays, after) => {
  const c = await lesson();
  c.lagos.tell(c.comes("hana"), c.comes("pio"));
  if (!stays) c.lagos.tell(c.goes("hana"), c.goes("pio"));
  await c.lagos.flush();
  const lines = async () => (await c.as("hana").query(api.meetings.reports.attendanceOf, { meetingId: c.meetingId })).length;
  await c.as("hana").mutation(api.meetings.life.end, { meetingId: c.meetingId });
  if (stays) {
    c.lagos.tell(c.goes("pio"));
    await c.lagos.flush();
    await pass(c.t, 2000);
    expect(await lines()).toBe(0);
    c.lagos.tell(c.goes("hana"));
    await c.lagos.flush();
  }
  await pass(c.t, after);
  expect(await lines()).toBe(3);
  // And is not made again for nothing.
  const made = async () => (await c.as("hana").query(api.meetings.reports.report, { meetingId: c.meetingId }))?.madeAt;
  const before = await made();
  await c.later(MINUTE);
  expect(await made()).toBe(before);
});

test("a node that does not tell who left is waited for, but not for long", async () => {
  const c = await lesson();
  c.lagos.tell(c.comes("hana"), c.comes("pio"));
  await c.lagos.flush();
  await c.as("hana").mutation(api.meetings.life.end, { meetingId: c.meetingId });
  const lines = async () => (await c.as("hana").query(api.meetings.reports.attendanceOf, { meetingId: c.meetingId })).length;
  await pass(c.t, 14_000);
  expect(await lines()).toBe(0);
  await pass(c.t, 1000);
  expect(await lines()).toBe(3);
});

test("a class in a city that is cut off is told afterwards, complete and right", async () => {
  const open = await school();
  const pupils = await open.t.run(async (ctx) => {
    const made = [];
    for (let number = 1; number <= 20; number++) {
      const clerkId = `user_pupil${String(number).padStart(10, "0")}`;
      const person = { clerkId, email: `${number}@north.school.ng`, firstName: `Pupil ${String(number).padStart(2, "0")}`, lastName: "Bello" };
      const userId = await ctx.db.insert("users", { ...person, foundationId: open.north, role: "beneficiary", isActive: true, createdAt: 0, updatedAt: 0 });
      made.push({ userId, clerkId, number });
    }
    return made;
  });
  const startsAt = Date.now() + HOUR;
  const { meetingId, room } = await open.as("hana").mutation(api.meetings.life.create, {
    kind: "scheduled", title: "Class", startsAt, endsAt: startsAt + HOUR, invited: pupils.map(({ userId }) => userId), coHosts: [],
  });
  const tokens: { identity: string; token: string; userId: Id<"users">; number: number }[] = [];
  for (const { clerkId, userId, number } of pupils) {
    const given = await open.t.withIdentity({ subject: clerkId }).mutation(api.meetings.invitations.take, { meetingId, device: "p" });
    if (given.status !== "given") throw new Error(given.reason);
    tokens.push({ identity: given.identity, token: given.token, userId, number });
  }
  await open.later(MINUTE);
  expect(open.lagos.desired?.scheduled).toMatchObject([{ room, meetingId }]);

  // The cable is cut: the node notes what happens, and nobody hears of it. The schedule runs on.
  const roomSid = "RM_island";
  open.lagos.tell({ type: "room_started", room, roomSid, generation: 1, at: startsAt - 60_000 });
  for (const { identity, token, userId, number } of tokens) {
    expect((await verifyJoin(token, startsAt)).verdict).toBe("valid");
    const sid = `PA_${number}`;
    open.lagos.tell(
      joined(room, identity, { roomSid, sid, userId, meetingId, at: startsAt + number * 1000 }),
      said(room, identity, `m${number}`, { sid, userId, meetingId, sentAt: startsAt + 600_000 + number, at: startsAt + 600_000 + number }),
      { type: "left", room, sid, identity, reason: "CLIENT_INITIATED", at: startsAt + HOUR - number * 1000 },
    );
  }
  await pass(open.t, 2 * HOUR + 10 * MINUTE);
  expect((await open.read("meetings", meetingId)).status).toBe("ended");

  // And mended.
  await open.lagos.register();
  await open.lagos.sync("answer lost");
  await open.lagos.flush();
  await open.later(3 * MINUTE);
  const register = await open.as("hana").query(api.meetings.reports.attendanceOf, { meetingId });
  expect(register.filter(({ attendance }) => attendance === "present").map(({ name, presentMs }) => [name, presentMs / 1000])).toEqual(
    pupils.map(({ number }) => [`Pupil ${String(number).padStart(2, "0")} Bello`, 3600 - 2 * number]),
  );
  const chat = await open.t.run((ctx) => ctx.db.query("meetingChatMessages").collect());
  expect(chat.map(({ message, senderId }) => [message, senderId])).toEqual(pupils.map(({ userId, number }) => [`message m${number}`, userId]));
});
