import { type ConformanceCase, type OlderState, stateStoreCases } from "@bucketline/conformance";
import { newFile, newUpload, reduceFile, StateStoreError, type UploadSpec } from "@bucketline/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { brokenClaims } from "./broken/claims.ts";
import { brokenFiles } from "./broken/files.ts";
import { brokenHandles, brokenHints } from "./broken/handles.ts";
import { brokenLeases } from "./broken/leases.ts";
import { type Breaks, newWorld, openBroken, openHandle } from "./broken/memory-harness.ts";
import { brokenNotices } from "./broken/notices.ts";
import { brokenParts } from "./broken/parts.ts";
import { brokenReads } from "./broken/reads.ts";
import { brokenUploads } from "./broken/uploads.ts";

const BROKEN = {
  ...{ ...brokenUploads, ...brokenFiles, ...brokenReads, ...brokenParts, ...brokenClaims },
  ...{ ...brokenLeases, ...brokenHandles, ...brokenHints, ...brokenNotices },
};

const OLDER = "version 1";
const NONE: Breaks = () => ({});

/** A state as an earlier version has left it: written by a right store, opened by the broken one. */
async function older(breaks: Breaks): Promise<OlderState> {
  const world = newWorld();
  const writer = await openHandle(world, NONE);
  const upload = newUpload("u", { bucket: "b" } as UploadSpec, 0);
  await writer.insertUpload(upload);
  const facts = { size: 3, mtimeNs: 4n, fingerprint: "f" };
  const plain = newFile({ uploadId: "u", path: "b", key: "k/b", ...facts, nextAttemptAt: 7 }, 0);
  const held = reduceFile({ ...plain, path: "a", key: "k/a" }, { type: "claim", owner: "dead" }, 1);
  const gone = { ...plain, path: "c", key: "", state: "REMOVED" } as const;
  const transfer = { token: "t", key: "k/a", fingerprint: "f", partSize: 1, multipartId: "m", startedAt: 1 };
  const files = [plain, { ...held, transfer }, gone];
  const part = { partNumber: 1, size: 1, etag: "e", checksum: "crc32:00c0ffee" } as const;
  const changes = files.map((after) => ({ before: null, after, parts: after.transfer ? [part] : [] }));
  await writer.commit(changes);
  await writer.close();
  return { harness: await openBroken(breaks, world), uploads: [upload], files, parts: { u: { a: [part] } } };
}

const casesOf = (breaks: Breaks): ConformanceCase[] =>
  stateStoreCases({ open: () => openBroken(breaks), older: { [OLDER]: () => older(breaks) } });

/** Runs the case; its waits are over at once. */
async function outcomeOf({ run }: ConformanceCase): Promise<"passes" | "fails"> {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  let isOver = false;
  const outcome = run().then(
    () => "passes" as const,
    () => "fails" as const,
  );
  void outcome.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(1_000);
  }
  return outcome;
}

afterEach(() => void vi.useRealTimers());

describe("a right store passes", () => {
  for (const { name, run } of casesOf(NONE)) test(name, run);
});

describe("a store for one owner passes", () => {
  const open = async () => ({
    ...(await openBroken(NONE)),
    another: () => Promise.reject(new StateStoreError("STATE_BUSY", "There is an owner.")),
  });
  for (const { name, slow, run } of stateStoreCases({ open }))
    if (!slow || name.startsWith("contention")) test(name, run);
});

test("a second owner that is refused for another reason is a failure", async () => {
  const refused = () => Promise.reject(new StateStoreError("STATE_CORRUPT", "It is broken."));
  const cases = stateStoreCases({ open: async () => ({ ...(await openBroken(NONE)), another: refused }) });
  const shared = cases.filter(({ name }) => /^(two handles|contention)/.test(name));
  expect(shared.length).toBeGreaterThan(10);
  for (const one of shared) await expect(one.run(), one.name).rejects.toThrow("a second owner is refused as busy");
});

describe("a broken store is caught", () => {
  test.each(Object.entries(BROKEN))("%s", async (_, { breaks, caughtBy }) => {
    const cases = new Map(casesOf(breaks).map((one) => [one.name, one]));
    expect(caughtBy.length).toBeGreaterThan(0);
    for (const name of caughtBy) {
      const one = cases.get(name);
      expect(one, `there is a case "${name}"`).toBeDefined();
      if (one) expect(`${name}: ${await outcomeOf(one)}`).toBe(`${name}: fails`);
    }
  });
});

test("every case catches some broken store", () => {
  const caught = new Set(Object.values(BROKEN).flatMap(({ caughtBy }) => caughtBy));
  const idle = casesOf(NONE).filter(({ name }) => !caught.has(name));
  expect(idle.map(({ name }) => name)).toEqual([]);
});
