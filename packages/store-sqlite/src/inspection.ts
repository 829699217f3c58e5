import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { StateStoreError, type UploadRecord } from "@bucketline/core";
import type { Database } from "better-sqlite3";
import { loadDriver } from "./database.ts";
import { inspect } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import { hasJournal } from "./path.ts";
import { type Bound, decodeUpload, type UploadRow } from "./rows.ts";
import { stateError } from "./state-error.ts";
import { listUploadsSql } from "./statements.ts";

/** What a ledger holds, read without opening it as a store. */
export interface LedgerInspection {
  /** Of the tables, as they are. */
  readonly version: number;
  /** What opening the ledger brings them to. */
  readonly latestVersion: number;
  /** In order of registration; undefined while the tables are older than the latest version. */
  readonly uploads: readonly UploadRecord[] | undefined;
}

/**
 * Looks at a ledger that is there, which others may have open. Changes nothing in it: neither its tables nor its journal
 * mode.
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · `STATE_NOT_WRITABLE` · `STATE_BUSY`
 */
export async function inspectLedger(path: string): Promise<LedgerInspection> {
  const file = resolve(path);
  const Driver = await loadDriver();
  if (hasJournal(file)) {
    const message = `${path} has a transaction that was cut short. It is rolled back when the ledger is opened.`;
    throw new StateStoreError("STATE_BUSY", message);
  }
  let db: Database | undefined;
  try {
    // A connection that may not write leaves an empty log behind where there was none; one that may takes it along.
    db = new Driver(file, { readonly: existsSync(`${file}-wal`), fileMustExist: true, timeout: 2_000 });
    db.pragma("query_only = ON");
    inspect(db, path);
    const version = db.pragma("user_version", { simple: true }) as number;
    const latestVersion = MIGRATIONS.length;
    return { version, latestVersion, uploads: version === latestVersion ? uploadsOf(db) : undefined };
  } catch (error) {
    throw stateError(error, path);
  } finally {
    db?.close();
  }
}

function uploadsOf(db: Database): UploadRecord[] {
  const limit = Number.MAX_SAFE_INTEGER;
  return db.prepare<Bound[], UploadRow>(listUploadsSql({})).raw().all(limit).map(decodeUpload);
}
