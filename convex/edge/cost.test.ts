// What a school day costs in function calls, by the rules that nodes really follow, and that one sync really is the two
// calls it is counted as.
import { expect, test } from "vitest";
import { deployment, pass } from "../testing/backend";
import { joined, left, said, TestNode } from "../testing/node";
import { syncsOf } from "../testing/pace";
import { schoolDay } from "../testing/school";

/** An HTTP action, and the mutation it runs; a mutation inside that mutation is not counted. */
const CALLS_PER_SYNC = 2;
/** A join and its token. */
const CALLS_PER_JOIN = 1;
/** What a participant's page watches: the meeting, and their own place at its door; a first answer and changes of each. */
const WATCHED = 2;
const CHANGES_WATCHED = 4;
/** A host's command: their mutation, and the poke. */
const CALLS_PER_COMMAND = 2;
/** A room is opened on its home and on the node of the first: a poke each, and the sync it causes. */
const CALLS_PER_ROOM = 2 * (1 + CALLS_PER_SYNC);
/** The reaper each 15 s, the sweep each 7 minutes. */
const CRON_CALLS_PER_HOUR = 240 + 60 / 7;

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
  const calls = {
    sync: syncs * CALLS_PER_SYNC,
    join: day.joins * CALLS_PER_JOIN,
    pages: day.joins * (WATCHED + CHANGES_WATCHED),
    // A class's host sees who is there: a change for each who comes or goes.
    hosts: day.changes,
    commands: commands * CALLS_PER_COMMAND,
    rooms: day.rooms * CALLS_PER_ROOM,
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
