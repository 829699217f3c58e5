import { describe, expect, test } from "vitest";
import {
  type ErrorCode,
  InputError,
  type ObjectErrorKind,
  ObjectStoreError,
  SourceError,
  StateStoreError,
} from "../src/errors.ts";
import { backoff, judge } from "../src/retry.ts";

const VERDICTS: Record<ObjectErrorKind, unknown> = {
  transient: { type: "retry", burnt: true },
  throttled: { type: "retry", burnt: true },
  integrity: { type: "retry", burnt: true },
  conflict: { type: "retry", burnt: true },
  notFound: { type: "retry", burnt: true },
  credentials: { type: "hold" },
  bucketMissing: { type: "failUpload" },
  denied: { type: "denied" },
  wrongRegion: { type: "failUpload" },
  precondition: { type: "skip" },
  rejected: { type: "failFile" },
  unsupported: { type: "failFile" },
};

describe("judge", () => {
  test.each(Object.entries(VERDICTS))("a store error of kind %s", (kind, verdict) => {
    const error = new ObjectStoreError({ kind: kind as ObjectErrorKind, operation: "putObject", bucket: "b" }, "x");
    expect(judge(error, "watch")).toEqual(verdict);
  });

  test.each<[ErrorCode, unknown]>([
    ["SOURCE_NOT_FOUND", { type: "remove" }],
    ["SOURCE_CHANGED", { type: "retry", burnt: false }],
    ["SOURCE_NOT_REGULAR", { type: "skip" }],
    ["SOURCE_OUTSIDE_ROOT", { type: "skip" }],
    ["SOURCE_NOT_READABLE", { type: "retry", burnt: true }],
  ])("a source error %s", (code, verdict) => {
    expect(judge(new SourceError(code, "x"), "watch")).toEqual(verdict);
  });

  test.each<[string, unknown, unknown]>([
    ["a file too large", new InputError("FILE_TOO_LARGE", "x"), { type: "failFile" }],
    ["a busy ledger", new StateStoreError("STATE_BUSY", "x"), { type: "retry", burnt: true }],
    ["a programming error", new TypeError("x"), { type: "retry", burnt: true }],
    ["a thrown string", "x", { type: "retry", burnt: true }],
    ["undefined", undefined, { type: "retry", burnt: true }],
  ])("%s", (_, error, verdict) => {
    expect(judge(error, "watch")).toEqual(verdict);
  });
});

describe("backoff", () => {
  const policy = { baseMs: 1_000, capMs: 60_000 };

  test("doubles up to the cap, half of it random", () => {
    for (let attempt = 1; attempt <= 2_000; attempt++) {
      const ceiling = Math.min(60_000, 1_000 * 2 ** (attempt - 1));
      expect(backoff(attempt, policy, () => 0)).toBe(ceiling / 2);
      expect(backoff(attempt, policy, () => 1)).toBe(ceiling);
    }
  });

  test("is finite and not negative for attempts that were never made", () => {
    expect(backoff(0, policy, () => 1)).toBe(500);
    expect(backoff(-5, policy, () => 0)).toBeGreaterThanOrEqual(0);
  });
});

test("a file that changes is waited for in a watched folder, and an attempt lost in a one-shot upload", () => {
  const changed = new SourceError("SOURCE_CHANGED", "x");
  expect(judge(changed, "watch")).toEqual({ type: "retry", burnt: false });
  expect(judge(changed, "once")).toEqual({ type: "retry", burnt: true });
});
