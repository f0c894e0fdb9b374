// What hosts do while a meeting runs, and what nodes are told.
import { expect, test, vi } from "vitest";
import { api } from "../_generated/api";
import type { Id } from "../_generated/dataModel";
import { verifyJoin } from "../edge/tokens";
import { HOUR, MINUTE, school, word } from "../testing/foundation";
import type { Name, School } from "../testing/foundation";
import { joined } from "../testing/node";

const ROOM = "ROOM-PHYSICS001";

async function lesson(): Promise<School & { meetingId: Id<"meetings">; told(): Promise<Record<string, unknown>[]> }> {
  const open = await school();
  const meetingId = await open.meeting();
  for (const name of ["hana", "pio", "qudus"] as const) {
    open.lagos.tell(joined(ROOM, `${open.ids[name]}#a`, { userId: open.ids[name], meetingId }));
  }
  await open.lagos.flush();
  return {
    ...open,
    meetingId,
    told: async () => {
      await open.lagos.sync();
      return open.lagos.carriedOut;
    },
  };
}

/** What the token of a move says, when nodes would take it now. */
async function passOf(command: Record<string, unknown> | undefined) {
  const verdict = await verifyJoin(String(command?.token), Date.now());
  if (verdict.verdict !== "valid") throw new Error(`the token is ${verdict.verdict}`);
  return verdict.claims;
}

const DEEDS: [string, (open: Awaited<ReturnType<typeof lesson>>, name: Name) => Promise<unknown>, string][] = [
  ["mute", (o, n) => o.as(n).mutation(api.meetings.control.mute, { meetingId: o.meetingId, userId: o.ids.pio, source: "microphone", muted: true }), "hana cora ade rita"],
  ["mute all", (o, n) => o.as(n).mutation(api.meetings.control.muteAll, { meetingId: o.meetingId }), "hana cora ade rita"],
  ["remove", (o, n) => o.as(n).mutation(api.meetings.control.remove, { meetingId: o.meetingId, userId: o.ids.pio }), "hana cora ade"],
  ["lock", (o, n) => o.as(n).mutation(api.meetings.control.lock, { meetingId: o.meetingId, locked: true }), "hana cora ade"],
  ["permit", (o, n) => o.as(n).mutation(api.meetings.control.permit, { meetingId: o.meetingId, userId: o.ids.pio, mayChat: false }), "hana cora ade"],
  ["switch chat", (o, n) => o.as(n).mutation(api.meetings.control.setSharing, { meetingId: o.meetingId, chat: false }), "hana cora ade"],
  ["appoint", (o, n) => o.as(n).mutation(api.meetings.control.appoint, { meetingId: o.meetingId, userId: o.ids.pio, role: "co_host" }), "hana ade"],
  ["lower hands", (o, n) => o.as(n).mutation(api.meetings.control.lowerHands, { meetingId: o.meetingId }), "hana cora ade rita"],
  ["invite", (o, n) => o.as(n).mutation(api.meetings.invitations.invite, { meetingId: o.meetingId, people: [o.ids.qudus] }), "hana cora ade"],
  ["ask in a poll", (o, n) => o.as(n).mutation(api.meetings.polls.launch, { meetingId: o.meetingId, question: "?", type: "yes_no" }), "hana cora ade rita"],
];
test.each(DEEDS)("who may %s", async (_, deed, who) => {
  const open = await lesson();
  const able: string[] = [];
  for (const name of ["hana", "cora", "ade", "rita", "pio", "sola"] as const) {
    const outcome = await deed(open, name).then(() => "done", (error: unknown) => String(error));
    if (outcome === "done") able.push(name);
    else expect(outcome).toMatch(name === "sola" ? "no such meeting" : "Only hosts");
    // Pio, once appointed, would be a host.
    await open.t.run((ctx) => ctx.db.patch("meetings", open.meetingId, { coHosts: [open.ids.cora] }));
  }
  expect(able.join(" ")).toBe(who);
});

test("a mute is told for every device, one for all spares hosts", async () => {
  const o = await lesson();
  o.abuja.tell(joined(ROOM, `${o.ids.pio}#b`, { userId: o.ids.pio, meetingId: o.meetingId }));
  await o.abuja.flush();
  const muted = await o.as("hana").mutation(api.meetings.control.mute, { meetingId: o.meetingId, userId: o.ids.pio, source: "camera", muted: true });
  expect(muted).toBe(2);
  await o.abuja.sync();
  expect(o.abuja.carriedOut).toMatchObject([{ type: "mute", identity: `${o.ids.pio}#b`, source: "camera", muted: true }]);
  expect(await o.told()).toMatchObject([{ type: "mute", identity: `${o.ids.pio}#a` }]);
  expect(await o.as("hana").mutation(api.meetings.control.muteAll, { meetingId: o.meetingId })).toBe(3);
});

test("somebody removed is out, stays out, and is let in again by a host", async () => {
  const o = await lesson();
  await o.as("cora").mutation(api.meetings.control.remove, { meetingId: o.meetingId, userId: o.ids.pio });
  expect(await o.told()).toMatchObject([{ type: "remove", room: ROOM, identity: `${o.ids.pio}#a`, revokeTokens: true }]);
  expect(o.lagos.desired?.revoked).toMatchObject([{ identity: `${o.ids.pio}#a` }]);
  expect(word(await o.join("pio", o.meetingId))).toBe("removed");
  await o.later(1000);
  await o.as("hana").mutation(api.meetings.waiting.admit, { meetingId: o.meetingId, userId: o.ids.pio });
  const back = await o.join("pio", o.meetingId, { device: "a" });
  if (back.status !== "joined") throw new Error(word(back));
  const verdict = await verifyJoin(back.token, Date.now());
  // Newer than the removal, so nodes take it.
  expect(verdict.verdict === "valid" && verdict.claims.nbf).toBeGreaterThan(o.lagos.desired?.revoked[0]?.before ?? Infinity);
  const removing = o.as("cora").mutation(api.meetings.control.remove, { meetingId: o.meetingId, userId: o.ids.hana });
  await expect(removing).rejects.toThrow("host of a meeting cannot be removed");
});

test("somebody removed cannot come back by a token they had not used yet", async () => {
  const o = await lesson();
  await o.join("pio", o.meetingId, { device: "hidden" });
  await o.as("hana").mutation(api.meetings.control.remove, { meetingId: o.meetingId, userId: o.ids.pio });
  await o.lagos.sync();
  const revoked = o.lagos.desired?.revoked.map(({ identity }) => identity).sort();
  expect(revoked).toEqual([`${o.ids.pio}#a`, `${o.ids.pio}#hidden`]);
});

test("permissions change at once, and for whoever comes back", async () => {
  const o = await lesson();
  await o.as("hana").mutation(api.meetings.control.permit, { meetingId: o.meetingId, userId: o.ids.pio, mayShareScreen: false, mayChat: false });
  expect(await o.told()).toMatchObject([
    { type: "permissions", identity: `${o.ids.pio}#a`, permission: { canPublish: true, canPublishData: false, canPublishSources: ["camera", "microphone"] } },
  ]);
  const answer = await o.join("pio", o.meetingId);
  if (answer.status !== "joined") throw new Error(word(answer));
  const payload = JSON.parse(atob((answer.token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"))) as { video: object };
  expect(payload.video).toMatchObject({ canPublishData: false, canPublishSources: ["camera", "microphone"] });
});

test("switching chat off is told to all but hosts keep theirs", async () => {
  const o = await lesson();
  await o.as("hana").mutation(api.meetings.control.setSharing, { meetingId: o.meetingId, chat: false, presenters: "host_only" });
  const told = (await o.told()).map(({ identity, permission }) => [identity, (permission as { canPublishData: boolean }).canPublishData]);
  expect(told).toEqual([
    [`${o.ids.hana}#a`, true],
    [`${o.ids.pio}#a`, false],
    [`${o.ids.qudus}#a`, false],
  ]);
});

test("somebody is moved to another meeting that the host leads", async () => {
  const o = await lesson();
  const to = await o.meeting({ roomName: "ROOM-OTHER00001", meetingCode: "999 999 9999" });
  await o.as("hana").mutation(api.meetings.control.move, { meetingId: o.meetingId, userId: o.ids.pio, to });
  const told = await o.told();
  expect(told).toMatchObject([{ type: "move", room: ROOM, identity: `${o.ids.pio}#a`, to: "ROOM-OTHER00001" }]);
  const { scheduledEndTime } = await o.read("meetings", to);
  expect(await passOf(told[0])).toMatchObject({
    sub: `${o.ids.pio}#a`,
    name: "Pio Bello",
    nbf: Math.floor(Date.now() / 1000),
    exp: Math.floor(Date.now() / 1000) + 600,
    attributes: { "tof.role": "participant" },
    video: { room: "ROOM-OTHER00001", roomJoin: true, canPublish: true, canUpdateOwnMetadata: true },
    tof: { meeting: to, user: o.ids.pio, stay: Math.floor((scheduledEndTime + 4 * HOUR) / 1000) },
  });
  const foreign = await o.meeting({ roomName: "ROOM-FOREIGN001", hostId: o.ids.rita, coHosts: [] });
  const moving = o.as("hana").mutation(api.meetings.control.move, { meetingId: o.meetingId, userId: o.ids.pio, to: foreign });
  await expect(moving).rejects.toThrow("Only hosts");
});

test("the token of a move gives the rights of the other meeting, and is taken back there", async () => {
  const o = await lesson();
  const to = await o.meeting({ roomName: "ROOM-OTHER00001", coHosts: [o.ids.qudus], chatEnabled: false, screenShareEnabled: false });
  for (const name of ["pio", "qudus"] as const) {
    await o.as("hana").mutation(api.meetings.control.move, { meetingId: o.meetingId, userId: o.ids[name], to });
  }
  const [pio, qudus] = await o.told();
  expect(await passOf(pio)).toMatchObject({
    attributes: { "tof.role": "participant" },
    video: { canPublishData: false, canPublishSources: ["camera", "microphone"] },
  });
  expect(await passOf(qudus)).toMatchObject({ attributes: { "tof.role": "co_host" }, video: { canPublishData: true } });
  await o.as("hana").mutation(api.meetings.control.remove, { meetingId: to, userId: o.ids.pio });
  await o.lagos.sync();
  expect(o.lagos.desired?.revoked).toMatchObject([{ room: "ROOM-OTHER00001", identity: `${o.ids.pio}#a` }]);
});

test("somebody who is nobody in the other meeting is moved without a token", async () => {
  const o = await lesson();
  const to = await o.meeting({ roomName: "ROOM-OTHER00001" });
  // Of another school: asked to the first meeting by name, and not to the second.
  await o.t.run((ctx) => ctx.db.patch("meetings", o.meetingId, { invitedParticipants: [o.ids.sola] }));
  o.lagos.tell(joined(ROOM, `${o.ids.sola}#a`, { userId: o.ids.sola, meetingId: o.meetingId }));
  await o.lagos.flush();
  await o.as("hana").mutation(api.meetings.control.move, { meetingId: o.meetingId, userId: o.ids.sola, to });
  const [moved] = await o.told();
  expect(moved).toMatchObject({ type: "move", identity: `${o.ids.sola}#a`, to: "ROOM-OTHER00001" });
  expect(moved).not.toHaveProperty("token");
});

test("groups are opened, and called back when their time is over", async () => {
  const o = await lesson();
  const groups = [{ name: "Light", people: [o.ids.pio] }, { name: "Sound", people: [o.ids.qudus] }];
  await o.as("hana").mutation(api.meetings.breakouts.make, { meetingId: o.meetingId, minutes: 5, groups });
  await o.as("hana").mutation(api.meetings.breakouts.open, { meetingId: o.meetingId });
  const list = await o.as("pio").query(api.meetings.breakouts.list, { meetingId: o.meetingId });
  expect(list.map(({ name, status }) => [name, status])).toEqual([["Light", "active"], ["Sound", "active"]]);
  const sent = await o.told();
  expect(sent.map(({ identity, to }) => [identity, to])).toEqual([
    [`${o.ids.pio}#a`, list[0]?.room],
    [`${o.ids.qudus}#a`, list[1]?.room],
  ]);
  const { scheduledEndTime } = await o.read("meetings", o.meetingId);
  const tof = { meeting: o.meetingId, user: o.ids.pio, stay: Math.floor((scheduledEndTime + 4 * HOUR) / 1000) };
  expect(await passOf(sent[0])).toMatchObject({ sub: `${o.ids.pio}#a`, video: { room: list[0]?.room, canPublish: true }, tof });
  // Whose connection that is, nobody knows.
  const stranger = joined(list[0]?.room ?? "", "ngozi_1763884800000", { meetingId: o.meetingId });
  // Pio's node says where he is now; he is still in the meeting.
  o.lagos.tell(
    { type: "left", room: ROOM, sid: `PA_${o.ids.pio}#a`, identity: `${o.ids.pio}#a`, reason: "MIGRATION" },
    joined(list[0]?.room ?? "", `${o.ids.pio}#a`, { sid: "PA_group", userId: o.ids.pio, meetingId: o.meetingId }),
    stranger,
  );
  await o.lagos.flush();
  // In steps that keep the nodes' leases: a silent node is told nothing.
  for (let step = 0; step < 20; step++) await o.later(MINUTE / 4);
  const back = (await o.told()).filter(({ to }) => to === ROOM);
  expect(back.map(({ room, identity, token }) => [room, identity, token !== undefined])).toEqual([
    [list[0]?.room, `${o.ids.pio}#a`, true],
    [list[0]?.room, "ngozi_1763884800000", false],
  ]);
  expect(await passOf(back[0])).toMatchObject({ sub: `${o.ids.pio}#a`, video: { room: ROOM, canPublish: true }, tof });
  const after = await o.as("pio").query(api.meetings.breakouts.list, { meetingId: o.meetingId });
  expect(after.map(({ status }) => status)).toEqual(["ended", "ended"]);
});

test("somebody removed cannot come back by the token of a group", async () => {
  const o = await lesson();
  const groups = [{ name: "Light", people: [o.ids.pio] }, { name: "Sound", people: [o.ids.qudus] }];
  await o.as("hana").mutation(api.meetings.breakouts.make, { meetingId: o.meetingId, minutes: 5, groups });
  await o.as("hana").mutation(api.meetings.breakouts.open, { meetingId: o.meetingId });
  const [light] = await o.as("pio").query(api.meetings.breakouts.list, { meetingId: o.meetingId });
  await o.as("hana").mutation(api.meetings.breakouts.close, { meetingId: o.meetingId });
  await o.as("hana").mutation(api.meetings.control.remove, { meetingId: o.meetingId, userId: o.ids.pio });
  await o.lagos.sync();
  const revoked = o.lagos.desired?.revoked.map(({ room, identity }) => [room, identity]).sort();
  expect(revoked).toEqual([[ROOM, `${o.ids.pio}#a`], [light?.room, `${o.ids.pio}#a`]]);
});

test("a poll counts each person once, and hides what it does not show", async () => {
  const o = await lesson();
  const pollId = await o.as("hana").mutation(api.meetings.polls.launch, {
    meetingId: o.meetingId, question: "Which?", type: "single_choice", options: ["Red", "Blue"], showResults: false,
  });
  const vote = (name: Name, choices: string[]) => o.as(name).mutation(api.meetings.polls.vote, { pollId, choices });
  await vote("pio", ["1"]);
  await vote("qudus", ["2"]);
  await vote("cora", ["2"]);
  await expect(vote("pio", ["2"])).rejects.toThrow("voted already");
  await expect(vote("rita", ["1", "2"])).rejects.toThrow("Choose one");
  await expect(vote("rita", ["7"])).rejects.toThrow("Choose from");
  await o.later(2000);
  const votes = async (name: Name) =>
    (await o.as(name).query(api.meetings.polls.list, { meetingId: o.meetingId }))[0]?.options.map((option) => option.votes);
  expect(await votes("hana")).toEqual([1, 2]);
  expect(await votes("pio")).toEqual([null, null]);
  await o.as("hana").mutation(api.meetings.polls.close, { pollId });
  await expect(vote("rita", ["1"])).rejects.toThrow("closed");
  const poll = await o.t.run((ctx) => ctx.db.get("meetingPolls", pollId));
  expect(poll).toMatchObject({ totalVotes: 3, results: { summary: "3 votes; Blue first", breakdown: [{ percentage: 33.3 }, { percentage: 66.7 }] } });
});

test("a quiz keeps what is right to itself until it is closed, and its deadline", async () => {
  const o = await lesson();
  const quizId = await o.as("hana").mutation(api.meetings.quizzes.launch, {
    meetingId: o.meetingId, title: "Light", seconds: 60, questions: [{ text: "Speed?", options: ["c", "d"], correct: 0 }, { text: "Colour?", options: ["x", "y"], correct: 1 }],
  });
  const list = async (name: Name) => (await o.as(name).query(api.meetings.quizzes.list, { meetingId: o.meetingId }))[0];
  expect((await list("pio"))?.questions.map(({ correct }) => correct)).toEqual([null, null]);
  await o.as("pio").mutation(api.meetings.quizzes.answer, { quizId, answers: [0, 0] });
  await expect(o.as("pio").mutation(api.meetings.quizzes.answer, { quizId, answers: [0, 1] })).rejects.toThrow("answered already");
  expect(await list("pio")).toMatchObject({ answered: true, right: null });
  vi.advanceTimersByTime(63_000);
  await expect(o.as("qudus").mutation(api.meetings.quizzes.answer, { quizId, answers: [0, 1] })).rejects.toThrow("time of this quiz");
  await o.as("hana").mutation(api.meetings.quizzes.close, { quizId });
  expect(await list("pio")).toMatchObject({ closed: true, right: 1, questions: [{ correct: 0 }, { correct: 1 }] });
});

test("a whiteboard is not wiped out by who has not seen it", async () => {
  const o = await lesson();
  const save = (name: Name, revision: number, drawing: string) =>
    o.as(name).mutation(api.meetings.whiteboard.save, { meetingId: o.meetingId, revision, drawing });
  expect(await save("hana", 0, "a line")).toEqual({ revision: 1 });
  await expect(save("pio", 0, "a circle")).rejects.toThrow("drawn meanwhile");
  expect(await save("pio", 1, "a line and a circle")).toEqual({ revision: 2 });
  await expect(save("pio", 2, "x".repeat(300_000))).rejects.toThrow("too large");
  const board = await o.as("qudus").query(api.meetings.whiteboard.load, { meetingId: o.meetingId });
  expect(board).toEqual({ revision: 2, drawing: "a line and a circle", url: null });
});
