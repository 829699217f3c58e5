import assert from "node:assert/strict";
import {
  FILE_STATES,
  type FileRecord,
  type FinishedPart,
  type Notice,
  type StateStore,
  type UploadRecord,
} from "@bucketline/core";
import type { StateStoreHarness } from "./harness.ts";
import { aNotice, release } from "./records.ts";

/** A state that an earlier version of the store has written, opened by this one. */
export interface OlderState {
  readonly harness: StateStoreHarness;
  /** Every upload in it, as this version is to give it back, in order of registration. */
  readonly uploads: readonly UploadRecord[];
  /** Every file in it, in any order. */
  readonly files: readonly FileRecord[];
  /** Finished parts by upload id and path, where there are any. */
  readonly parts?: Readonly<Record<string, Readonly<Record<string, readonly FinishedPart[]>>>>;
  /** Every notice in it, in order of their ids. Default: none. */
  readonly notices?: readonly Notice[];
}

async function checkFiles(store: StateStore, uploadId: string, older: OlderState): Promise<void> {
  const files = older.files.filter((file) => file.uploadId === uploadId);
  files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  assert.deepEqual(await store.listFiles(uploadId, { limit: files.length + 1 }), files);
  const counted = await store.counters(uploadId);
  for (const state of FILE_STATES) {
    const own = files.filter((file) => file.state === state);
    const bytes = own.reduce((total, { size }) => total + size, 0);
    assert.deepEqual(counted[state], { files: own.length, bytes }, state);
    assert.deepEqual(await store.listFiles(uploadId, { limit: files.length + 1, states: [state] }), own);
  }
  for (const file of files) {
    const parts = older.parts?.[uploadId]?.[file.path] ?? [];
    assert.deepEqual(await store.listParts(uploadId, file.path), parts, file.path);
    if (file.key === "") continue;
    const found = await store.findFileByKey(uploadId, file.key);
    assert.equal(found?.key, file.key, file.path);
  }
  const due = files.filter((file) => file.state === "PENDING").map((file) => file.nextAttemptAt);
  assert.equal(await store.nextDue(uploadId), due.length === 0 ? undefined : Math.min(...due));
}

/** Everything is there, exactly; the store can go on with it, and what it writes stays. */
export async function checkOlder(older: OlderState): Promise<void> {
  const { store, reopen } = older.harness;
  assert.ok(older.uploads.length > 0 && older.files.length > 0, "an older state holds something");
  assert.deepEqual(await store.listUploads({ limit: older.uploads.length + 1 }), older.uploads);
  for (const upload of older.uploads) {
    assert.deepEqual(await store.getUpload(upload.id), upload);
    await checkFiles(store, upload.id, older);
  }
  const notices = older.notices ?? [];
  assert.deepEqual(await store.listNotices({ limit: notices.length + 1 }), notices);
  const changed = older.files.map((before) => ({ ...before, revision: before.revision + 1, size: before.size + 1 }));
  const added = aNotice("~ after all that were there");
  const changes = older.files.map((before, n) => ({ before, after: changed[n] as FileRecord, notices: [added] }));
  assert.deepEqual(new Set(await store.commit(changes)), new Set(["applied"]));
  const again = await reopen();
  assert.deepEqual(await again.listNotices({ limit: notices.length + 2 }), [...notices, added]);
  for (const { id } of older.uploads) await checkFiles(again, id, { ...older, files: changed });
  const held = changed.filter((file) => file.state === "IN_PROGRESS");
  const rescued = await again.rescue({ limit: held.length + 1, release });
  assert.equal(rescued.length, held.length, "what was in the hands of the dead is given back");
}
