// What a school day costs in function calls, by the rules that nodes really follow, and that one sync really is the two
// calls it is counted as.
import { expect, test, vi } from "vitest";
import { api } from "../_generated/api";
import { deployment, pass } from "../testing/backend";
import { school as foundation } from "../testing/foundation";
import { joined, left, said, TestNode } from "../testing/node";
import { syncsOf } from "../testing/pace";
import { schoolDay } from "../testing/school";

/** An HTTP action, and the mutation it runs; a mutation inside that mutation is not counted. */
const CALLS_PER_SYNC = 2;
/**
 * What somebody's page asks for one lesson, as the meeting page does: the list of their meetings with the cities and
 * their pass to the lesson, the lesson with the cities, their join; afterwards their line of the register when they
 * come to it and when it was made, and the chat. The list is open for a moment only; each meeting of the school that
 * begins meanwhile makes it anew.
 */
const CALLS_PER_VISIT = { list: 1, lesson: 1, cities: 2, pass: 1, join: 1, register: 2, chat: 1 };
const LIST_OPEN_MS = 20_000;
/** All lessons of an hour begin within these minutes. */
const BEGINNINGS_MS = 10 * 60_000;
/** The lesson on the page changes when it begins, when it ends, and once for its lock or another choice of its host. */
const LESSON_CHANGES = 3;
/** Those who are not let in at once: their place at the door, two changes of it, and a second join. */
const WAITING_SHARE = 0.2;
const CALLS_PER_WAITING = 4;
/**
 * A host's page besides: the door and the raised hands with each change of both, the report when it is opened and made,
 * and the map of who is where until they join themselves. In the call the room tells who is there.
 */
const CALLS_PER_HOST = 5;
const BEFORE_JOINING_MS = 60_000;
/** A host's command: their mutation, and the poke. */
const CALLS_PER_COMMAND = 2;
const REGIONS = 4;
/** A poke, and the sync it causes. */
const CALLS_PER_POKE = 1 + CALLS_PER_SYNC;
/** A lesson is planned, its nodes are told (one round, a poke a region), its jobs start and end it. */
const CALLS_PER_PLAN = 1 + 1 + REGIONS * CALLS_PER_POKE + 2;
/** A room is opened on its home and on the node of the first. */
const CALLS_PER_ROOM = 2 * CALLS_PER_POKE;
/** Its host ends it: the mutation, the round that tells it, the order to close it on both nodes, the register and its guard. */
const CALLS_PER_END = 1 + 1 + 2 * CALLS_PER_POKE + 2;
/** The reaper each 15 s, the sweep each 7 minutes, the look at schedules each 5, reminders each one. */
const CRON_CALLS_PER_HOUR = 240 + 60 / 7 + 12 + 60;

const DOLLARS_PER_MILLION = 2;

test("a school day of 2,000 people on ten nodes costs at most 40 calls for each hour of each, 30 of them syncs", () => {
  const school = { nodes: 10, participants: 2000, classSize: 30, lessons: 6 };
  const day = schoolDay(school, 2026);
  const hours = day.length / 3_600_000;
  const perNode = day.happenings.map((happenings, node) => {
    const busy = (at: number): boolean => (day.busy[node] ?? []).some(({ from, to }) => from <= at && at < to);
    return syncsOf(happenings, 0, day.length, (at) => (busy(at) ? 5000 : 15_000));
  });
  const told = perNode.flat().reduce((sum, { events }) => sum + events, 0);
  expect(told).toBe(day.happenings.flat().length);

  const syncs = perNode.flat().length;
  const commands = day.commands.reduce((sum, count) => sum + count, 0);
  const classes = day.rooms / school.lessons;
  const visit = Object.values(CALLS_PER_VISIT).reduce((sum, count) => sum + count, 0);
  const listed = (classes * LIST_OPEN_MS) / BEGINNINGS_MS;
  const changesBefore = (BEFORE_JOINING_MS / BEGINNINGS_MS) * school.classSize;
  const calls = {
    sync: syncs * CALLS_PER_SYNC,
    pages: day.joins * (visit + listed + LESSON_CHANGES + WAITING_SHARE * CALLS_PER_WAITING),
    hosts: day.rooms * (CALLS_PER_HOST + changesBefore) + day.joins * WAITING_SHARE * 2 + day.hands,
    commands: commands * CALLS_PER_COMMAND,
    lessons: day.rooms * (CALLS_PER_PLAN + CALLS_PER_ROOM + CALLS_PER_END),
    crons: hours * CRON_CALLS_PER_HOUR,
  };
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const each = (count: number): number => Math.round((10 * count) / day.participantHours) / 10;
  const figures = {
    participantHours: Math.round(day.participantHours),
    syncs,
    eventsPerSync: Math.round((10 * told) / syncs) / 10,
    perParticipantHour: Object.fromEntries(Object.entries(calls).map(([name, count]) => [name, each(count)])),
    totalPerParticipantHour: each(total),
    dollarsPerThousandParticipantHours: Math.round((total / day.participantHours) * DOLLARS_PER_MILLION * 0.1) / 100,
  };
  console.log(JSON.stringify(figures, null, 2));
  expect(each(calls.sync)).toBeLessThanOrEqual(30);
  expect(each(total)).toBeLessThanOrEqual(40);
});

test("a sync is one mutation: nothing of a lesson's facts schedules or pokes anything", async () => {
  const t = deployment();
  const node = new TestNode(t, "lagos-1");
  await node.register();
  const room = "ROOM-MATHS00001";
  const people = Array.from({ length: 30 }, (_, number) => `p${number}`);
  node.tell({ type: "room_started", room, roomSid: `RM_${room}`, generation: 1 });
  for (const who of people) {
    node.tell(joined(room, who));
    node.load.participants += 1;
    await pass(t, 5000);
    await node.sync();
  }
  for (const who of people) {
    node.tell(said(room, who, `m-${who}`), left(room, who));
    node.load.participants -= 1;
    await pass(t, 5000);
    await node.sync();
  }
  expect(node.log).toEqual([]);
  const scheduled = await t.run((ctx) => ctx.db.system.query("_scheduled_functions").collect());
  expect(scheduled).toEqual([]);
  expect(await t.run((ctx) => ctx.db.query("edgeSpans").collect())).toHaveLength(30);
});

test("telling the nodes of new meetings takes one round and a poke for each region, however many are made at once", async () => {
  const open = await foundation();
  vi.mocked(fetch).mockResolvedValue(new Response(null, { status: 204 }));
  const startsAt = Date.now() + 3_600_000;
  for (const title of ["Physics", "Choir", "Chess"]) {
    await open.as("hana").mutation(api.meetings.life.create, { kind: "scheduled", title, startsAt, endsAt: startsAt + 3_600_000 });
  }
  await pass(open.t, 1000);
  const ran = await open.t.run((ctx) => ctx.db.system.query("_scheduled_functions").collect());
  const names = ran.map(({ name }) => name.replace(/\.js/, "")).filter((name) => name.startsWith("edge/"));
  expect(names.sort()).toEqual(["edge/announce:round", "edge/poke:poke", "edge/poke:poke"]);
});
