// Each rule of the door, and their order.
import { expect, test } from "vitest";
import { ADVICE, inDomains, judge } from "./door";
import type { Caller, Refusal, Rules } from "./door";
import type { Role } from "./roles";

const START = 1_800_000_000_000;
const MINUTE = 60_000;

const PUPIL: Caller = {
  role: "participant",
  email: "ada@school.ng",
  address: "10.1.2.3",
  invited: true,
  ownTenant: true,
  password: "none_needed",
  asked: "never",
  removed: false,
  wasInBeforeLock: false,
  present: false,
};

const CLASS: Rules = {
  status: "live",
  startsAt: START,
  endsAt: START + 60 * MINUTE,
  locked: false,
  waitingRoom: false,
  bypass: "nobody",
  openToUninvited: true,
  allowedDomains: [],
  allowedNetworks: [],
  maxParticipants: 0,
  participants: 0,
};

type Expected = "enter" | "wait" | Refusal;

function check(caller: Partial<Caller>, rules: Partial<Rules>, minute: number, expected: Expected) {
  const verdict = judge({ ...PUPIL, ...caller }, { ...CLASS, ...rules }, START + minute * MINUTE);
  expect(verdict.enter ? "enter" : verdict.wait ? "wait" : verdict.refusal).toBe(expected);
}

test.each<[Partial<Caller>, Partial<Rules>, number, Expected]>([
  [{}, {}, 0, "enter"],
  [{}, { status: "cancelled" }, 0, "cancelled"],
  [{ role: "host" }, { status: "cancelled" }, 0, "cancelled"],
  [{}, { status: "ended" }, 0, "ended"],
  [{ role: "host" }, { status: "ended" }, 0, "ended"],
  [{ removed: true }, {}, 0, "removed"],
  [{ removed: true, asked: "admitted" }, {}, 0, "removed"],
  [{}, {}, 60, "over"],
  [{ role: "host" }, {}, 60, "over"],
  [{}, {}, 59.9, "enter"],
  [{}, { status: "scheduled" }, -15, "enter"],
  [{}, { status: "scheduled" }, -15.1, "too_early"],
  [{ role: "host" }, { status: "scheduled" }, -600, "enter"],
  [{}, { status: "live" }, -60, "enter"],
])("time and standing: %j in %j at minute %d is %s", check);

test.each<[Partial<Caller>, Partial<Rules>, Expected]>([
  [{}, { allowedNetworks: ["10.0.0.0/8"] }, "enter"],
  [{}, { allowedNetworks: ["11.0.0.0/8"] }, "network"],
  [{ address: null }, { allowedNetworks: ["10.0.0.0/8"] }, "network"],
  [{ role: "host" }, { allowedNetworks: ["11.0.0.0/8"] }, "network"],
  [{}, { allowedDomains: ["school.ng"] }, "enter"],
  [{}, { allowedDomains: ["other.ng"] }, "domain"],
  [{ role: "co_host" }, { allowedDomains: ["other.ng"] }, "enter"],
  [{ password: "missing" }, {}, "password_missing"],
  [{ password: "wrong" }, {}, "password_wrong"],
  [{ password: "right" }, {}, "enter"],
  [{ password: "missing", role: "host" }, {}, "enter"],
  [{}, { locked: true }, "locked"],
  [{ role: "moderator" }, { locked: true }, "locked"],
  [{ wasInBeforeLock: true }, { locked: true }, "enter"],
  [{ asked: "admitted" }, { locked: true }, "enter"],
  [{ role: "staff" }, { locked: true }, "enter"],
  [{ asked: "denied" }, {}, "denied"],
  [{}, { maxParticipants: 2, participants: 2 }, "full"],
  [{}, { maxParticipants: 2, participants: 1 }, "enter"],
  [{ present: true }, { maxParticipants: 2, participants: 2 }, "enter"],
  [{ role: "co_host" }, { maxParticipants: 2, participants: 2 }, "full"],
  [{ role: "host" }, { maxParticipants: 2, participants: 2 }, "enter"],
])("rules: %j under %j is %s", (caller, rules, expected) => check(caller, rules, 1, expected));

const BYPASS: [Rules["bypass"], Partial<Caller>, Expected][] = [
  ["everyone", { invited: false, ownTenant: false }, "enter"],
  ["invited", { invited: true }, "enter"],
  ["invited", { invited: false }, "wait"],
  ["organization", { invited: false, ownTenant: true }, "enter"],
  ["organization", { invited: true, ownTenant: false }, "wait"],
  ["nobody", { invited: true }, "wait"],
  ["nobody", { invited: true, asked: "waiting" }, "wait"],
  ["nobody", { invited: true, asked: "left" }, "wait"],
  ["nobody", { invited: true, asked: "admitted" }, "enter"],
  ["nobody", { role: "co_host" }, "enter"],
  ["nobody", { role: "moderator" }, "wait"],
];
test.each(BYPASS)("with a waiting room that lets %s pass, %j is told to %s", (bypass, caller, expected) =>
  check(caller, { waitingRoom: true, bypass }, 1, expected));

test.each<[Partial<Caller>, Expected]>([
  [{ invited: false }, "wait"],
  [{ invited: true }, "enter"],
  [{ invited: false, asked: "admitted" }, "enter"],
  [{ invited: false, asked: "denied" }, "denied"],
  [{ invited: false, role: "staff" }, "enter"],
])("a meeting for those invited, without a waiting room: %j is told to %s", (caller, expected) =>
  check(caller, { openToUninvited: false, bypass: "everyone" }, 1, expected));

test("somebody at a wrong door learns nothing about the password", () => {
  check({ password: "wrong" }, { allowedNetworks: ["11.0.0.0/8"] }, 1, "network");
  check({ password: "wrong" }, { locked: true }, 1, "password_wrong");
});

test.each([
  ["a@school.ng", ["school.ng"], true],
  ["a@SCHOOL.ng", ["School.NG"], true],
  ["a@staff.school.ng", ["school.ng"], true],
  ["a@notschool.ng", ["school.ng"], false],
  ["a@school.ng.evil.example", ["school.ng"], false],
  ["school.ng", ["school.ng"], false],
  ["a@b@school.ng", ["school.ng"], true],
  ["", ["school.ng"], false],
])("%s is of %j: %s", (email, domains, expected) => expect(inDomains(email, domains)).toBe(expected));

const ROLES: Role[] = ["host", "co_host", "staff", "moderator", "participant"];
test("every refusal has advice, and every role an answer", () => {
  for (const role of ROLES) check({ role }, {}, 1, "enter");
  for (const advice of Object.values(ADVICE)) expect(advice).toMatch(/^[A-Z].*\.$/);
});
