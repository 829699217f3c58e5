import { describe, expect, test } from "vitest";
import {
  FILE_STATES,
  FILE_TRANSITIONS,
  type FileAction,
  type FileRecord,
  type FileState,
  newFile,
  reduceFile,
  sourceFacts,
  type Transfer,
} from "../src/file.ts";
import { facts, file } from "./support/records.ts";

const reason = { code: "INTEGRITY", message: "m" } as const;
const transfer: Transfer = { token: "t", key: "k", fingerprint: "f", partSize: 5, multipartId: "m", startedAt: 0 };
const evidence = {
  key: "k",
  size: 10,
  etag: "e",
  versionId: null,
  checksum: "crc32:00000000",
  fingerprint: "f",
  uploadedAt: 1,
} as const;
const seen = facts(99, 7);

const ACTIONS: { readonly [Type in FileAction["type"]]: Extract<FileAction, { type: Type }> } = {
  claim: { type: "claim", owner: "me" },
  transfer: { type: "transfer", transfer, facts: seen },
  parts: { type: "parts" },
  cleaned: { type: "cleaned" },
  uploaded: { type: "uploaded", evidence, facts: seen },
  release: { type: "release", burnt: true },
  retry: { type: "retry", reason, nextAttemptAt: 500, facts: seen, burnt: true },
  fail: { type: "fail", reason, nextAttemptAt: 600 },
  changed: { type: "changed", facts: seen, key: "new", nextAttemptAt: 700 },
  disproved: { type: "disproved", reason },
  requeue: { type: "requeue" },
  skip: { type: "skip", reason, facts: seen },
  remove: { type: "remove" },
  deleted: { type: "deleted" },
  disowned: { type: "disowned" },
};

const before = (state: FileState, changes: Partial<FileRecord> = {}) =>
  file({
    state,
    revision: 4,
    attempts: 3,
    owner: state === "IN_PROGRESS" ? "me" : null,
    fence: 2,
    transfer,
    evidence,
    nextAttemptAt: 50,
    reason,
    ...changes,
  });

/** Per action, where each state leads; missing: refused. Written out, so that the table cannot agree with itself alone. */
const LEADS: { readonly [Type in FileAction["type"]]: Partial<Record<FileState, FileState>> } = {
  claim: { PENDING: "IN_PROGRESS" },
  transfer: { IN_PROGRESS: "IN_PROGRESS" },
  parts: { IN_PROGRESS: "IN_PROGRESS" },
  cleaned: { PENDING: "PENDING", UPLOADED: "UPLOADED", FAILED: "FAILED", SKIPPED: "SKIPPED", REMOVED: "REMOVED" },
  uploaded: { IN_PROGRESS: "UPLOADED" },
  release: { IN_PROGRESS: "PENDING" },
  retry: { IN_PROGRESS: "PENDING" },
  fail: { IN_PROGRESS: "FAILED" },
  changed: { PENDING: "PENDING", UPLOADED: "PENDING", FAILED: "PENDING", SKIPPED: "PENDING", REMOVED: "PENDING" },
  disproved: { UPLOADED: "PENDING" },
  requeue: { PENDING: "PENDING", FAILED: "PENDING" },
  skip: {
    PENDING: "SKIPPED",
    IN_PROGRESS: "SKIPPED",
    UPLOADED: "SKIPPED",
    FAILED: "SKIPPED",
    SKIPPED: "SKIPPED",
    REMOVED: "SKIPPED",
  },
  remove: { PENDING: "REMOVED", IN_PROGRESS: "REMOVED", UPLOADED: "REMOVED", FAILED: "REMOVED", SKIPPED: "REMOVED" },
  deleted: { REMOVED: "REMOVED" },
  disowned: { REMOVED: "REMOVED" },
};

const cases = Object.values(ACTIONS).flatMap((action) =>
  FILE_STATES.map((state) => ({ action, state, to: LEADS[action.type][state] })),
);

test("every action has a transition", () => {
  expect(Object.keys(FILE_TRANSITIONS).sort()).toEqual(Object.keys(ACTIONS).sort());
});

describe("reduceFile", () => {
  test.each(cases.filter(({ to }) => to === undefined))("$state cannot $action.type", ({ action, state }) => {
    const refused = expect.objectContaining({ name: "BucketlineError", code: "INVALID_TRANSITION" });
    expect(() => reduceFile(before(state), action, 9)).toThrow(refused);
  });

  test.each(cases.filter(({ to }) => to !== undefined))(
    "$action.type leads from $state to $to",
    ({ action, state, to }) => {
      const old = before(state);
      const copy = structuredClone(old);
      const next = reduceFile(old, action, 9);
      expect(old).toEqual(copy);
      expect(next).toMatchObject({ state: to, revision: 5, updatedAt: 9, createdAt: 1, uploadId: "u", path: "a.txt" });
      // Somebody holds a file exactly while it is in progress.
      expect(next.owner !== null).toBe(to === "IN_PROGRESS");
      expect(next.fence).toBe(action.type === "claim" ? 3 : 2);
      if (to === "UPLOADED" && action.type === "uploaded")
        expect(next).toMatchObject({ evidence, transfer: null, reason: null, attempts: 0 });
      if (to === "FAILED" || to === "SKIPPED") expect(next.reason).toEqual(reason);
      if (to === "SKIPPED" && action.type === "skip") expect(next.key).toBe("");
      if (to === "REMOVED" && action.type === "remove") expect(next).toMatchObject({ key: "", reason: null });
      if (action.type === "disproved") expect(next).toMatchObject({ attempts: 0, nextAttemptAt: 0, reason });
      // Only an upload or the bucket changes what proves it, and only its owner or a clean-up lets go of a transfer.
      const voids = ["disproved", "deleted", "disowned"].includes(action.type);
      expect(next.evidence).toEqual(voids ? null : evidence);
      expect(next.transfer).toEqual(action.type === "uploaded" || action.type === "cleaned" ? null : transfer);
    },
  );

  test("a claim counts as an attempt at once, so that one that kills the process counts too", () => {
    expect(reduceFile(before("PENDING"), ACTIONS.claim, 9)).toMatchObject({
      attempts: 4,
      owner: "me",
      nextAttemptAt: 50,
    });
  });

  test.each([
    ["release", true, 3],
    ["release", false, 2],
    ["retry", true, 3],
    ["retry", false, 2],
  ] as const)("%s, burnt %s", (type, burnt, attempts) => {
    expect(reduceFile(before("IN_PROGRESS"), { ...ACTIONS[type], burnt }, 9).attempts).toBe(attempts);
    expect(reduceFile(before("IN_PROGRESS", { attempts: 0 }), { ...ACTIONS[type], burnt }, 9).attempts).toBe(0);
  });

  test.each(["deleted", "disowned"] as const)("%s settles the evidence first, and the attempts then", (type) => {
    const first = reduceFile(before("REMOVED"), { type }, 9);
    expect(first).toMatchObject({ evidence: null, attempts: 3 });
    expect(reduceFile(first, { type }, 9)).toMatchObject({ evidence: null, attempts: 0 });
  });

  test("facts are taken over where an action brings some", () => {
    for (const type of ["transfer", "uploaded", "retry", "skip"] as const)
      expect(reduceFile(before("IN_PROGRESS"), ACTIONS[type], 9)).toMatchObject(seen);
    expect(reduceFile(before("UPLOADED"), ACTIONS.changed, 9)).toMatchObject({
      ...seen,
      key: "new",
      nextAttemptAt: 700,
      attempts: 0,
      reason: null,
    });
    expect(
      reduceFile(before("IN_PROGRESS"), { type: "retry", reason, nextAttemptAt: 1, burnt: true }, 9),
    ).toMatchObject(facts(10));
  });

  test("times at which a file is due", () => {
    expect(reduceFile(before("IN_PROGRESS"), ACTIONS.retry, 9).nextAttemptAt).toBe(500);
    expect(reduceFile(before("IN_PROGRESS"), ACTIONS.fail, 9).nextAttemptAt).toBe(600);
    expect(reduceFile(before("IN_PROGRESS"), ACTIONS.release, 9).nextAttemptAt).toBe(0);
    expect(reduceFile(before("FAILED"), ACTIONS.requeue, 9)).toMatchObject({
      nextAttemptAt: 0,
      attempts: 0,
      reason: null,
    });
  });
});

test("newFile", () => {
  const init = { uploadId: "u", path: "p", key: "k", ...facts(3) };
  expect(newFile(init, 5)).toMatchObject({
    state: "PENDING",
    revision: 1,
    nextAttemptAt: 0,
    reason: null,
    fence: 0,
    createdAt: 5,
  });
  expect(newFile({ ...init, skip: reason, nextAttemptAt: 8 }, 5)).toMatchObject({
    state: "SKIPPED",
    reason,
    nextAttemptAt: 8,
  });
});

test("the fingerprint tells every fact apart, to the nanosecond", () => {
  const base = { kind: "file", size: 1, mtimeNs: 2n ** 60n + 1n, ctimeNs: 3n, dev: 4n, ino: 5n } as const;
  const others = [{ size: 2 }, { mtimeNs: 2n ** 60n }, { ctimeNs: 4n }, { dev: 5n }, { ino: 6n }];
  const prints = [base, ...others.map((other) => ({ ...base, ...other }))].map((one) => sourceFacts(one).fingerprint);
  expect(new Set(prints).size).toBe(prints.length);
  expect(prints[0]).toBe(`4:5:1:${2n ** 60n + 1n}:3`);
});
