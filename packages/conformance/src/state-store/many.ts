import assert from "node:assert/strict";
import { comparePaths, type FileRecord, type StateStore } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import { added, aFile, aPart, aTransfer, claim, insert, listAll, NOW, paths, seed } from "./records.ts";

const BATCH = 5_000;
const ROWS = 100_000;
const AT_ONCE = 1_000;
/** The rows from here are due first, and a few are FAILED: what is asked for lies in the middle. */
const MIDDLE = 50_000;
const DUE = 300;
/** Of so many rows one is compared in every field, all of them by path. */
const SAMPLED = 33;

const PENDING_AT = NOW + 1_000;

/** Row `n`; 0 … 99,999 are in path order. */
function row(n: number): FileRecord {
  const folder = String(Math.floor(n / 1_000)).padStart(3, "0");
  const isMiddle = n >= MIDDLE && n < MIDDLE + DUE;
  const isFailed = n % 10_000 === 9_999;
  return aFile(`${folder}/${String(n).padStart(6, "0")}.jpg`, {
    size: n,
    nextAttemptAt: isMiddle ? NOW : PENDING_AT,
    ...(isFailed ? { state: "FAILED" } : {}),
  });
}

const sum = (from: number, to: number) => ((from + to - 1) * (to - from)) / 2;

async function fill(store: StateStore): Promise<void> {
  await seed(store, []);
  // From the end to the beginning: rows do not arrive in path order.
  for (let end = ROWS; end > 0; end -= AT_ONCE) {
    await insert(
      store,
      Array.from({ length: AT_ONCE }, (_, n) => row(end - AT_ONCE + n)),
    );
  }
}

/** Every row, page by page, each where it belongs. */
async function checkRows(store: StateStore, expected: (n: number) => FileRecord): Promise<void> {
  let n = 0;
  for (let after: string | undefined; n < ROWS; ) {
    const page = await store.listFiles("u", { limit: AT_ONCE, after });
    assert.equal(page.length, Math.min(AT_ONCE, ROWS - n), `a full page after ${after}`);
    const wanted = page.map((_, index) => expected(n + index));
    assert.deepEqual(paths(page), paths(wanted));
    for (let index = 0; index < page.length; index += SAMPLED) assert.deepEqual(page[index], wanted[index]);
    n += page.length;
    after = page.at(-1)?.path;
  }
  assert.deepEqual(await store.listFiles("u", { limit: AT_ONCE, after: expected(ROWS - 1).path }), []);
}

export const manyCases: StateStoreCases = {
  "a batch may hold thousands of changes": async ({ store }) => {
    await seed(store, []);
    const files = Array.from({ length: BATCH }, (_, n) => aFile(`${n}`, { size: n, transfer: aTransfer(`t${n}`) }));
    assert.deepEqual(new Set(await store.commit(files.map(added))), new Set(["applied"]));
    const isStale = (n: number) => n % 7 === 0;
    const changes = files.map((file, n) => {
      const before = isStale(n) ? { ...file, revision: 9 } : file;
      const after: FileRecord = { ...before, revision: before.revision + 1, state: "FAILED", size: n + 1 };
      return { before, after, parts: [aPart(1), aPart(2)] };
    });
    const outcomes = await store.commit(changes);
    assert.deepEqual(
      outcomes,
      files.map((_, n) => (isStale(n) ? "conflict" : "applied")),
    );
    const stale = files.filter((_, n) => isStale(n));
    const bytes = stale.reduce((total, file) => total + file.size, 0);
    const { PENDING, FAILED } = await store.counters("u");
    assert.deepEqual(PENDING, { files: stale.length, bytes });
    assert.deepEqual(FAILED, { files: BATCH - stale.length, bytes: sum(1, BATCH + 1) - bytes - stale.length });
    const expected = changes.map(({ after }, n) => (isStale(n) ? (files[n] as FileRecord) : after));
    expected.sort((a, b) => comparePaths(a.path, b.path));
    assert.deepEqual(await listAll(store, { limit: 1_000 }), expected);
    assert.deepEqual(await store.listParts("u", "4999"), [aPart(1), aPart(2)]);
    assert.deepEqual(await store.listParts("u", "4998"), []);
  },

  "100,000 rows are listed in order, counted, found, claimed from the middle, and there after a restart": async ({
    store,
    reopen,
  }) => {
    await fill(store);
    const failed = Array.from({ length: 10 }, (_, n) => row(n * 10_000 + 9_999));
    const failedBytes = failed.reduce((total, { size }) => total + size, 0);
    const { PENDING, FAILED } = await store.counters("u");
    assert.deepEqual(FAILED, { files: 10, bytes: failedBytes });
    assert.deepEqual(PENDING, { files: ROWS - 10, bytes: sum(0, ROWS) - failedBytes });
    await checkRows(store, row);
    assert.deepEqual(await listAll(store, { limit: 100, states: ["FAILED"] }), failed);
    assert.deepEqual(await store.findFileByKey("u", row(77_777).key), row(77_777));
    assert.equal(await store.nextDue("u"), NOW);
    const claimed = await claim(store, "o", DUE + 100, NOW);
    assert.deepEqual(
      paths(claimed),
      Array.from({ length: DUE }, (_, n) => row(MIDDLE + n).path),
    );
    assert.equal(await store.nextDue("u"), PENDING_AT);
    const again = await reopen();
    const held = new Map(claimed.map((file) => [file.path, file]));
    await checkRows(again, (n) => held.get(row(n).path) ?? row(n));
    const counted = await again.counters("u");
    assert.deepEqual(counted.IN_PROGRESS, { files: DUE, bytes: sum(MIDDLE, MIDDLE + DUE) });
    assert.equal(counted.PENDING.files, ROWS - DUE - 10);
    assert.equal(await again.nextDue("u"), PENDING_AT);
    assert.deepEqual(paths(await claim(again, "o", 2, PENDING_AT)), [row(0).path, row(1).path]);
  },
};
