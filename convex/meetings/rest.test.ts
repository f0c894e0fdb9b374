// The REST face: the same functions, the same judgement, over HTTP.
import { expect, test, vi } from "vitest";
import { school } from "../testing/foundation";
import type { Name, School } from "../testing/foundation";

async function call(open: School, name: Name | null, method: string, path: string, body?: unknown) {
  const backend = name === null ? open.t : open.as(name);
  const response = await backend.fetch(`/api/meetings${path}`, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test("a meeting is made, read, changed, joined, ended and deleted", async () => {
  const open = await school();
  const made = await call(open, "hana", "POST", "", { kind: "instant", title: "Biology", invited: [open.ids.pio] });
  expect(made.status).toBe(201);
  const id = `/${String(made.body.meetingId)}`;
  expect(await call(open, "pio", "GET", "")).toMatchObject({ status: 200, body: [{ title: "Biology" }] });
  expect(await call(open, "hana", "PUT", id, { title: "Biology II", waitingRoom: true })).toMatchObject({ status: 200 });
  expect(await call(open, "pio", "GET", id)).toMatchObject({ status: 200, body: { title: "Biology II", status: "live" } });
  expect(await call(open, "pio", "POST", `${id}/join`, { device: "d" })).toMatchObject({ status: 202, body: { status: "waiting" } });
  expect(await call(open, "hana", "POST", `${id}/join`, { device: "d" })).toMatchObject({ status: 200, body: { status: "joined" } });
  expect(await call(open, "pio", "POST", `${id}/leave`)).toMatchObject({ status: 200 });
  expect(await call(open, "hana", "GET", `${id}/participants`)).toMatchObject({ status: 200, body: [] });
  expect(await call(open, "hana", "PUT", `${id}/participants/${open.ids.pio}/role`, { role: "co_host" })).toMatchObject({ status: 200 });
  expect(await call(open, "pio", "POST", `${id}/join`, { device: "d" })).toMatchObject({ status: 200, body: { role: "co_host" } });
  expect(await call(open, "hana", "DELETE", `${id}/participants/${open.ids.pio}/remove`)).toMatchObject({ status: 200 });
  const poll = { question: "Ready?", type: "yes_no" };
  expect((await call(open, "hana", "POST", `${id}/polls`, poll)).status).toBe(201);
  const groups = { minutes: 5, groups: [{ name: "A", people: [open.ids.pio] }] };
  expect((await call(open, "hana", "POST", `${id}/breakout-rooms`, groups)).status).toBe(201);
  expect(await call(open, "hana", "POST", `${id}/whiteboard/save`, { revision: 0, drawing: "[]" })).toMatchObject({ status: 200, body: { revision: 1 } });
  expect(await call(open, "hana", "GET", `${id}/recordings`)).toEqual({ status: 200, body: [] });
  expect(await call(open, "hana", "POST", `${id}/record/start`)).toMatchObject({ status: 501, body: { error: "not_available" } });
  expect(await call(open, "hana", "GET", `${id}/report`)).toMatchObject({ status: 404 });
  expect(await call(open, "hana", "POST", `${id}/end`)).toMatchObject({ status: 200 });
  await open.later(60_000);
  expect(await call(open, "hana", "GET", `${id}/report`)).toMatchObject({ status: 200, body: { expected: 2 } });
  expect(await call(open, "hana", "GET", `${id}/attendance`)).toMatchObject({ status: 200, body: [{ attendance: "absent" }, { attendance: "absent" }] });
  expect(await call(open, "hana", "DELETE", id)).toMatchObject({ status: 200 });
  expect((await call(open, "hana", "GET", id)).status).toBe(404);
});

test("refusals have the status that fits, and tell what to do", async () => {
  const open = await school();
  const id = `/${await open.meeting({ password: "light" })}`;
  const statuses = [
    await call(open, null, "POST", "", { kind: "instant", title: "x" }),
    await call(open, null, "GET", id),
    await call(open, "sola", "POST", `${id}/end`),
    await call(open, "pio", "POST", `${id}/end`),
    await call(open, "pio", "POST", `${id}/join`, { device: "d" }),
    await call(open, "sola", "POST", `${id}/join`, { device: "d" }),
    await call(open, "pio", "POST", `${id}/join`, { device: 7 }),
    await call(open, "pio", "POST", `${id}/join`, { device: "d", more: true }),
    await call(open, "pio", "POST", `${id}/join`, []),
    await call(open, "pio", "POST", "/nothing/join", { device: "d" }),
    await call(open, "pio", "GET", `${id}/nothing`),
    await call(open, "pio", "GET", `${id}/join`),
  ];
  expect(statuses.map(({ status, body }) => [status, body.error ?? body.reason])).toEqual([
    [401, "signed_out"],
    [404, "unknown_meeting"],
    [404, "unknown_meeting"],
    [403, "not_allowed"],
    [403, "password_missing"],
    [404, "unknown_meeting"],
    [400, "invalid"],
    [400, "invalid"],
    [400, "malformed"],
    [400, "invalid"],
    [404, "unknown_path"],
    [405, "wrong_method"],
  ]);
  for (const { body } of statuses) expect(body.message).toMatch(/^[A-Z].*\.$/);
});

test("browsers of named origins may call, others not", async () => {
  const open = await school();
  vi.stubEnv("EDGE_ALLOWED_ORIGINS", "https://tof.example, https://other.example/");
  const ask = async (origin: string) =>
    (await open.t.fetch("/api/meetings", { method: "OPTIONS", headers: { origin } })).headers.get("access-control-allow-origin");
  expect(await ask("https://tof.example")).toBe("https://tof.example");
  expect(await ask("https://other.example")).toBe("https://other.example");
  expect(await ask("https://evil.example")).toBeNull();
});
