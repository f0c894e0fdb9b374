// A school with its people, for tests of meetings: a host, a co-host, an admin, a reviewer, pupils, somebody of another
// school, and two cities with a node each.
import rateLimiter from "@convex-dev/rate-limiter/test";
import { vi } from "vitest";
import type { Doc, Id } from "../_generated/dataModel";
import { api } from "../_generated/api";
import type { JoinAnswer } from "../meetings/join";
import { deployment, pass, settled, START } from "./backend";
import type { Backend } from "./backend";
import { TestNode } from "./node";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

type Role = Doc<"users">["role"];
const PEOPLE = {
  hana: ["reviewer", "north"],
  cora: ["beneficiary", "north"],
  ade: ["admin", "north"],
  rita: ["reviewer", "north"],
  pio: ["beneficiary", "north"],
  qudus: ["beneficiary", "north"],
  sola: ["beneficiary", "south"],
  oye: ["super_admin", "south"],
  gone: ["beneficiary", "north"],
} as const satisfies Record<string, readonly [Role, "north" | "south"]>;
export type Name = keyof typeof PEOPLE;

export interface School {
  t: Backend;
  ids: Record<Name, Id<"users">>;
  north: Id<"foundations">;
  lagos: TestNode;
  abuja: TestNode;
  /** The functions as somebody signed in calls them. */
  as(name: Name): ReturnType<Backend["withIdentity"]>;
  /** A meeting of Hana's with Cora as co-host and Pio asked, from now on for an hour, with changes. */
  meeting(changes?: Partial<Doc<"meetings">>): Promise<Id<"meetings">>;
  join(name: Name, meetingId: Id<"meetings">, more?: { password?: string; device?: string }): Promise<JoinAnswer>;
  /** Lets time pass; the nodes keep their leases. */
  later(ms: number): Promise<void>;
  read<Table extends "meetings">(table: Table, id: Id<Table>): Promise<Doc<Table>>;
}

/** Opens the school, on a Monday at nine in Lagos. */
export async function school(): Promise<School> {
  const t = deployment();
  rateLimiter.register(t);
  vi.stubEnv("NEXT_PUBLIC_APP_URL", "https://tof.example");
  const { north, ids } = await t.run(async (ctx) => {
    const foundation = { isActive: true, createdAt: START, updatedAt: START };
    const tenants = {
      north: await ctx.db.insert("foundations", { name: "North", ...foundation }),
      south: await ctx.db.insert("foundations", { name: "South", ...foundation }),
    };
    const made: Partial<Record<Name, Id<"users">>> = {};
    for (const [name, [role, tenant]] of Object.entries(PEOPLE)) {
      made[name as Name] = await ctx.db.insert("users", {
        clerkId: `user_${name}0000000000`,
        foundationId: tenants[tenant],
        email: `${name}@${tenant}.school.ng`,
        firstName: name[0]?.toUpperCase() + name.slice(1),
        lastName: "Bello",
        role,
        isActive: name !== "gone",
        createdAt: START,
        updatedAt: START,
      });
    }
    return { north: tenants.north, ids: made as Record<Name, Id<"users">> };
  });
  const lagos = new TestNode(t, "lagos-1");
  const abuja = new TestNode(t, "abuja-1");
  await lagos.register();
  await abuja.register();
  await lagos.sync();
  await abuja.sync();

  const as = (name: Name) => t.withIdentity({ subject: `user_${name}0000000000` });
  return {
    t,
    ids,
    north,
    lagos,
    abuja,
    as,
    meeting: (changes = {}) =>
      t.run((ctx) =>
        ctx.db.insert("meetings", {
          foundationId: north,
          roomName: "ROOM-PHYSICS001",
          meetingCode: "123 456 7890",
          meetingLink: "https://tof.example/meetings/join/1234567890",
          title: "Physics",
          type: "scheduled",
          scheduledStartTime: Date.now(),
          scheduledEndTime: Date.now() + HOUR,
          hostId: ids.hana,
          coHosts: [ids.cora],
          invitedParticipants: [ids.pio],
          allowUninvitedJoin: true,
          waitingRoomEnabled: false,
          recordingEnabled: false,
          chatEnabled: true,
          screenShareEnabled: true,
          whiteboardEnabled: true,
          status: "live",
          createdAt: START,
          updatedAt: START,
          ...changes,
        }),
      ),
    join: (name, meetingId, { device = "laptop", password } = {}) =>
      as(name).mutation(api.meetings.join.join, { meetingId, device, password }),
    later: async (ms) => {
      await pass(t, ms);
      await lagos.flush();
      await abuja.flush();
      await settled(t);
    },
    read: async (table, id) => {
      const row = await t.run((ctx) => ctx.db.get(table, id));
      if (row === null) throw new Error(`no ${table} with the id ${id}`);
      return row;
    },
  };
}

/** What an answer comes to, in a word. */
export function word(answer: JoinAnswer): string {
  return answer.status === "denied" ? answer.reason : answer.status;
}
