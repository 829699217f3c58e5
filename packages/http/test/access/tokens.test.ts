import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { Authentication } from "../../src/access/authentication.ts";
import { TokenList } from "../../src/access/tokens.ts";
import { hashToken, type TokenOptions } from "../../src/index.ts";

const known = { name: "ops", sha256: hashToken("correct horse".replace(" ", "-")), scopes: ["admin"] } as const;

function refusalOf(tokens: unknown): unknown {
  try {
    new TokenList(tokens as readonly TokenOptions[]);
    return undefined;
  } catch (error) {
    return error;
  }
}

test("a token is found by its hash, whatever the case of its digits", () => {
  const list = new TokenList([
    { name: "reader", sha256: hashToken("one").toUpperCase() },
    { ...known, sha256: hashToken("two") },
  ]);
  expect(list.find("one")).toEqual({ name: "reader", scopes: ["read"], expiresAt: null });
  expect(list.find("two")).toEqual({ name: "ops", scopes: ["admin"], expiresAt: null });
  for (const wrong of ["", "three", "on", "one ", "ONE", hashToken("one")]) expect(list.find(wrong)).toBeNull();
});

test("hashToken is SHA-256 in hexadecimal, and refuses what cannot be sent as a token", () => {
  expect(hashToken("abc")).toBe(createHash("sha256").update("abc").digest("hex"));
  for (const token of ["", "with space", "line\nbreak", "ümlaut", "x".repeat(4097)])
    expect(() => hashToken(token)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
});

test.each([
  ["no list", {}],
  ["an empty list", []],
  ["no name", [{ ...known, name: "" }]],
  ["no hash", [{ name: "a" }]],
  ["a short hash", [{ name: "a", sha256: "abc123" }]],
  ["digits that are not hexadecimal", [{ name: "a", sha256: "g".repeat(64) }]],
  ["the hash of nothing", [{ name: "a", sha256: createHash("sha256").digest("hex") }]],
  ["the same hash twice", [known, { ...known, name: "b", sha256: known.sha256.toUpperCase() }]],
  ["the same name twice", [known, { ...known, sha256: hashToken("other") }]],
  ["no scopes", [{ ...known, scopes: [] }]],
  ["unknown scopes", [{ ...known, scopes: ["root"] }]],
  ["nothing at all", [undefined]],
])("weak tokens are refused: %s", (_what, tokens) => {
  expect(refusalOf(tokens)).toMatchObject({ name: "InputError", code: "INVALID_OPTION" });
});

test("a token that was given instead of its hash is not repeated in the error", () => {
  expect(String(refusalOf([{ name: "a", sha256: "my-secret-token" }]))).not.toContain("my-secret-token");
});

test.each([{}, { sessionAge: 5 }, { tokens: [known], sessionAge: 0 }, { tokens: [known], sessionAge: 1.5 }])(
  "auth that protects nothing is refused: %j",
  (auth) => {
    expect(() => new Authentication(auth)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  },
);
