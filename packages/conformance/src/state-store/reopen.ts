import assert from "node:assert/strict";
import { reduceUpload, type StateStore, type UploadRecord } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import {
  aFile,
  aNotice,
  anUpload,
  aPart,
  aTransfer,
  claim,
  FAR,
  listAll,
  NOW,
  paths,
  release,
  seed,
  take,
  write,
} from "./records.ts";

const CLOSED = { code: "STATE_CLOSED", name: "StateStoreError" } as const;

/** One call of every method but open and close. */
const CALLS: Readonly<Record<string, (store: StateStore) => Promise<unknown>>> = {
  insertUpload: (store) => store.insertUpload(anUpload("late")),
  getUpload: (store) => store.getUpload("u"),
  listUploads: (store) => store.listUploads({ limit: 1 }),
  updateUpload: (store) => store.updateUpload(anUpload("u"), { ...anUpload("u"), revision: 2 }),
  getFile: (store) => store.getFile("u", "a"),
  listFiles: (store) => store.listFiles("u", { limit: 1 }),
  findFileByKey: (store) => store.findFileByKey("u", "u/a"),
  listParts: (store) => store.listParts("u", "a"),
  counters: (store) => store.counters("u"),
  commit: (store) => store.commit([]),
  claim: (store) =>
    store.claim({ uploadId: "u", uploadState: "IN_PROGRESS", limit: 1, now: NOW, horizon: FAR, take: take("o") }),
  nextDue: (store) => store.nextDue("u"),
  heartbeat: (store) => store.heartbeat("o", 1),
  rescue: (store) => store.rescue({ limit: 1, release }),
  retire: (store) => store.retire("o"),
  isAlive: (store) => store.isAlive("o"),
  getNotice: (store) => store.getNotice("n"),
  listNotices: (store) => store.listNotices({ limit: 1 }),
  dueNotices: (store) => store.dueNotices({ subscriber: "s", dueBy: NOW, horizon: FAR, limit: 1 }),
  nextNotice: (store) => store.nextNotice("s"),
  updateNotice: (store) => store.updateNotice(aNotice("n"), null),
};

export const reopenCases: StateStoreCases = {
  "everything is there again after a restart": async ({ store, reopen }) => {
    const files = [aFile("a", { nextAttemptAt: NOW + 5 }), aFile("b"), aFile("c"), aFile("\u{1f5fb}")];
    await seed(store, files);
    const bound: UploadRecord = { ...anUpload("v"), spec: { ...anUpload("v").spec, host: "host 1" }, scanner: "s" };
    await store.insertUpload(bound);
    const paused = reduceUpload(bound, { type: "pause" }, NOW);
    await store.updateUpload(bound, paused);
    const [held] = await claim(store, "o", 1);
    assert.ok(held);
    const begun = await write(store, held, { ...held, revision: held.revision + 1, transfer: aTransfer("t") }, [
      aPart(1),
    ]);
    const counted = await store.counters("u");
    const again = await reopen();
    assert.deepEqual(await again.getUpload("v"), paused);
    assert.deepEqual(
      (await again.listUploads({ limit: 10 })).map((upload) => upload.id),
      ["u", "v"],
    );
    assert.deepEqual(await listAll(again, { limit: 10 }), [files[0], begun, files[2], files[3]]);
    assert.deepEqual(await again.listParts("u", "b"), [aPart(1)]);
    assert.deepEqual(await again.counters("u"), counted);
    assert.deepEqual((await again.findFileByKey("u", "u/c"))?.path, "c");
    assert.equal(await again.nextDue("u"), 0);
    assert.deepEqual(paths(await claim(again, "p", 10)), ["c", "\u{1f5fb}"]);
  },

  "compare and set goes on across a restart": async ({ store, reopen }) => {
    const first = aFile("a");
    await seed(store, [first]);
    const second = await write(store, first, { ...first, revision: 2, size: 20 });
    const again = await reopen();
    assert.deepEqual(await again.commit([{ before: first, after: { ...first, revision: 2 } }]), ["conflict"]);
    await write(again, second, { ...second, revision: 3, size: 30 });
    assert.equal(await again.insertUpload(anUpload("u")), false);
    assert.deepEqual((await again.counters("u")).PENDING, { files: 1, bytes: 30 });
  },

  "what a retired owner held is rescued after a restart": async ({ store, reopen }) => {
    await seed(store, [aFile("a")]);
    await store.heartbeat("o", 3_600_000);
    await claim(store, "o", 1);
    await store.retire("o");
    const again = await reopen();
    assert.deepEqual(paths(await again.rescue({ limit: 10, release })), ["a"]);
    assert.equal(await again.isAlive("o"), false);
    assert.equal(await again.isAlive("never seen"), false);
  },

  "opening an open store does nothing, and so does closing a closed one": async ({ store }) => {
    await seed(store, [aFile("a")]);
    await store.open();
    assert.equal((await store.counters("u")).PENDING.files, 1);
    await store.close();
    await store.close();
    await assert.rejects(store.getUpload("u"), CLOSED);
  },

  "every method of a closed store throws STATE_CLOSED": async ({ store }) => {
    await seed(store, [aFile("a")]);
    await store.close();
    for (const [name, call] of Object.entries(CALLS)) await assert.rejects(call(store), CLOSED, name);
  },

  "a closed store may be opened again": async ({ store, reopen }) => {
    const again = await reopen();
    await seed(again, [aFile("a")]);
    await again.close();
    await again.open();
    assert.equal((await again.getUpload("u"))?.id, "u");
    if (again !== store) await assert.rejects(store.getUpload("u"), CLOSED);
  },
};
