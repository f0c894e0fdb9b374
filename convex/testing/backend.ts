// A deployment for one test: the functions on an empty database, time by hand, the settings of the fixtures.
import { convexTest, type TestConvex } from "convex-test";
import { onTestFinished, vi } from "vitest";
import fixtures from "../fixtures/wire/tokens.json";
import schema from "../schema";
import { modules } from "./modules";
import { MASTER } from "./node";

/** Monday 23 November 2026, 09:00 in Lagos. */
export const START = Date.UTC(2026, 10, 23, 8);

export type Backend = TestConvex<typeof schema>;

/** Starts with `fetch` going nowhere: no test pokes a real node. */
export function deployment(): Backend {
  vi.useFakeTimers({ now: START, toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  const [key] = fixtures.tokenKeys;
  vi.stubEnv("EDGE_MASTER_1", MASTER);
  vi.stubEnv("EDGE_KEY_VERSIONS", "1");
  vi.stubEnv("EDGE_TOKEN_KEY", key?.privateKey ?? "");
  vi.stubEnv("EDGE_TOKEN_KEY_ID", key?.kid ?? "");
  vi.stubGlobal(
    "fetch",
    vi.fn(() => Promise.reject(new Error("no network in tests"))),
  );
  onTestFinished(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
  });
  return convexTest({ schema, modules, transactionLimits: true });
}

/** Lets the time pass, and runs what was scheduled meanwhile. */
export async function pass(t: Backend, ms: number): Promise<void> {
  vi.advanceTimersByTime(ms);
  await t.finishInProgressScheduledFunctions();
  await settled(t);
}

/** Runs what is due now, and what that makes due. */
export async function settled(t: Backend): Promise<void> {
  await t.finishAllScheduledFunctions(() => vi.advanceTimersByTime(0));
}
