// The signatures of the shared fixtures, which the nodes' tests read too.
import { describe, expect, test } from "vitest";
import cases from "../../fixtures/wire/signing.json";
import { fromBase64Url, toHex, utf8 } from "./bytes";
import { isNodeId, nodeKey, purposeKey, verify, type Purpose } from "./signing";

describe("a signed request is judged as both ends agreed", () => {
  test.each(cases)("$name", async (it) => {
    const derived = await nodeKey(it.master, it.nodeId, it.keyVersion);
    const key = await purposeKey(derived, it.purpose as Purpose);
    expect(toHex(derived)).toBe(it.nodeKey);
    expect(toHex(key)).toBe(it.purposeKey);
    expect(await verify(key, { ...it, body: utf8(it.body) }, it.signature, it.at)).toBe(it.verdict);
  });
});

test("a key is good for its purpose, its node and its version only", async () => {
  const keys = await Promise.all([
    nodeKey("master", "lagos-1", 1),
    nodeKey("master", "lagos-1", 2),
    nodeKey("master", "lagos-2", 1),
    nodeKey("other master", "lagos-1", 1),
  ]);
  const all = await Promise.all(keys.flatMap((key) => [key, purposeKey(key, "sync"), purposeKey(key, "poke")]));
  expect(new Set(all.map(toHex)).size).toBe(all.length);
});

test("ids that could be read as something else are refused", () => {
  expect(["lagos-1", "a", "PH_2.shard"].every(isNodeId)).toBe(true);
  expect(["", "-a", "a|b", "a b", "a\nb", "a/b", "x".repeat(64)].some(isNodeId)).toBe(false);
});

test("base64url has one spelling", () => {
  expect(fromBase64Url("AA")).toEqual(new Uint8Array([0]));
  expect(["AB", "A", "AA==", "A+", "A/"].map(fromBase64Url)).toEqual([null, null, null, null, null]);
});
