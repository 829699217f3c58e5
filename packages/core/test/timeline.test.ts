import { expect, test } from "vitest";
import { type Evidence, type FileAction, reduceFile } from "../src/file.ts";
import { HISTORY_LIMIT } from "../src/history.ts";
import { timelineOf } from "../src/timeline.ts";
import { facts, file } from "./support/records.ts";

const reason = { code: "STORE_UNAVAILABLE", message: "m" } as const;
const transfer = { token: "t", key: "u/a.txt", fingerprint: "f", partSize: 4, multipartId: "m", startedAt: 40 };
const evidence: Evidence = {
  ...{ key: "u/a.txt", size: 10, etag: '"e"', versionId: null, fingerprint: "f", uploadedAt: 30 },
  checksum: "crc32:00000000",
};
const part = (partNumber: number) =>
  ({ partNumber, size: 4, etag: `"${partNumber}"`, checksum: "crc32:00000000" }) as const;

const live = (...actions: readonly (readonly [number, FileAction])[]) =>
  actions.reduce((before, [now, action]) => reduceFile(before, action, now), file());

const claim: FileAction = { type: "claim", owner: "o" };

test("a new file was discovered, and is sent as soon as may be", () => {
  expect(timelineOf(file())).toEqual([
    { what: "discovered", at: 1 },
    { what: "next", at: null },
  ]);
});

test("attempts, their reasons, and when the next one begins", () => {
  const failed = live(
    [10, claim],
    [20, { type: "retry", reason, nextAttemptAt: 25, burnt: true }],
    [26, claim],
    [30, { type: "release", burnt: true }],
    [31, claim],
    [40, { type: "fail", reason, nextAttemptAt: 3_600_040 }],
  );
  expect(timelineOf(failed)).toEqual([
    { what: "discovered", at: 1 },
    { what: "retry", at: 20, attempt: 1, reason },
    { what: "rescue", at: 30, attempt: 2, reason: null },
    { what: "fail", at: 40, attempt: 3, reason },
    { what: "next", at: 3_600_040 },
  ]);
});

test("a transfer under way, with what the store has acknowledged of it", () => {
  const sending = live([39, claim], [40, { type: "transfer", transfer }]);
  const begun = { what: "begun", at: 40, parts: 2, bytes: 8 };
  expect(timelineOf(sending, [part(1), part(2)])).toEqual([{ what: "discovered", at: 1 }, begun]);
  expect(timelineOf(sending)).toEqual([
    { what: "discovered", at: 1 },
    { ...begun, parts: 0, bytes: 0 },
  ]);
});

test("the object that stands there, and what has happened since", () => {
  const uploaded = live([20, claim], [30, { type: "uploaded", evidence, facts: facts(10) }]);
  const stands = { what: "uploaded", at: 30, key: "u/a.txt", size: 10, etag: '"e"' };
  expect(timelineOf(uploaded)).toEqual([{ what: "discovered", at: 1 }, stands]);
  const changed = reduceFile(uploaded, { type: "changed", facts: facts(20, 2), key: "u/a.txt", nextAttemptAt: 50 }, 45);
  expect(timelineOf(changed)).toEqual([
    { what: "discovered", at: 1 },
    stands,
    { what: "changed", at: 45, attempt: 0, reason: null },
    { what: "next", at: 50 },
  ]);
});

test("skipped and removed files have no next", () => {
  const skipped = reduceFile(file(), { type: "skip", reason }, 9);
  expect(timelineOf(skipped)).toEqual([
    { what: "discovered", at: 1 },
    { what: "skipped", at: 9, reason },
  ]);
  expect(timelineOf(reduceFile(file(), { type: "remove" }, 9)).at(-1)).toEqual({
    what: "removed",
    at: 9,
    reason: null,
  });
});

test("a file that never arrives has a timeline of bounded length", () => {
  let poison = file();
  for (let now = 10; now < 1_000; now += 2) {
    poison = reduceFile(
      reduceFile(poison, claim, now),
      { type: "retry", reason, nextAttemptAt: 0, burnt: true },
      now + 1,
    );
  }
  const timeline = timelineOf(poison);
  expect(timeline).toHaveLength(HISTORY_LIMIT + 2);
  expect(timeline.at(-2)).toMatchObject({ what: "retry", at: 999 });
});
