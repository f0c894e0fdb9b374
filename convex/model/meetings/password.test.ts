// Passwords of meetings as hashes.
import { expect, test } from "vitest";
import { hashPassword, isPassword, sameText } from "./password";

const SALT = Uint8Array.from({ length: 16 }, (_, at) => at);

test("only the password that was hashed is the password", async () => {
  const hashed = await hashPassword("òkun 2027", SALT);
  expect(hashed.hash).not.toContain("2027");
  expect(await isPassword("òkun 2027", hashed)).toBe(true);
  expect(await isPassword("òkun 2028", hashed)).toBe(false);
  expect(await isPassword("", hashed)).toBe(false);
  expect(await isPassword("x".repeat(100_000), hashed)).toBe(false);
});

test("a letter typed in two ways is one letter", async () => {
  const hashed = await hashPassword("\u00e9", SALT);
  expect(await isPassword("e\u0301", hashed)).toBe(true);
});

test("two salts make two hashes", async () => {
  const other = await hashPassword("a", SALT.map((byte) => byte + 1));
  expect((await hashPassword("a", SALT)).hash).not.toBe(other.hash);
});

test.each([
  ["abc", "abc", true],
  ["abc", "abd", false],
  ["abc", "abcabc", false],
  ["", "", true],
  ["", "a", false],
])("%s and %s are the same text: %s", (left, right, expected) => {
  expect(sameText(left, right)).toBe(expected);
});
