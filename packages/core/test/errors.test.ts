import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  BucketlineError,
  ERRORS,
  type ErrorCode,
  InputError,
  type ObjectErrorKind,
  ObjectStoreError,
  reasonOf,
  SourceError,
} from "../src/errors.ts";

const KINDS: readonly ObjectErrorKind[] = [
  "notFound",
  "bucketMissing",
  "denied",
  "credentials",
  "wrongRegion",
  "throttled",
  "transient",
  "integrity",
  "precondition",
  "conflict",
  "rejected",
  "unsupported",
];
const docs = new URL("../../../docs/errors.md", import.meta.url);

test("docs/errors.md has an entry for every code, and for no other", () => {
  expect(existsSync(docs)).toBe(true);
  const entries = readFileSync(docs, "utf8")
    .split("\n")
    .map((line) => /^(?:#{2,4}|\|)\s*`?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)`?(?:\s|\||$)/.exec(line)?.[1])
    .filter((code) => code !== undefined);
  // A warning about the host's own code, which is never thrown.
  const warnings = ["LISTENER_THREW"];
  expect([...new Set(entries)].sort()).toEqual([...Object.keys(ERRORS), ...warnings].sort());
});

test.each(Object.entries(ERRORS))("%s says what happened and what to do", (code, text) => {
  expect(code).toMatch(/^[A-Z]+(_[A-Z0-9]+)*$/);
  expect(text).toMatch(/^[A-Z].*\.$/);
});

test("every kind of store error has its own code", () => {
  const codes = KINDS.map((kind) => new ObjectStoreError({ kind, operation: "putObject", bucket: "b" }, "m").code);
  expect(new Set(codes).size).toBe(KINDS.length);
  for (const code of codes) expect(ERRORS).toHaveProperty(code);
});

test("errors are real errors with name, code, cause and a reason that JSON keeps", () => {
  const cause = new Error("below");
  const error = new SourceError("SOURCE_NOT_FOUND", "m", { cause });
  expect(error).toBeInstanceOf(BucketlineError);
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: "SourceError", code: "SOURCE_NOT_FOUND", cause, message: "m" });
  expect(JSON.parse(JSON.stringify(error.reason))).toEqual({ code: "SOURCE_NOT_FOUND", message: "m" });
  expect(new InputError("INVALID_OPTION", "x").name).toBe("InputError");
});

test("a store error names operation and object, and fills in what it was not told", () => {
  const error = new ObjectStoreError(
    { kind: "throttled", operation: "putObject", bucket: "b", key: "k/x", status: 503 },
    "slow down",
  );
  expect(error).toMatchObject({
    code: "STORE_THROTTLED",
    message: "putObject b/k/x: slow down",
    ambiguous: false,
    status: 503,
  });
  expect(new ObjectStoreError({ kind: "denied", operation: "headBucket", bucket: "b" }, "no").message).toBe(
    "headBucket b: no",
  );
});

test.each<[string, unknown, ErrorCode | undefined, string]>([
  ["our own error", new InputError("INVALID_OPTION", "x"), "INVALID_OPTION", "x"],
  ["any error", new TypeError("y"), undefined, "y"],
  ["a string", "z", undefined, "z"],
  ["undefined", undefined, undefined, "undefined"],
])("reasonOf %s", (_, thrown, code, message) => {
  const reason = reasonOf(thrown);
  expect(reason.message).toBe(message);
  expect(ERRORS).toHaveProperty(reason.code);
  if (code) expect(reason.code).toBe(code);
});
