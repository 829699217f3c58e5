import assert from "node:assert/strict";
import { type FileRecord, reduceFile } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import { aFile, aPart, aTransfer, claim, NOW, release, seed, someEvidence, write } from "./records.ts";

const next = (file: FileRecord, change: Partial<FileRecord> = {}): FileRecord => ({
  ...file,
  revision: file.revision + 1,
  ...change,
});

/** File `a` with transfer `t` and the parts 2 and 1. */
async function withParts(store: Parameters<typeof seed>[0]): Promise<FileRecord> {
  const queued = aFile("a");
  await seed(store, [queued]);
  const held = reduceFile(queued, { type: "claim", owner: "o" }, NOW);
  await write(store, queued, held);
  const begun = reduceFile(held, { type: "transfer", transfer: aTransfer("t") }, NOW);
  await write(store, held, begun);
  return write(store, begun, next(begun), [aPart(2), aPart(1)]);
}

export const partCases: StateStoreCases = {
  "parts come back exactly, ascending by number": async ({ store }) => {
    const file = await withParts(store);
    const last = {
      partNumber: 10_000,
      size: Number.MAX_SAFE_INTEGER,
      etag: 'W/"odd, etag" 🧩',
      checksum: "crc32:ffffffff",
    } as const;
    await write(store, file, next(file), [last, aPart(9), aPart(10)]);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2), aPart(9), aPart(10), last]);
  },

  "the same number again replaces the part": async ({ store }) => {
    const file = await withParts(store);
    await write(store, file, next(file), [aPart(2, "new")]);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2, "new")]);
  },

  "a conflict leaves the parts alone": async ({ store }) => {
    const file = await withParts(store);
    const stale = { ...file, revision: file.revision - 1 };
    assert.deepEqual(await store.commit([{ before: stale, after: next(stale), parts: [aPart(3)] }]), ["conflict"]);
    const dropped = { before: stale, after: next(stale, { transfer: null }) };
    assert.deepEqual(await store.commit([dropped]), ["conflict"]);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2)]);
  },

  "parts go when the transfer becomes null": async ({ store }) => {
    const file = await withParts(store);
    const free = await write(store, file, reduceFile(file, { type: "transfer", transfer: null }, NOW));
    assert.deepEqual(await store.listParts("u", "a"), []);
    await write(store, free, next(free, { transfer: aTransfer("t") }));
    assert.deepEqual(await store.listParts("u", "a"), []);
  },

  "parts go when what was left of a transfer is cleaned up": async ({ store }) => {
    const file = await withParts(store);
    const skipped = reduceFile(file, { type: "skip", reason: { code: "FILE_FILTERED", message: "too old" } }, NOW);
    await write(store, file, skipped);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2)]);
    await write(store, skipped, reduceFile(skipped, { type: "cleaned" }, NOW));
    assert.deepEqual(await store.listParts("u", "a"), []);
  },

  "parts go when the file is UPLOADED": async ({ store }) => {
    const file = await withParts(store);
    const { size, mtimeNs, fingerprint } = file;
    const facts = { size, mtimeNs, fingerprint };
    await write(store, file, reduceFile(file, { type: "uploaded", evidence: someEvidence(), facts }, NOW));
    assert.deepEqual(await store.listParts("u", "a"), []);
  },

  "parts of another token replace those of the last": async ({ store }) => {
    const file = await withParts(store);
    const other = next(file, { transfer: aTransfer("t2") });
    await write(store, file, other, [aPart(7)]);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(7)]);
  },

  "parts stay when the transfer changes but its token does not": async ({ store }) => {
    const file = await withParts(store);
    await write(store, file, next(file, { transfer: aTransfer("t", { multipartId: "multipart-2" }) }));
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2)]);
  },

  "parts stay when the file is released, claimed again and fails": async ({ store }) => {
    const file = await withParts(store);
    await write(store, file, release(file));
    const [again] = await claim(store, "o2", 1);
    assert.ok(again);
    assert.deepEqual(again.transfer, file.transfer);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2)]);
    const reason = { code: "STORE_UNAVAILABLE", message: "gone" } as const;
    await write(store, again, reduceFile(again, { type: "fail", reason, nextAttemptAt: 0 }, NOW));
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2)]);
  },

  "parts stay when a dead owner's file is rescued": async ({ store }) => {
    await withParts(store);
    const [rescued] = await store.rescue({ limit: 10, release });
    assert.equal(rescued?.path, "a");
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1), aPart(2)]);
  },

  "parts belong to one file": async ({ store }) => {
    await withParts(store);
    assert.deepEqual(await store.listParts("u", "A"), []);
    assert.deepEqual(await store.listParts("u", "a/b"), []);
    assert.deepEqual(await store.listParts("v", "a"), []);
  },
};
