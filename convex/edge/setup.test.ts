// The empty deployment: its schema is sound, its routes and jobs can be registered.
import { convexTest } from "convex-test";
import { expect, test } from "vitest";
import schema from "../schema";
import { modules } from "../testing/modules";

test("an empty deployment answers nothing and knows no node", async () => {
  const t = convexTest({ schema, modules });
  expect(await t.run((ctx) => ctx.db.query("edgeNodes").collect())).toEqual([]);
});
