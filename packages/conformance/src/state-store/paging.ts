import assert from "node:assert/strict";
import { FILE_STATES, type FileRecord } from "@bucketline/core";
import type { StateStoreCases } from "./harness.ts";
import { aFile, aTransfer, listAll, NOW, paths, randomFrom, seed } from "./records.ts";

const ODD_PATHS = [
  ...["a", "A", "a/b", "a b", "a.b", "a-b", "a\u0000b", "a\nb", "b", "é", "e\u0301", "ß", "zz"],
  ...["\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{fffd}", "\u{ffff}"],
  ...["\u{10000}", "\u{1f5fb}", "\u{1f5fb}/a", "\u{10ffff}", "x\u{10000}", "x\u{ffff}"],
];

const utf8Order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** 120 files in every state, some with a transfer, some due. */
function mixture(): FileRecord[] {
  const random = randomFrom(7);
  return Array.from({ length: 120 }, (_, n) => {
    const state = FILE_STATES[Math.floor(random() * FILE_STATES.length)] ?? "PENDING";
    const nextAttemptAt = NOW + Math.floor(random() * 10);
    const transfer = random() < 0.3 ? aTransfer(`t${n}`) : null;
    return aFile(`${String(n % 12).padStart(2, "0")}/${n}`, { state, nextAttemptAt, transfer });
  }).sort((a, b) => utf8Order(a.path, b.path));
}

export const pagingCases: StateStoreCases = {
  "files come in the order of their UTF-8 bytes": async ({ store }) => {
    await seed(
      store,
      ODD_PATHS.map((path) => aFile(path)),
    );
    const sorted = [...ODD_PATHS].sort(utf8Order);
    assert.deepEqual(paths(await store.listFiles("u", { limit: 100 })), sorted);
    assert.deepEqual(paths(await listAll(store, { limit: 1 })), sorted);
    for (const [index, path] of sorted.entries()) {
      const page = await store.listFiles("u", { limit: 100, after: path });
      assert.deepEqual(paths(page), sorted.slice(index + 1), `after ${JSON.stringify(path)}`);
    }
  },

  "a page may start after a path that is not there": async ({ store }) => {
    await seed(
      store,
      ["a", "c"].map((path) => aFile(path)),
    );
    assert.deepEqual(paths(await store.listFiles("u", { limit: 10, after: "b" })), ["c"]);
    assert.deepEqual(paths(await store.listFiles("u", { limit: 10, after: "\u{10ffff}" })), []);
    assert.deepEqual(await store.listFiles("u", { limit: 0 }), []);
  },

  "files added meanwhile stand where they belong": async ({ store }) => {
    await seed(
      store,
      ["a", "d"].map((path) => aFile(path)),
    );
    assert.deepEqual(paths(await store.listFiles("u", { limit: 1 })), ["a"]);
    await store.commit([{ before: null, after: aFile("b") }]);
    assert.deepEqual(paths(await store.listFiles("u", { limit: 10, after: "a" })), ["b", "d"]);
  },

  "filters choose by states, transfer and due time, alone and together": async ({ store }) => {
    const files = mixture();
    await seed(store, files);
    for (const states of [
      undefined,
      [],
      ["FAILED"],
      ["PENDING", "UPLOADED"],
      ["REMOVED", "SKIPPED", "IN_PROGRESS"],
      FILE_STATES,
    ] as const) {
      for (const withTransfer of [undefined, false, true]) {
        for (const dueBy of [undefined, NOW - 1, NOW + 4]) {
          const expected = files
            .filter((file) => states === undefined || (states as readonly string[]).includes(file.state))
            .filter((file) => !withTransfer || file.transfer !== null)
            .filter((file) => dueBy === undefined || file.nextAttemptAt <= dueBy);
          const page = { limit: 7, states, withTransfer, dueBy };
          assert.deepEqual(await listAll(store, page), expected, JSON.stringify(page));
        }
      }
    }
  },

  "a filtered listing follows a file from state to state": async ({ store }) => {
    const file = aFile("a", { transfer: aTransfer("t") });
    await seed(store, [file, aFile("b")]);
    const failed: FileRecord = { ...file, state: "FAILED", revision: 2, transfer: null };
    await store.commit([{ before: file, after: failed }]);
    assert.deepEqual(await store.listFiles("u", { limit: 10, states: ["FAILED"] }), [failed]);
    assert.deepEqual(paths(await store.listFiles("u", { limit: 10, states: ["PENDING"] })), ["b"]);
    assert.deepEqual(await store.listFiles("u", { limit: 10, withTransfer: true }), []);
  },
};
