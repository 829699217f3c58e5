import assert from "node:assert/strict";
import { type FileAction, type FileChange, type FileRecord, reduceFile, type StateStore } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import { aFile, aPart, aTransfer, claim, NOW, paths, release, seed, someEvidence, write } from "./records.ts";

const LONG = 3_600_000;
const REASON = { code: "STORE_UNAVAILABLE", message: "gone" } as const;
const FACTS = { size: 99, mtimeNs: 1n, fingerprint: "another" };

/** All that an owner may still have in hand when it wakes up. */
const LATE: readonly FileAction[] = [
  { type: "parts" },
  { type: "transfer", transfer: null, facts: FACTS },
  { type: "transfer", transfer: aTransfer("late's own"), facts: FACTS },
  { type: "uploaded", evidence: someEvidence(), facts: FACTS },
  { type: "retry", reason: REASON, nextAttemptAt: NOW + 5, burnt: true, facts: FACTS },
  { type: "fail", reason: REASON, nextAttemptAt: NOW + 5 },
  { type: "release", burnt: false },
  { type: "skip", reason: REASON, facts: FACTS },
  { type: "remove" },
];

interface Overtaken {
  /** The record as `late` last saw it: a transfer with the parts 1 and 2. */
  readonly held: FileRecord;
  /** The record that `next` was given. */
  readonly taken: FileRecord;
}

/** File `a`, which `late` held until it was thought dead, and which `next` has claimed since. */
async function overtaken(store: StateStore): Promise<Overtaken> {
  await seed(store, [aFile("a"), aFile("b", { size: 7 })]);
  await store.heartbeat("late", LONG);
  const [claimed] = await claim(store, "late", 1);
  assert.ok(claimed);
  const begun = reduceFile(claimed, { type: "transfer", transfer: aTransfer("t") }, NOW);
  const held = await write(store, claimed, begun, [aPart(1), aPart(2)]);
  await store.retire("late");
  assert.deepEqual(paths(await store.rescue({ limit: 10, release })), ["a"]);
  await store.heartbeat("next", LONG);
  const [taken] = await claim(store, "next", 1);
  assert.equal(taken?.path, "a");
  return { held, taken };
}

export const fenceCases: StateStoreCases = {
  "a late owner's write changes nothing: not the file, its parts or the counters": async ({ store }) => {
    const { held, taken } = await overtaken(store);
    const counted = await store.counters("u");
    for (const action of LATE) {
      const late = { before: held, after: reduceFile(held, action, NOW + 9), parts: [aPart(2, "late"), aPart(3)] };
      assert.deepEqual(await store.commit([late]), ["conflict"], action.type);
      assert.deepEqual(await store.getFile("u", "a"), taken, action.type);
      assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2)], action.type);
      assert.deepEqual(await store.counters("u"), counted, action.type);
    }
  },

  "a late owner's write does not spoil the batch it stands in": async ({ store }) => {
    const { held, taken } = await overtaken(store);
    const other = aFile("b", { size: 7 });
    const late = reduceFile(held, { type: "uploaded", evidence: someEvidence(), facts: FACTS }, NOW);
    const outcomes = await store.commit([
      { before: held, after: late },
      { before: other, after: { ...other, revision: 2, state: "FAILED" } },
    ]);
    assert.deepEqual(outcomes, ["conflict", "applied"]);
    assert.deepEqual(await store.getFile("u", "a"), taken);
    const { IN_PROGRESS, PENDING, FAILED, UPLOADED } = await store.counters("u");
    assert.deepEqual([IN_PROGRESS.files, PENDING.files, FAILED.files, UPLOADED.files], [1, 0, 1, 0]);
  },

  "of a chain of late writes none is applied, not even the one that meets the new owner's revision": async ({
    store,
  }) => {
    const { held, taken } = await overtaken(store);
    const chain: FileChange[] = [];
    for (let before = held; before.revision <= taken.revision + 2; ) {
      const after = reduceFile(before, { type: "parts" }, NOW + 9);
      chain.push({ before, after, parts: [aPart(9, "late")] });
      before = after;
    }
    assert.ok(chain.some(({ before }) => before?.revision === taken.revision));
    assert.deepEqual(
      await store.commit(chain),
      chain.map(() => "conflict"),
    );
    assert.deepEqual(await store.getFile("u", "a"), taken);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2)]);
  },

  "a late write that meets the revision of a file in another state is not applied": async ({ store }) => {
    await seed(store, [aFile("a")]);
    const [held] = await claim(store, "late", 1);
    assert.ok(held);
    const ahead = reduceFile(held, { type: "parts" }, NOW);
    const [released] = await store.rescue({ limit: 1, release });
    assert.equal(released?.revision, ahead.revision);
    const late = reduceFile(ahead, { type: "uploaded", evidence: someEvidence(), facts: FACTS }, NOW);
    assert.deepEqual(await store.commit([{ before: ahead, after: late }]), ["conflict"]);
    assert.deepEqual(await store.getFile("u", "a"), released);
    assert.equal((await store.counters("u")).PENDING.files, 1);
  },

  "the new owner has a higher fence, and goes on with the parts that are there": async ({ store }) => {
    const { held, taken } = await overtaken(store);
    assert.equal(taken.owner, "next");
    assert.equal(taken.fence, held.fence + 1);
    assert.deepEqual(taken.transfer, held.transfer);
    const more = await write(store, taken, reduceFile(taken, { type: "parts" }, NOW), [aPart(3)]);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2), aPart(3)]);
    const done = reduceFile(more, { type: "uploaded", evidence: someEvidence(), facts: FACTS }, NOW);
    await write(store, more, done);
    assert.deepEqual(await store.getFile("u", "a"), done);
    assert.deepEqual((await store.counters("u")).UPLOADED, { files: 1, bytes: 99 });
  },

  "an owner that was thought dead lives again, but does not have its files back": async ({ store }) => {
    const { taken } = await overtaken(store);
    await store.heartbeat("late", LONG);
    assert.equal(await store.isAlive("late"), true);
    assert.deepEqual(await store.rescue({ limit: 10, release }), []);
    assert.deepEqual(await store.getFile("u", "a"), taken);
    await store.retire("next");
    assert.deepEqual(paths(await store.rescue({ limit: 10, release })), ["a"]);
  },
};
