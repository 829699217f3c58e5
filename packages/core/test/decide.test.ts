import { describe, expect, test } from "vitest";
import { type Decision, decide, type Sighting } from "../src/decide.ts";
import type { FileState, Transfer } from "../src/file.ts";
import { facts, file } from "./support/records.ts";

const same: Sighting = { kind: "file", facts: facts(10) };
const other: Sighting = { kind: "file", facts: facts(10, 2) };
const skipped: Sighting = { kind: "skipped", reason: { code: "FILE_FILTERED", message: "m" } };
const absent: Sighting = { kind: "absent" };
const transfer: Transfer = { token: "t", key: "k", fingerprint: "f", partSize: 5, multipartId: "m", startedAt: 0 };

test.each<[FileState, Decision, Decision, Decision, Decision]>([
  ["PENDING", "nothing", "changed", "skip", "nothing"],
  ["IN_PROGRESS", "nothing", "nothing", "nothing", "nothing"],
  ["UPLOADED", "nothing", "changed", "skip", "remove"],
  ["FAILED", "nothing", "changed", "skip", "remove"],
  ["SKIPPED", "changed", "changed", "skip", "remove"],
  ["REMOVED", "changed", "changed", "skip", "nothing"],
])("%s", (state, ...expected) => {
  expect([same, other, skipped, absent].map((sighting) => decide(file({ state }), sighting))).toEqual(expected);
});

describe("exceptions", () => {
  test("a put-off file that is gone is due at once, so that a worker settles it", () => {
    expect(decide(file({ nextAttemptAt: 5 }), absent)).toBe("requeue");
  });

  test("what a transfer was left of goes to a worker first", () => {
    for (const state of ["UPLOADED", "FAILED", "SKIPPED"] as const) {
      expect([skipped, absent].map((sighting) => decide(file({ state, transfer }), sighting))).toEqual([
        "requeue",
        "requeue",
      ]);
    }
    expect(decide(file({ transfer }), skipped)).toBe("nothing");
  });

  test("the same reason to skip is not written again", () => {
    const reason = { code: "FILE_FILTERED", message: "another message" } as const;
    expect(decide(file({ state: "SKIPPED", reason }), skipped)).toBe("nothing");
  });

  test("a file whose object was there already is sent again only when it changes", () => {
    const known = file({ state: "SKIPPED", reason: { code: "OBJECT_EXISTS", message: "m" } });
    expect([decide(known, same), decide(known, other)]).toEqual(["nothing", "changed"]);
  });

  test("another device number alone is no change", () => {
    const moved: Sighting = {
      kind: "file",
      facts: { ...facts(10), fingerprint: facts(10).fingerprint.replace("1:", "99:") },
    };
    expect(decide(file({ state: "UPLOADED" }), moved)).toBe("nothing");
  });
});
