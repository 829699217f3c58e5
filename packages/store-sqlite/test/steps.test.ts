import { join } from "node:path";
import type { Evidence, FileRecord, StepTrace } from "@bucketline/core";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { migrate } from "../src/migrate.ts";
import { MIGRATIONS } from "../src/migrations/index.ts";
import { aFile, everyFile, fill, NOW, opened, testFolder } from "./folder.ts";

const STEPS: readonly StepTrace[] = [
  {
    ...{ step: "gzip", startedAt: NOW, endedAt: NOW + 1, outcome: "transformed" },
    ...{ bytesIn: 100, bytesOut: 50, message: "caf\u00e9 \ud800 \0" },
  } as StepTrace,
];

function connect(path: string): Database.Database {
  const db = new Database(path);
  onTestFinished(() => void db.close());
  return db;
}

test("a database of the version before pipelines keeps its rows, and takes traces and evidence of transformed files", async () => {
  const path = join(testFolder(), "older.db");
  const db = connect(path);
  migrate(db, path, MIGRATIONS.slice(0, 5));
  // Statements of that version.
  db.exec(`
    INSERT INTO uploads (seq, id, state, revision, cleanup_due, created_at, updated_at, spec)
      VALUES (1, 'u', 1, 2, 0, 5, 5, '{}');
    INSERT INTO files (upload, path, state, revision, key, size, mtime_s, mtime_ns, fingerprint, attempts,
        next_attempt_at, fence, created_at, updated_at, unstable_since)
      VALUES (1, 'a', 0, 1, 'u/a', 100, ${NOW / 1_000}, 0, '1:2:100:a', 0, 0, 0, ${NOW}, ${NOW}, 7);
    INSERT INTO counters VALUES (1, 0, 1, 100);
  `);
  db.close();
  const store = await opened(path);
  const before = aFile("a", { unstableSince: 7 });
  expect(await everyFile(store)).toEqual([before]);
  const evidence: Evidence = {
    key: "u/a.gz",
    size: 50,
    etag: "e",
    versionId: null,
    checksum: "crc32:00000001",
    fingerprint: before.fingerprint,
    uploadedAt: NOW,
    sourceChecksum: "crc32:00000002",
  };
  const after: FileRecord = { ...before, revision: 2, steps: STEPS, evidence };
  expect(await store.commit([{ before, after }])).toEqual(["applied"]);
  await store.close();
  expect(await (await opened(path)).getFile("u", "a")).toEqual(after);
});

test("a file without a pipeline has nothing of it on disk", async () => {
  const path = join(testFolder(), "uploads.db");
  const store = await opened(path);
  await fill(store, 1);
  const stored = connect(path).prepare("SELECT steps, evidence_source FROM files").raw().all();
  expect(stored).toEqual([[null, null]]);
});
