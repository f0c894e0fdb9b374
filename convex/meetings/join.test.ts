// Joining: who gets in, who waits, who is refused and why, and what the token says.
import { expect, test } from "vitest";
import { api } from "../_generated/api";
import type { Doc } from "../_generated/dataModel";
import { verifyJoin } from "../edge/tokens";
import { HOUR, MINUTE, school, word } from "../testing/foundation";
import type { Name, School } from "../testing/foundation";
import { joined } from "../testing/node";

test.each<[string, Name, Partial<Doc<"meetings">>, { password?: string }, string]>([
  ["a pupil joins a class", "pio", {}, {}, "joined"],
  ["an uninvited pupil joins an open class", "qudus", {}, {}, "joined"],
  ["an uninvited pupil waits before a closed class", "qudus", { allowUninvitedJoin: false }, {}, "waiting"],
  ["nobody is let in by a missing field", "qudus", { allowUninvitedJoin: undefined }, {}, "waiting"],
  ["an invited pupil joins a closed class", "pio", { allowUninvitedJoin: false }, {}, "joined"],
  ["somebody of another school finds no meeting", "sola", {}, {}, "unknown_meeting"],
  ["the owner of the platform joins everywhere", "oye", {}, {}, "joined"],
  ["a closed account is signed out", "gone", {}, {}, "signed_out"],
  ["a cancelled meeting", "hana", { status: "cancelled" }, {}, "cancelled"],
  ["an ended meeting", "hana", { status: "ended" }, {}, "ended"],
  ["the waiting room stops pupils", "pio", { waitingRoomEnabled: true }, {}, "waiting"],
  ["the waiting room stops no co-host", "cora", { waitingRoomEnabled: true }, {}, "joined"],
  ["invited people pass it", "pio", { waitingRoomEnabled: true, lobbyBypassType: "invited" }, {}, "joined"],
  ["uninvited people do not", "qudus", { waitingRoomEnabled: true, lobbyBypassType: "invited" }, {}, "waiting"],
  ["the organization passes it", "qudus", { waitingRoomEnabled: true, lobbyBypassType: "organization" }, {}, "joined"],
  ["everyone passes it", "qudus", { waitingRoomEnabled: true, lobbyBypassType: "everyone" }, {}, "joined"],
  ["nobody passes it", "rita", { waitingRoomEnabled: true, lobbyBypassType: "nobody" }, {}, "waiting"],
  ["the host's plain password is asked for", "pio", { password: "light" }, {}, "password_missing"],
  ["a wrong one is refused", "pio", { password: "light" }, { password: "dark" }, "password_wrong"],
  ["the right one is taken", "pio", { password: "light" }, { password: "light" }, "joined"],
  ["hosts are asked for none", "hana", { password: "light" }, {}, "joined"],
])("%s", async (_, name, changes, more, expected) => {
  const { meeting, join } = await school();
  expect(word(await join(name, await meeting(changes), more))).toBe(expected);
});

test.each<[string, Name, number, string]>([
  ["a pupil sixteen minutes early", "pio", 16, "too_early"],
  ["a pupil fifteen minutes early", "pio", 15, "joined"],
  ["a host hours early", "hana", 300, "joined"],
  ["a pupil when it is over", "pio", -60, "over"],
  ["a host when it is over", "hana", -60, "over"],
])("%s", async (_, name, minutesToStart, expected) => {
  const { meeting, join } = await school();
  const scheduledStartTime = Date.now() + minutesToStart * MINUTE;
  const times = { scheduledStartTime, scheduledEndTime: scheduledStartTime + HOUR, status: "scheduled" as const };
  expect(word(await join(name, await meeting(times)))).toBe(expected);
});

test("a host who comes early starts the meeting, a pupil does not", async () => {
  const { meeting, join, read } = await school();
  const times = { scheduledStartTime: Date.now() + 10 * MINUTE, status: "scheduled" as const };
  const id = await meeting(times);
  await join("pio", id);
  expect((await read("meetings", id)).status).toBe("scheduled");
  await join("hana", id);
  expect(await read("meetings", id)).toMatchObject({ status: "live", actualStartTime: Date.now() });
});

test("the token says who, where and what, and any node can verify it", async () => {
  const { meeting, join, ids } = await school();
  const id = await meeting({ allowedPresenters: "host_only" });
  const answer = await join("pio", id, { device: "phone-1" });
  if (answer.status !== "joined") throw new Error(word(answer));
  expect(answer.candidates.map(({ node }) => node).sort()).toEqual(["abuja-1", "lagos-1"]);
  expect(answer.url).toBe(answer.candidates[0]?.url);
  expect(answer.identity).toBe(`${ids.pio}#phone-1`);
  const verdict = await verifyJoin(answer.token, Date.now());
  if (verdict.verdict !== "valid") throw new Error(verdict.verdict);
  expect(verdict.claims).toMatchObject({
    sub: answer.identity,
    name: "Pio Bello",
    video: { room: "ROOM-PHYSICS001", canPublish: true, canPublishData: true, canPublishSources: ["camera", "microphone"] },
    tof: { meeting: id, user: ids.pio },
  });
  expect(verdict.claims.video).not.toHaveProperty("recorder");
  expect(verdict.claims.video).not.toHaveProperty("roomAdmin");
});

test("the nearest city is proposed first", async () => {
  const { meeting, as } = await school();
  const meetingId = await meeting();
  for (const [regions, first] of [[{ lagos: 9, abuja: 48 }, "lagos-1"], [{ lagos: 51, abuja: 7 }, "abuja-1"]] as const) {
    const answer = await as("pio").mutation(api.meetings.join.join, { meetingId, device: "d", regions });
    expect(answer.status === "joined" && answer.candidates[0]?.node).toBe(first);
  }
});

test("without a node nobody is let in, and the answer says so", async () => {
  const { t, meeting, join } = await school();
  await t.run(async (ctx) => {
    for (const node of await ctx.db.query("edgeNodes").collect()) await ctx.db.delete("edgeNodes", node._id);
  });
  expect(word(await join("pio", await meeting()))).toBe("no_node");
});

test("a meeting is joined by its code, however it is written", async () => {
  const { meeting, as } = await school();
  const meetingId = await meeting();
  for (const code of ["1234567890", "123 456 7890", "123-456-7890"]) {
    const answer = await as("pio").mutation(api.meetings.join.joinByCode, { code, device: "d" });
    expect(answer).toMatchObject({ status: "joined", meetingId });
  }
  const wrong = await as("pio").mutation(api.meetings.join.joinByCode, { code: "1234567891", device: "d" });
  expect(word(wrong)).toBe("unknown_meeting");
});

test("codes and passwords cannot be tried without end", async () => {
  const { meeting, as, join, later } = await school();
  const codes = [];
  for (let code = 0; code < 12; code++) {
    codes.push(word(await as("pio").mutation(api.meetings.join.joinByCode, { code: String(code), device: "d" })));
  }
  expect(codes.slice(-1)).toEqual(["too_often"]);

  await later(5 * MINUTE);
  const id = await meeting({ password: "light" });
  const words = [];
  for (let guess = 0; guess < 7; guess++) words.push(word(await join("pio", id, { password: `guess ${guess}` })));
  expect(words).toEqual([...Array<string>(5).fill("password_wrong"), "too_often", "too_often"]);
  const right = await join("pio", id, { password: "light" });
  expect(right).toMatchObject({ status: "denied", reason: "too_often" });
  expect(right.status === "denied" && right.retryAfterMs).toBeGreaterThan(0);
  await later(MINUTE);
  expect(word(await join("pio", id, { password: "light" }))).toBe("joined");
});

test("a password set here is kept as a hash, and goes before the host's own", async () => {
  const { t, as, join, ids } = await school();
  const { meetingId } = await as("hana").mutation(api.meetings.life.create, {
    kind: "instant",
    title: "Physics",
    invited: [ids.pio],
    password: "prism",
  });
  expect(word(await join("pio", meetingId, { password: "light" }))).toBe("password_wrong");
  expect(word(await join("pio", meetingId, { password: "prism" }))).toBe("joined");
  const stored = await t.run(async (ctx) => [await ctx.db.get("meetings", meetingId), await ctx.db.query("meetingSecrets").collect()]);
  expect(JSON.stringify(stored)).not.toContain("prism");
  expect(stored[0]).not.toHaveProperty("password");
  const details = await as("hana").query(api.meetings.list.details, { meetingId });
  expect(JSON.stringify(details)).not.toMatch(/prism|salt|rounds/);
  await as("hana").mutation(api.meetings.life.update, { meetingId, changes: { password: null } });
  expect(word(await join("pio", meetingId))).toBe("joined");
});

test("allowed domains and networks are asked about", async () => {
  const { as, join, ids, t } = await school();
  const { meetingId } = await as("hana").mutation(api.meetings.life.create, {
    kind: "instant",
    title: "Staff",
    allowedDomains: ["staff.school.ng"],
    invited: [ids.pio],
  });
  expect(word(await join("pio", meetingId))).toBe("domain");
  const set = (changes: object) => as("hana").mutation(api.meetings.life.update, { meetingId, changes });
  await set({ allowedDomains: ["north.school.ng"] });
  expect(word(await join("pio", meetingId))).toBe("joined");
  await set({ allowedNetworks: ["196.220.0.0/16"] });
  const from = (ip: string) =>
    t.withRequestMetadata({ ip, userAgent: "test" }).withIdentity({ subject: "user_pio0000000000" })
      .mutation(api.meetings.join.join, { meetingId, device: "d" });
  expect(word(await from("10.0.0.1"))).toBe("network");
  expect(word(await from("196.220.7.7"))).toBe("joined");
  await expect(set({ allowedNetworks: ["everywhere"] })).rejects.toThrow("Write networks like");
});

test("a locked meeting lets back in whoever was in, and whom a host admits", async () => {
  const { meeting, as, join, ids, lagos, later } = await school();
  const meetingId = await meeting();
  await as("hana").mutation(api.meetings.life.start, { meetingId });
  lagos.tell(joined("ROOM-PHYSICS001", `${ids.pio}#a`, { userId: ids.pio, meetingId }));
  await lagos.flush();
  await later(MINUTE);
  await as("cora").mutation(api.meetings.control.lock, { meetingId, locked: true });
  expect(word(await join("pio", meetingId))).toBe("joined");
  expect(word(await join("qudus", meetingId))).toBe("locked");
  await as("hana").mutation(api.meetings.waiting.admit, { meetingId, userId: ids.qudus });
  expect(word(await join("qudus", meetingId))).toBe("joined");
  await as("cora").mutation(api.meetings.control.lock, { meetingId, locked: false });
  expect(word(await join("rita", meetingId))).toBe("joined");
});

test("a full meeting keeps a seat for its host, and lets second devices in", async () => {
  const { meeting, join, ids, lagos } = await school();
  const meetingId = await meeting({ maxParticipants: 2 });
  for (const name of ["pio", "qudus"] as const) {
    lagos.tell(joined("ROOM-PHYSICS001", `${ids[name]}#a`, { userId: ids[name], meetingId }));
  }
  await lagos.flush();
  expect(word(await join("rita", meetingId))).toBe("full");
  expect(word(await join("pio", meetingId, { device: "phone" }))).toBe("joined");
  expect(word(await join("hana", meetingId))).toBe("joined");
});

test("a nameless device is refused", async () => {
  const { meeting, join } = await school();
  await expect(join("pio", await meeting(), { device: "a#b" })).rejects.toThrow("Name the device");
});

async function waitingRoom(): Promise<School & { meetingId: Doc<"meetings">["_id"] }> {
  const open = await school();
  const meetingId = await open.meeting({ waitingRoomEnabled: true });
  return { ...open, meetingId };
}

test("people at the door see their turn, hosts see them in order, and admitting lets them in", async () => {
  const { meetingId, as, join, ids, later } = await waitingRoom();
  await join("pio", meetingId);
  await later(MINUTE);
  await join("qudus", meetingId);
  await join("pio", meetingId);
  const list = await as("hana").query(api.meetings.waiting.list, { meetingId });
  expect(list.map(({ name }) => name)).toEqual(["Pio Bello", "Qudus Bello"]);
  expect(await as("qudus").query(api.meetings.waiting.mine, { meetingId })).toMatchObject({ state: "waiting", ahead: 1 });
  expect(await as("pio").query(api.meetings.waiting.list, { meetingId })).toEqual([]);

  await as("cora").mutation(api.meetings.waiting.admit, { meetingId, userId: ids.pio });
  expect(await as("pio").query(api.meetings.waiting.mine, { meetingId })).toMatchObject({ state: "admitted" });
  expect(word(await join("pio", meetingId))).toBe("joined");

  await as("hana").mutation(api.meetings.waiting.deny, { meetingId, userId: ids.qudus });
  expect(word(await join("qudus", meetingId))).toBe("denied");
  await as("hana").mutation(api.meetings.waiting.admit, { meetingId, userId: ids.qudus });
  expect(word(await join("qudus", meetingId))).toBe("joined");
});

test("all are admitted at once, and whoever went away is not", async () => {
  const { meetingId, as, join } = await waitingRoom();
  for (const name of ["pio", "qudus", "rita"] as const) await join(name, meetingId);
  await as("rita").mutation(api.meetings.waiting.leave, { meetingId });
  expect(await as("hana").mutation(api.meetings.waiting.admitAll, { meetingId })).toBe(2);
  expect(word(await join("pio", meetingId))).toBe("joined");
  expect(word(await join("rita", meetingId))).toBe("waiting");
});

test("only hosts decide at the door", async () => {
  const { meetingId, as, join, ids } = await waitingRoom();
  await join("pio", meetingId);
  for (const name of ["pio", "qudus", "rita"] as const) {
    const admitting = as(name).mutation(api.meetings.waiting.admit, { meetingId, userId: ids.pio });
    await expect(admitting).rejects.toThrow("Only hosts");
  }
  await expect(as("sola").mutation(api.meetings.waiting.admitAll, { meetingId })).rejects.toThrow("no such meeting");
  await as("ade").mutation(api.meetings.waiting.admit, { meetingId, userId: ids.pio });
  expect(word(await join("pio", meetingId))).toBe("joined");
});

test("an invitation opens the door in the meeting's window, while it is not taken back", async () => {
  const { as, meeting, ids, lagos, later } = await school();
  const scheduledStartTime = Date.now() + 5 * HOUR;
  const times = { scheduledStartTime, scheduledEndTime: scheduledStartTime + HOUR, status: "scheduled" as const };
  const meetingId = await meeting(times);
  const taken = await as("pio").mutation(api.meetings.invitations.take, { meetingId, device: "phone" });
  if (taken.status !== "given") throw new Error(taken.reason);
  const at = async (minutes: number) => (await verifyJoin(taken.token, scheduledStartTime + minutes * MINUTE)).verdict;
  expect([await at(-16), await at(-14), await at(89), await at(91)]).toEqual(["early", "valid", "valid", "expired"]);
  expect(lagos.desired?.scheduled).toEqual([]);
  await later(MINUTE);
  expect(lagos.desired?.scheduled).toMatchObject([{ room: "ROOM-PHYSICS001", meetingId, startsAt: scheduledStartTime }]);

  await as("hana").mutation(api.meetings.invitations.uninvite, { meetingId, userId: ids.pio });
  await lagos.sync();
  // A node refuses tokens valid from this second or before: the invitation's own first second is one of them.
  const before = (scheduledStartTime - 15 * MINUTE) / 1000;
  expect(lagos.desired?.revoked).toMatchObject([{ room: "ROOM-PHYSICS001", identity: `${ids.pio}#phone`, before }]);
  const again = await as("pio").mutation(api.meetings.invitations.take, { meetingId, device: "phone" });
  expect(again).toMatchObject({ status: "refused", reason: "not_invited" });
  await as("hana").mutation(api.meetings.invitations.invite, { meetingId, people: [ids.pio] });
  const asked = await as("pio").mutation(api.meetings.invitations.take, { meetingId, device: "phone" });
  expect(asked).toMatchObject({ status: "refused", reason: "withdrawn" });
});

test.each<[string, Name, Partial<Doc<"meetings">>, number, string]>([
  ["nobody uninvited", "qudus", {}, 1, "not_invited"],
  ["nothing for a password", "pio", { password: "light" }, 1, "asked_at_door"],
  ["nothing past a waiting room", "pio", { waitingRoomEnabled: true }, 1, "asked_at_door"],
  ["invited people past one that lets them", "pio", { waitingRoomEnabled: true, lobbyBypassType: "invited" }, 1, "given"],
  ["nothing for next week", "pio", {}, 24 * 7, "too_early"],
  ["nothing for what was cancelled", "pio", { status: "cancelled" }, 1, "over"],
  ["its host past all that", "hana", { password: "light", waitingRoomEnabled: true }, 1, "given"],
])("invitations give %s", async (_, name, changes, hours, expected) => {
  const { as, meeting } = await school();
  const scheduledStartTime = Date.now() + hours * HOUR;
  const times = { scheduledStartTime, scheduledEndTime: scheduledStartTime + HOUR, status: "scheduled" as const };
  const meetingId = await meeting({ ...times, ...changes });
  const answer = await as(name).mutation(api.meetings.invitations.take, { meetingId, device: "d" });
  expect(answer.status === "given" ? "given" : answer.reason).toBe(expected);
});
