import { join } from "node:path";
import { type FileRecord, type HistoryEntry, type Notice, newNotice } from "@bucketline/core";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { migrate } from "../src/migrate.ts";
import { MIGRATIONS } from "../src/migrations/index.ts";
import { aFile, everyFile, fill, NOW, opened, testFolder } from "./folder.ts";

const HISTORY: readonly HistoryEntry[] = [
  { at: NOW, what: "retry", attempt: 1, reason: { code: "INTEGRITY", message: "caf\u00e9 \ud800 \0 \u{1f5fb}" } },
  { at: NOW + 1, what: "changed", attempt: 0, reason: null },
];

function aNotice(id: string, overrides: Partial<Notice> = {}): Notice {
  const payload = { uploadId: "u", state: "COMPLETED", reason: null } as const;
  return { ...newNotice({ id, subscriber: "s", event: "upload:completed", payload }, NOW), ...overrides };
}

function connect(path: string): Database.Database {
  const db = new Database(path);
  onTestFinished(() => void db.close());
  return db;
}

test("a database of the version before notices keeps its rows, and takes histories and notices", async () => {
  const path = join(testFolder(), "older.db");
  const db = connect(path);
  migrate(db, path, MIGRATIONS.slice(0, 4));
  // Statements of that version.
  db.exec(`
    INSERT INTO uploads (seq, id, state, revision, cleanup_due, created_at, updated_at, spec, scanner)
      VALUES (1, 'u', 1, 2, 0, 5, 5, '{}', 'host-1');
    INSERT INTO files (upload, path, state, revision, key, size, mtime_s, mtime_ns, fingerprint, attempts,
        next_attempt_at, fence, created_at, updated_at, unstable_since)
      VALUES (1, 'a', 0, 1, 'u/a', 100, ${NOW / 1_000}, 0, '1:2:100:a', 0, 0, 0, ${NOW}, ${NOW}, 7);
    INSERT INTO counters VALUES (1, 0, 1, 100);
  `);
  db.close();
  const store = await opened(path);
  const before = aFile("a", { unstableSince: 7 });
  expect(await everyFile(store)).toEqual([before]);
  expect(await store.getUpload("u")).toMatchObject({ state: "IN_PROGRESS", revision: 2, scanner: "host-1" });
  expect(await store.listNotices({ limit: 10 })).toEqual([]);
  const after: FileRecord = { ...before, revision: 2, history: HISTORY };
  expect(await store.commit([{ before, after, notices: [aNotice("n")] }])).toEqual(["applied"]);
  await store.close();
  const again = await opened(path);
  expect(await again.getFile("u", "a")).toEqual(after);
  expect(await again.listNotices({ limit: 10 })).toEqual([aNotice("n")]);
});

test("a file to which nothing has happened has no history on disk", async () => {
  const path = join(testFolder(), "uploads.db");
  const store = await opened(path);
  await fill(store, 1);
  await store.commit([{ before: null, after: aFile("b", { history: HISTORY }) }]);
  const stored = connect(path).prepare("SELECT path, history FROM files").raw().all();
  expect(stored).toEqual([
    ["0000", null],
    ["b", JSON.stringify(HISTORY)],
  ]);
});

test("what undoes a commit undoes its notices", async () => {
  const store = await opened(":memory:");
  const [file] = await fill(store, 1);
  if (!file) throw new Error("no file");
  const changes = [
    { before: file, after: { ...file, revision: 2 }, notices: [aNotice("n")] },
    { before: null, after: aFile("x", { uploadId: "nobody's" }), notices: [aNotice("m")] },
  ];
  await expect(store.commit(changes)).rejects.toMatchObject({ code: "UPLOAD_NOT_FOUND" });
  expect(await store.listNotices({ limit: 10 })).toEqual([]);
  expect(await everyFile(store)).toEqual([file]);
});

test("a notice in a state that does not exist is refused, and never due", async () => {
  const path = join(testFolder(), "uploads.db");
  const store = await opened(path);
  const [file] = await fill(store, 1);
  if (!file) throw new Error("no file");
  await store.commit([{ before: file, after: { ...file, revision: 2 }, notices: [aNotice("n")] }]);
  connect(path).exec("UPDATE notices SET state = 7");
  await expect(store.getNotice("n")).rejects.toThrow("a state numbered 7");
  expect(await store.dueNotices({ subscriber: "s", dueBy: NOW, horizon: Number.MAX_SAFE_INTEGER, limit: 10 })).toEqual(
    [],
  );
});
