import Database from "better-sqlite3";
import type { Meter } from "./meter.ts";
import { claimed, newRow, uploaded } from "./rows.ts";
import { CLAIM_BATCH, COMMIT_BATCH, expectRow, expectRows, PAGE, type Subject } from "./workload.ts";

const SCHEMA = `
  CREATE TABLE files (
    upload INTEGER NOT NULL, path TEXT NOT NULL, state TEXT NOT NULL, revision INTEGER NOT NULL, key TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ms INTEGER NOT NULL, fingerprint TEXT NOT NULL, owner TEXT, etag TEXT, checksum TEXT,
    uploaded_at INTEGER, PRIMARY KEY (upload, path)
  ) STRICT, WITHOUT ROWID`;
const UPLOAD = 1;

/**
 * The least that SQLite can be asked to do for the same rows: one prepared statement per row in transactions of the same
 * size, synced alike. No second index, no counters, no compare and set, no record on the way back; claims know the paths.
 */
export function bareSqlite(path: string): Subject {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma("cache_size = -16384");
  db.exec(SCHEMA);
  return {
    run: {
      insert: (rows, meter) => insert(db, rows, meter),
      "claim+complete": (rows, meter) => claimAndComplete(db, rows, meter),
      rescan: (rows, meter) => rescan(db, rows, meter),
    },
    close: async () => {
      db.close();
    },
  };
}

type Bound = string | number | null;

/** Runs `sql` once for each list of parameters, `size` of them in a transaction. */
async function runBatches(
  db: Database.Database,
  sql: string,
  size: number,
  parameters: readonly Bound[][],
  meter: Meter,
): Promise<void> {
  const statement = db.prepare<Bound[]>(sql);
  const transaction = db.transaction((batch: readonly Bound[][]) => {
    for (const each of batch) statement.run(...each);
  }).immediate;
  for (let start = 0; start < parameters.length; start += size) {
    await meter.time(() => transaction(parameters.slice(start, start + size)));
  }
}

const indexes = (start: number, rows: number) =>
  Array.from({ length: Math.min(COMMIT_BATCH, rows - start) }, (_, offset) => start + offset);

async function insert(db: Database.Database, rows: number, meter: Meter): Promise<void> {
  const sql = `INSERT INTO files (upload, path, state, revision, key, size, mtime_ms, fingerprint)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
  for (let start = 0; start < rows; start += COMMIT_BATCH) {
    const batch = indexes(start, rows).map((index) => {
      const { path, state, revision, key, size, mtimeNs, fingerprint } = newRow(index);
      return [UPLOAD, path, state, revision, key, size, Number(mtimeNs / 1_000_000n), fingerprint];
    });
    await runBatches(db, sql, COMMIT_BATCH, batch, meter);
  }
}

async function claimAndComplete(db: Database.Database, rows: number, meter: Meter): Promise<void> {
  const claim = "UPDATE files SET state = ?, revision = ?, owner = ? WHERE upload = ? AND path = ?";
  const complete = `UPDATE files SET state = ?, revision = ?, owner = NULL, etag = ?, checksum = ?, uploaded_at = ?
    WHERE upload = ? AND path = ?`;
  for (let start = 0; start < rows; start += COMMIT_BATCH) {
    const held = indexes(start, rows).map((index) => claimed(newRow(index), "bench"));
    const claims = held.map(({ state, revision, owner, path }) => [state, revision, owner, UPLOAD, path]);
    await runBatches(db, claim, CLAIM_BATCH, claims, meter);
    const completed = held.map((file) => {
      const { state, revision, evidence, path } = uploaded(file);
      const { etag = null, checksum = null, uploadedAt = null } = evidence ?? {};
      return [state, revision, etag, checksum, uploadedAt, UPLOAD, path];
    });
    await runBatches(db, complete, COMMIT_BATCH, completed, meter);
  }
}

async function rescan(db: Database.Database, rows: number, meter: Meter): Promise<void> {
  const sql = "SELECT * FROM files WHERE upload = ? AND path > ? ORDER BY path LIMIT ?";
  const select = db.prepare<Bound[], { path: string; fingerprint: string }>(sql);
  let index = 0;
  for (let after = ""; ; ) {
    const page = await meter.time(() => select.all(UPLOAD, after, PAGE));
    for (const { path, fingerprint } of page) expectRow(index++, path, fingerprint);
    after = page.at(-1)?.path ?? after;
    if (page.length < PAGE) break;
  }
  expectRows(index, rows);
}
