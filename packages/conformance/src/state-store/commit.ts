import assert from "node:assert/strict";
import { type FileRecord, reduceFile } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import {
  added,
  aFile,
  anUpload,
  aPart,
  aTransfer,
  claim,
  insert,
  listAll,
  NOW,
  seed,
  someEvidence,
  someHistory,
  someSteps,
  write,
} from "./records.ts";

const changed = (file: FileRecord, updatedAt = NOW + 1): FileRecord => ({
  ...file,
  revision: file.revision + 1,
  updatedAt,
});

const FULL: Partial<FileRecord> = {
  ...{ transfer: aTransfer("t"), reason: { code: "INTEGRITY", message: "m" }, owner: "o", unstableSince: NOW },
  ...{ evidence: someEvidence(), history: someHistory(2), steps: someSteps(1) },
};

/** Another value for every field that a write may change: the compiler misses none. */
const OTHER: Omit<FileRecord, "uploadId" | "path" | "revision"> = {
  ...{ key: "other", size: 11, mtimeNs: -5n, fingerprint: "other", state: "UPLOADED", attempts: 9, nextAttemptAt: 77 },
  ...{ unstableSince: null, owner: "p", fence: 5, reason: { code: "INTEGRITY", message: "n" } },
  ...{ transfer: aTransfer("u"), evidence: someEvidence({ etag: "other" }), history: someHistory(3) },
  ...{ steps: [], createdAt: 1, updatedAt: 2 },
};

export const commitCases: StateStoreCases = {
  "every field of a file comes back exactly": async ({ store }) => {
    const full = aFile("full", {
      state: "IN_PROGRESS",
      revision: 41,
      attempts: 3,
      nextAttemptAt: NOW + 60_000,
      unstableSince: NOW - 3,
      owner: "host-1:worker 2",
      fence: 17,
      reason: { code: "STORE_THROTTLED", message: 'said "SlowDown"\n' },
      transfer: aTransfer("token", { multipartId: null }),
      evidence: someEvidence({
        versionId: "v.1",
        key: "another/key",
        fingerprint: "9:9:9:9:9",
        size: 0,
        ...{ sourceChecksum: "crc32:0000002a" },
      }),
      history: someHistory(16),
      steps: someSteps(32),
      createdAt: NOW - 1,
      updatedAt: NOW + 1,
    });
    const same = aFile("same");
    const evidence = someEvidence({ key: same.key, size: same.size, fingerprint: same.fingerprint });
    const files = [full, { ...same, state: "UPLOADED", evidence } as const, aFile("plain")];
    await seed(store, files);
    for (const file of files) assert.deepEqual(await store.getFile("u", file.path), file);
    assert.deepEqual(await listAll(store, { limit: 10 }), [files[0], files[2], files[1]]);
  },

  "every state keeps its name": async ({ store }) => {
    const states = ["PENDING", "IN_PROGRESS", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"] as const;
    const files = states.map((state, n) => aFile(`${n}`, { state }));
    await seed(store, files);
    assert.deepEqual(await listAll(store, { limit: 10 }), files);
  },

  "a write replaces every field": async ({ store }) => {
    const first = aFile("a", {
      ...{ transfer: aTransfer("t"), reason: { code: "INTEGRITY", message: "m" }, owner: "o", unstableSince: NOW },
      history: someHistory(2),
      steps: someSteps(1),
    });
    await seed(store, [first]);
    const facts = { size: 11, mtimeNs: -5n, fingerprint: "other", key: "other" };
    const second: FileRecord = {
      ...{ ...first, ...facts, revision: 2, state: "UPLOADED", owner: null, fence: 5, attempts: 9 },
      ...{
        nextAttemptAt: 77,
        unstableSince: null,
        reason: null,
        transfer: null,
        evidence: someEvidence(),
        history: someHistory(5),
        steps: someSteps(3),
        createdAt: 1,
        updatedAt: 2,
      },
    };
    await write(store, first, second);
    assert.deepEqual(await store.getFile("u", "a"), second);
    const third: FileRecord = { ...second, revision: 3, evidence: null, history: [], steps: [], state: "PENDING" };
    await write(store, second, third);
    assert.deepEqual(await store.getFile("u", "a"), third);
  },

  "a write replaces any field alone": async ({ store }) => {
    const files = [...Object.entries(OTHER), ["nothing", undefined] as const].map(([field]) => aFile(field, FULL));
    await seed(store, files);
    for (const before of files) {
      const other = before.path === "nothing" ? {} : { [before.path]: OTHER[before.path as keyof typeof OTHER] };
      const after: FileRecord = { ...before, revision: before.revision + 1, ...other };
      await write(store, before, after);
      assert.deepEqual(await store.getFile("u", before.path), after, `${before.path} alone`);
    }
  },

  "files of different uploads do not meet": async ({ store }) => {
    await seed(store, [aFile("a")]);
    await store.insertUpload(anUpload("v"));
    const other = aFile("a", { uploadId: "v", size: 99 });
    await insert(store, [other]);
    assert.equal((await store.getFile("u", "a"))?.size, 10);
    assert.deepEqual(await store.listFiles("v", { limit: 10 }), [other]);
    assert.equal((await store.counters("u")).PENDING.bytes, 10);
    assert.equal(await store.getFile("w", "a"), undefined);
    assert.deepEqual(await store.listFiles("w", { limit: 10 }), []);
  },

  "a write whose revision is not the stored one is a conflict and changes nothing": async ({ store }) => {
    const first = aFile("a");
    await seed(store, [first]);
    const second = await write(store, first, changed(first));
    const stale = { before: first, after: { ...changed(first, NOW + 9), state: "FAILED", size: 99 } } as const;
    assert.deepEqual(await store.commit([stale]), ["conflict"]);
    const future = { ...second, revision: 5 };
    assert.deepEqual(await store.commit([{ before: future, after: changed(future) }]), ["conflict"]);
    assert.deepEqual(await store.getFile("u", "a"), second);
    assert.equal((await store.counters("u")).PENDING.bytes, 10);
  },

  "a new file is a conflict when there is one already": async ({ store }) => {
    const first = aFile("a");
    await seed(store, [first]);
    assert.deepEqual(await store.commit([added({ ...first, size: 99, revision: 8 })]), ["conflict"]);
    assert.deepEqual(await store.getFile("u", "a"), first);
    assert.deepEqual((await store.counters("u")).PENDING, { files: 1, bytes: 10 });
  },

  "a write to a file that is not there is a conflict and makes none": async ({ store }) => {
    await seed(store, []);
    const ghost = aFile("ghost");
    assert.deepEqual(await store.commit([{ before: ghost, after: changed(ghost), parts: [aPart(1)] }]), ["conflict"]);
    assert.equal(await store.getFile("u", "ghost"), undefined);
    assert.deepEqual(await store.listParts("u", "ghost"), []);
  },

  "a batch applies what it can, with outcomes in order": async ({ store }) => {
    const [a, b, c] = [aFile("a"), aFile("b"), aFile("c")];
    await seed(store, [a, b]);
    await write(store, b, changed(b));
    const outcomes = await store.commit([
      { before: b, after: { ...changed(b), size: 99 } },
      added(c),
      { before: a, after: changed(a) },
      added({ ...a, size: 99 }),
    ]);
    assert.deepEqual(outcomes, ["conflict", "applied", "applied", "conflict"]);
    assert.deepEqual(await listAll(store, { limit: 10 }), [changed(a), changed(b), c]);
    assert.deepEqual((await store.counters("u")).PENDING, { files: 3, bytes: 30 });
  },

  "changes of one file chained by revision all apply in one batch": async ({ store }) => {
    await seed(store, []);
    const first = aFile("a");
    const second = reduceFile(first, { type: "claim", owner: "o" }, NOW);
    const third = reduceFile(second, { type: "transfer", transfer: aTransfer("t") }, NOW);
    const outcomes = await store.commit([
      added(first),
      { before: first, after: second },
      { before: second, after: third, parts: [aPart(2)] },
      { before: second, after: { ...third, owner: "rival" } },
    ]);
    assert.deepEqual(outcomes, ["applied", "applied", "applied", "conflict"]);
    assert.deepEqual(await store.getFile("u", "a"), third);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(2)]);
    assert.deepEqual((await store.counters("u")).IN_PROGRESS, { files: 1, bytes: 10 });
    assert.deepEqual((await store.counters("u")).PENDING, { files: 0, bytes: 0 });
  },

  "one batch may write to several uploads": async ({ store }) => {
    await seed(store, []);
    await store.insertUpload(anUpload("v"));
    await insert(store, [aFile("a"), aFile("a", { uploadId: "v" }), aFile("b", { uploadId: "v" })]);
    assert.equal((await store.counters("u")).PENDING.files, 1);
    assert.equal((await store.counters("v")).PENDING.files, 2);
  },

  "an empty batch is no work": async ({ store }) => {
    assert.deepEqual(await store.commit([]), []);
  },

  "a file of an unknown upload is refused, and the whole batch with it": async ({ store }) => {
    await seed(store, []);
    const orphan = added(aFile("b", { uploadId: "nobody" }));
    await assert.rejects(store.commit([added(aFile("a")), orphan]), { code: "UPLOAD_NOT_FOUND" });
    assert.equal(await store.getFile("u", "a"), undefined);
    assert.equal((await store.counters("u")).PENDING.files, 0);
  },

  "parallel commits of one revision: exactly one wins": async ({ store }) => {
    const first = aFile("a");
    await seed(store, [first]);
    const rivals = Array.from({ length: 8 }, (_, n) => changed(first, NOW + n));
    const outcomes = await Promise.all(rivals.map((after) => store.commit([{ before: first, after }])));
    assert.equal(outcomes.flat().filter((outcome) => outcome === "applied").length, 1);
    const winner = outcomes.findIndex(([outcome]) => outcome === "applied");
    assert.deepEqual(await store.getFile("u", "a"), rivals[winner]);
  },

  "a file may be found by its key": async ({ store }) => {
    const [a, b] = [aFile("a", { key: "shared" }), aFile("b", { key: "shared" })];
    await seed(store, [a]);
    assert.equal((await store.findFileByKey("u", "shared"))?.path, "a");
    assert.equal(await store.findFileByKey("u", "u/a"), undefined);
    assert.equal(await store.findFileByKey("v", "shared"), undefined);
    await insert(store, [b, aFile("c")]);
    assert.ok(["a", "b"].includes((await store.findFileByKey("u", "shared"))?.path ?? ""));
    assert.deepEqual(await store.findFileByKey("u", "u/c"), aFile("c"));
    const moved = { ...changed(a), key: "new key" };
    await write(store, a, moved);
    assert.deepEqual(await store.findFileByKey("u", "shared"), b);
    assert.deepEqual(await store.findFileByKey("u", "new key"), moved);
    await write(store, b, { ...changed(b), key: "SHARED" });
    assert.equal(await store.findFileByKey("u", "shared"), undefined);
  },

  "a claimed file is still found by its key": async ({ store }) => {
    await seed(store, [aFile("a")]);
    await store.findFileByKey("u", "u/a");
    await claim(store, "o", 1);
    assert.equal((await store.findFileByKey("u", "u/a"))?.revision, 2);
  },
};
