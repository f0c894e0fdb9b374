// The join tokens of the shared fixtures, which the nodes' tests read too.
import { describe, expect, test } from "vitest";
import fixtures from "../../fixtures/wire/tokens.json";
import { signJoin, verifyJoin, type JoinClaims } from "./token";

describe("a join token is judged as both ends agreed", () => {
  test.each(fixtures.joins)("$name", async ({ token, at, verdict }) => {
    expect((await verifyJoin(token, fixtures.tokenKeys, at)).verdict).toBe(verdict);
  });
});

test("no refresh token passes for a join token", async () => {
  for (const { token, at } of fixtures.refreshes) {
    expect((await verifyJoin(token, fixtures.tokenKeys, at)).verdict).not.toBe("valid");
  }
});

test("what was signed is read back", async () => {
  const claims: JoinClaims = {
    iss: "tof-edge",
    sub: "user-1#ab",
    name: "Ọlá",
    nbf: 100,
    exp: 200,
    jti: "j",
    video: { room: "R", roomJoin: true },
    tof: { stay: 300 },
  };
  const [key] = fixtures.tokenKeys;
  const token = await signJoin(claims, key!.kid, key!.privateKey);
  expect(await verifyJoin(token, fixtures.tokenKeys, 150_000)).toEqual({ verdict: "valid", claims });
});

test("a key that cannot be read says what is wanted", async () => {
  await expect(signJoin({} as JoinClaims, "k", "not base64!")).rejects.toThrow("PKCS8");
});
