// Who is what in a meeting, and who may do what: the whole table.
import { expect, test } from "vitest";
import { may, POLICY, roleIn } from "./roles";
import type { Action, Rank, Role } from "./roles";

const MEETING = { hostId: "hana", coHosts: ["cora"], tenant: "north" };

test.each<[string, string | null, Rank, Role | null]>([
  ["hana", "north", "member", "host"],
  ["cora", "north", "member", "co_host"],
  ["cora", "south", "member", null],
  ["ade", "north", "admin", "staff"],
  ["ade", "south", "admin", null],
  ["oye", "south", "owner", "staff"],
  ["oye", null, "owner", "staff"],
  ["rita", "north", "moderator", "moderator"],
  ["pio", "north", "member", "participant"],
  ["pio", null, "member", null],
])("%s of %s, a %s, is %s", (userId, tenant, rank, role) => {
  expect(roleIn(MEETING, { userId, tenant, rank })).toBe(role);
});

const ROLES: Role[] = ["host", "co_host", "staff", "moderator", "participant"];
test.each<[Action, string]>([
  ["see", "host co_host staff moderator participant"],
  ["edit", "host co_host staff"],
  ["delete", "host staff"],
  ["start", "host co_host staff"],
  ["end", "host co_host staff"],
  ["end_session", "host co_host staff"],
  ["admit", "host co_host staff"],
  ["lock", "host co_host staff"],
  ["mute", "host co_host staff moderator"],
  ["remove", "host co_host staff"],
  ["permit", "host co_host staff"],
  ["move", "host co_host staff"],
  ["lower_hands", "host co_host staff moderator"],
  ["invite", "host co_host staff"],
  ["appoint", "host staff"],
  ["see_report", "host co_host staff"],
  ["moderate_chat", "host co_host staff moderator"],
  ["record", "host co_host staff"],
  ["run_activity", "host co_host staff moderator"],
])("to %s one is %s", (action, who) => {
  expect(ROLES.filter((role) => may(role, action)).join(" ")).toBe(who);
});

test("the table above is the whole policy", () => {
  expect(Object.keys(POLICY)).toHaveLength(19);
});
