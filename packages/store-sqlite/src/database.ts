import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { StateStoreError } from "@bucketline/core";
import type BetterSqlite3 from "better-sqlite3";
import { inspect, migrate } from "./migrate.ts";
import { hasJournal, prepareFile } from "./path.ts";
import { stateError } from "./state-error.ts";

export const MEMORY = ":memory:";

/** better-sqlite3 13 is built against Node-API 10 and crashes the process on a Node without it (WiseLibs/better-sqlite3#1514). */
const NODE_API = 10;
/** Databases up to this many bytes are read through at every opening, which takes some 50 ms. */
const CHECKED_SIZE = 16 * 2 ** 20;
const CACHE_KIB = 16 * 1024;
const LOG_LIMIT = 64 * 2 ** 20;

/**
 * Opens, creates or migrates the database, as two processes may do at once.
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · `STATE_NOT_WRITABLE` · `STATE_BUSY` · `STATE_FULL`
 */
export async function openDatabase(path: string, busyTimeoutMs: number): Promise<BetterSqlite3.Database> {
  const Driver = await loadDriver();
  const deadline = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      return openOnce(Driver, path, busyTimeoutMs);
    } catch (error) {
      const known = stateError(error, path);
      // Switching to the write-ahead log does not wait for another process that does the same.
      const isBusy = known instanceof StateStoreError && known.code === "STATE_BUSY";
      if (!isBusy || performance.now() >= deadline) throw known;
      await sleep(20);
    }
  }
}

/** @throws StateStoreError `STATE_NOT_WRITABLE` when this Node cannot load the driver */
export async function loadDriver(nodeApi = Number(process.versions.napi)): Promise<typeof BetterSqlite3> {
  if (nodeApi < NODE_API) {
    const message = `The SQLite state store needs Node.js 22.18 or newer; this is ${process.version}. Upgrade Node.js.`;
    throw new StateStoreError("STATE_NOT_WRITABLE", message);
  }
  return (await import("better-sqlite3")).default;
}

function openOnce(Driver: typeof BetterSqlite3, path: string, timeout: number): BetterSqlite3.Database {
  if (path === MEMORY) return configured(new Driver(MEMORY), path);
  const real = prepareFile(path, (draft) => {
    configured(new Driver(draft, { timeout, fileMustExist: true }), path).close();
  });
  if (!hasJournal(real)) probe(Driver, real, timeout);
  return configured(new Driver(real, { timeout, fileMustExist: true }), real);
}

/** Looks through a read-only connection first: closing a writing one would move the log into a file that is refused. */
function probe(Driver: typeof BetterSqlite3, path: string, timeout: number): void {
  const db = new Driver(path, { readonly: true, fileMustExist: true, timeout });
  try {
    inspect(db, path);
    if (statSync(path).size > CHECKED_SIZE) return;
    const verdict = db.pragma("quick_check(1)", { simple: true });
    if (verdict === "ok") return;
    throw new StateStoreError(
      "STATE_CORRUPT",
      `${path} is damaged and was left as it is; restore it from a backup (${verdict}).`,
    );
  } finally {
    db.close();
  }
}

function configured(db: BetterSqlite3.Database, path: string): BetterSqlite3.Database {
  try {
    // FULL syncs the log at every commit; better-sqlite3's default for it is NORMAL, which may lose the last ones.
    db.pragma("synchronous = FULL");
    // macOS: fsync alone does not reach the disk.
    db.pragma("fullfsync = ON");
    db.pragma("checkpoint_fullfsync = ON");
    db.pragma(`cache_size = -${CACHE_KIB}`);
    db.pragma(`journal_size_limit = ${LOG_LIMIT}`);
    inspect(db, path);
    migrate(db, path);
    // SQLite opens a file for reading only when it may not write it, and says so at the first write.
    db.exec("BEGIN IMMEDIATE; ROLLBACK");
    const mode = db.pragma("journal_mode = WAL", { simple: true });
    if (mode === "wal" || path === MEMORY) return db;
    const message = `The file system of ${path} has no shared memory, which SQLite's write-ahead log needs. Use a local disk.`;
    throw new StateStoreError("STATE_NOT_WRITABLE", message);
  } catch (error) {
    db.close();
    throw error;
  }
}
