// A school day as the nodes see it: classes that meet for lessons, people who come late, drop out on bad networks and
// come back, talk, write and raise their hands. Drawn from seeded chance, so that two runs count the same.
import type { Happening } from "./pace";

export type School = {
  nodes: number;
  participants: number;
  /** People of one class; a class is one room of one node, as most classes are of one city. */
  classSize: number;
  lessons: number;
};

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const LESSON = 50 * MINUTE;

/** How often things happen to a participant in an hour of a lesson. */
const DROPS = 1;
const CAMERA_TOGGLES = 4;
const MESSAGES = 3;
const HANDS = 1;
/** Commands of a class's host in an hour: a mute, a removal, a change of what people may do. */
const COMMANDS = 6;

export type Day = {
  /** Per node, in order of time. */
  happenings: Happening[][];
  /** Per node: when anybody was on it. */
  busy: { from: number; to: number }[][];
  /** Commands per node. */
  commands: number[];
  participantHours: number;
  joins: number;
  /** Lives of rooms: one a class and lesson. */
  rooms: number;
  /** Hands that went up or down. */
  hands: number;
  length: number;
};

export function schoolDay(school: School, seed: number): Day {
  const random = seeded(seed);
  const between = (from: number, to: number): number => Math.floor(from + random() * (to - from));
  const day: Day = {
    happenings: Array.from({ length: school.nodes }, () => []),
    busy: Array.from({ length: school.nodes }, () => []),
    commands: Array.from({ length: school.nodes }, () => 0),
    participantHours: 0,
    joins: 0,
    rooms: 0,
    hands: 0,
    length: school.lessons * HOUR + 30 * MINUTE,
  };
  const classes = Math.ceil(school.participants / school.classSize);
  for (let lesson = 0; lesson < school.lessons; lesson += 1) {
    const start = 10 * MINUTE + lesson * HOUR;
    for (let number = 0; number < classes; number += 1) {
      const node = number % school.nodes;
      const happenings = day.happenings[node] ?? [];
      const urgent = (at: number): void => void happenings.push({ at, urgent: true });
      const calm = (at: number): void => void happenings.push({ at, urgent: false });
      const size = Math.min(school.classSize, school.participants - number * school.classSize);
      const end = start + LESSON;
      day.rooms += 1;
      urgent(start - 5 * MINUTE);
      for (let person = 0; person < size; person += 1) {
        const from = start + between(-5 * MINUTE, 5 * MINUTE);
        // Most stay until the host ends the lesson for all; some go before.
        const to = random() < 0.8 ? end + between(0, 2000) : end - between(0, 10 * MINUTE);
        const hours = (to - from) / HOUR;
        const times = (rate: number): number[] => {
          const count = Math.floor(rate * hours + random());
          return Array.from({ length: count }, () => between(from, to));
        };
        day.participantHours += hours;
        day.joins += 1;
        urgent(from);
        calm(from + 1200);
        calm(from + 1500);
        for (const at of times(DROPS)) {
          urgent(at);
          urgent(at + between(2000, 20_000));
          calm(at + 21_000);
        }
        times(CAMERA_TOGGLES).forEach(calm);
        times(MESSAGES).forEach(calm);
        for (const at of times(HANDS)) {
          day.hands += 2;
          urgent(at);
          urgent(at + between(5000, 60_000));
        }
        for (let at = from + MINUTE; at < to; at += MINUTE) {
          calm(at);
        }
        urgent(to);
      }
      urgent(end + 2500);
      const commands = Math.round((COMMANDS * LESSON) / HOUR);
      day.commands[node] = (day.commands[node] ?? 0) + commands;
      for (let command = 0; command < commands; command += 1) {
        // The poke makes the node come, and what became of it makes it come again.
        const at = between(start, end);
        urgent(at);
        urgent(at + 700);
      }
    }
    for (const busy of day.busy) {
      busy.push({ from: start - 5 * MINUTE, to: start + LESSON + 5000 });
    }
  }
  for (const happenings of day.happenings) {
    happenings.sort((a, b) => a.at - b.at);
  }
  return day;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
