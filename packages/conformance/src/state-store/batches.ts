import assert from "node:assert/strict";
import { type FileRecord, reduceFile } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import { added, aFile, anUpload, aPart, aTransfer, insert, listAll, NOW, seed, write } from "./records.ts";

const changed = (file: FileRecord, change: Partial<FileRecord> = {}): FileRecord => ({
  ...file,
  revision: file.revision + 1,
  ...change,
});

export const batchCases: StateStoreCases = {
  "a commit again, after it was answered, is a conflict": async ({ store }) => {
    await seed(store, [aFile("a")]);
    const second = changed(aFile("a"), { size: 30, transfer: aTransfer("t") });
    const changes = [added(aFile("b")), { before: aFile("a"), after: second, parts: [aPart(1)] }];
    assert.deepEqual(await store.commit(changes), ["applied", "applied"]);
    assert.deepEqual(await store.commit(changes), ["conflict", "conflict"]);
    const third = await write(store, second, changed(second), [aPart(1, "newer")]);
    assert.deepEqual(await store.commit(changes), ["conflict", "conflict"]);
    assert.deepEqual(await store.getFile("u", "a"), third);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1, "newer")]);
    assert.deepEqual((await store.counters("u")).PENDING, { files: 2, bytes: 40 });
  },

  "a file that is new twice in one batch is inserted once": async ({ store }) => {
    await seed(store, []);
    const first = aFile("a", { size: 1 });
    assert.deepEqual(await store.commit([added(first), added(aFile("a", { size: 2 })), added(aFile("b"))]), [
      "applied",
      "conflict",
      "applied",
    ]);
    assert.deepEqual(await listAll(store, { limit: 10 }), [first, aFile("b")]);
    assert.deepEqual((await store.counters("u")).PENDING, { files: 2, bytes: 11 });
  },

  "each change of a batch is judged by what the ones before it have left": async ({ store }) => {
    const first = aFile("a");
    await seed(store, [first]);
    const lost = changed(changed(first), { size: 99 });
    const second = changed(first, { size: 20 });
    const third = changed(second, { size: 30 });
    const outcomes = await store.commit([
      { before: changed(first), after: lost },
      { before: first, after: second },
      { before: lost, after: changed(lost) },
      { before: second, after: third },
      { before: second, after: changed(second, { size: 40 }) },
    ]);
    assert.deepEqual(outcomes, ["conflict", "applied", "conflict", "applied", "conflict"]);
    assert.deepEqual(await store.getFile("u", "a"), third);
    assert.deepEqual((await store.counters("u")).PENDING, { files: 1, bytes: 30 });
  },

  "changes of several files take turns in one batch, parts and transfers included": async ({ store }) => {
    const [a, b] = [aFile("a"), aFile("b")];
    await seed(store, [a, b]);
    const begun = { a: changed(a, { transfer: aTransfer("a1") }), b: changed(b, { transfer: aTransfer("b1") }) };
    const anew = changed(begun.a, { transfer: aTransfer("a2") });
    const freed = changed(begun.b, { transfer: null });
    const last = changed(anew);
    const outcomes = await store.commit([
      { before: a, after: begun.a, parts: [aPart(1, "of a1"), aPart(2, "of a1")] },
      { before: b, after: begun.b, parts: [aPart(1, "of b1")] },
      { before: begun.a, after: anew, parts: [aPart(2, "of a2")] },
      { before: begun.b, after: freed },
      { before: anew, after: last, parts: [aPart(5, "of a2")] },
    ]);
    assert.deepEqual(new Set(outcomes), new Set(["applied"]));
    assert.deepEqual(await store.listParts("u", "a"), [aPart(2, "of a2"), aPart(5, "of a2")]);
    assert.deepEqual(await store.listParts("u", "b"), []);
    assert.deepEqual(await listAll(store, { limit: 10 }), [last, freed]);
    assert.deepEqual(await listAll(store, { limit: 10, withTransfer: true }), [last]);
  },

  "of one part number twice in a change the later one counts": async ({ store }) => {
    const begun = aFile("a", { transfer: aTransfer("t") });
    await seed(store, [begun]);
    await write(store, begun, changed(begun), [aPart(1, "first"), aPart(2), aPart(1, "second")]);
    assert.deepEqual(await store.listParts("u", "a"), [aPart(1, "second"), aPart(2)]);
  },

  "one batch keeps apart what it writes to several uploads": async ({ store }) => {
    await seed(store, []);
    await store.insertUpload(anUpload("v"));
    const ours = aFile("same", { transfer: aTransfer("t") });
    const theirs = aFile("same", { uploadId: "v", size: 3, transfer: aTransfer("t") });
    await insert(store, [ours, theirs]);
    const held = reduceFile(theirs, { type: "claim", owner: "o" }, NOW);
    const outcomes = await store.commit([
      { before: changed(ours), after: changed(changed(ours)), parts: [aPart(1, "lost")] },
      { before: theirs, after: held, parts: [aPart(1, "theirs")] },
      added(aFile("new", { uploadId: "v", size: 4 })),
      { before: ours, after: changed(ours, { size: 5 }), parts: [aPart(2, "ours")] },
    ]);
    assert.deepEqual(outcomes, ["conflict", "applied", "applied", "applied"]);
    assert.deepEqual(await store.listParts("u", "same"), [aPart(2, "ours")]);
    assert.deepEqual(await store.listParts("v", "same"), [aPart(1, "theirs")]);
    const [first, second] = [await store.counters("u"), await store.counters("v")];
    assert.deepEqual([first.PENDING, first.IN_PROGRESS.files], [{ files: 1, bytes: 5 }, 0]);
    assert.deepEqual(
      [second.PENDING, second.IN_PROGRESS],
      [
        { files: 1, bytes: 4 },
        { files: 1, bytes: 3 },
      ],
    );
  },
};
