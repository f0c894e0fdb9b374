// The trial before a meeting: who may have one, how often, and what its tokens are good for.
import { expect, test } from "vitest";
import { api } from "../_generated/api";
import { verifyJoin } from "../edge/tokens";
import { MINUTE, school } from "../testing/foundation";

test("two tokens open one room of the viewer's own, one to send and one to watch, for two minutes", async () => {
  const { as, ids } = await school();
  const answer = await as("pio").mutation(api.meetings.trial.begin, {});
  if (answer.status !== "given") throw new Error(answer.message);
  expect(answer.candidates.map(({ node }) => node).sort()).toEqual(["abuja-1", "lagos-1"]);
  const now = Date.now();
  const [sending, watching] = await Promise.all(
    [answer.sending, answer.watching].map(async (token) => {
      const verdict = await verifyJoin(token, now);
      if (verdict.verdict !== "valid") throw new Error(verdict.verdict);
      expect((await verifyJoin(token, now + 3 * MINUTE)).verdict).toBe("expired");
      return verdict.claims;
    }),
  );
  expect(sending).toMatchObject({ sub: `${ids.pio}#sending`, video: { canPublish: true, canSubscribe: false } });
  expect(watching).toMatchObject({ sub: `${ids.pio}#watching`, video: { canPublish: false, canSubscribe: true } });
  expect(sending?.video.room).toMatch(/^trial-/);
  expect(watching?.video.room).toBe(sending?.video.room);
});

test("nobody has another's room, and nobody tries without end", async () => {
  const { t, as } = await school();
  const rooms = new Set<string | undefined>();
  for (let round = 0; round < 4; round += 1) {
    const answer = await as("pio").mutation(api.meetings.trial.begin, {});
    if (answer.status !== "given") throw new Error(answer.message);
    const verdict = await verifyJoin(answer.sending, Date.now());
    rooms.add(verdict.verdict === "valid" ? verdict.claims.video.room : undefined);
  }
  expect(rooms.size).toBe(4);
  expect(await as("pio").mutation(api.meetings.trial.begin, {})).toMatchObject({ status: "refused", retryAfterMs: expect.any(Number) });
  expect((await as("hana").mutation(api.meetings.trial.begin, {})).status).toBe("given");
  expect((await t.mutation(api.meetings.trial.begin, {})).status).toBe("refused");
});
