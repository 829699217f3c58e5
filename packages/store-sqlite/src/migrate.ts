import { StateStoreError } from "@bucketline/core";
import type { Database } from "better-sqlite3";
import { MIGRATIONS } from "./migrations/index.ts";

/** "BKLN": marks a database file as ours (sqlite.org/fileformat2.html, 1.3.15). */
const APPLICATION_ID = 0x424b4c4e;

/**
 * Checks whose the database is and whether this version can read it. Reads only.
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER`
 */
export function inspect(db: Database, path: string, latest = MIGRATIONS.length): void {
  const version = versionOf(db);
  const objects = db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get() as number;
  const isOurs = db.pragma("application_id", { simple: true }) === APPLICATION_ID;
  if (!isOurs && (version !== 0 || objects !== 0)) {
    throw new StateStoreError("STATE_CORRUPT", `${path} is a database of another application, and was left as it is.`);
  }
  if (isOurs && version === 0)
    throw new StateStoreError("STATE_CORRUPT", `${path} has lost its version, and was left as it is.`);
  if (version > latest) {
    const message = `${path} has version ${version}, this Bucketline knows versions up to ${latest}. Upgrade Bucketline.`;
    throw new StateStoreError("STATE_NEWER", message);
  }
}

/** Creates the tables, or brings them to the latest version: wholly, or not at all. */
export function migrate(db: Database, path: string, migrations: readonly string[] = MIGRATIONS): void {
  if (versionOf(db) === migrations.length) return;
  const run = db.transaction(() => {
    // Again, under the lock: another process may have been first.
    inspect(db, path, migrations.length);
    for (const migration of migrations.slice(versionOf(db))) db.exec(migration);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${migrations.length}`);
  });
  run.exclusive();
}

function versionOf(db: Database): number {
  return db.pragma("user_version", { simple: true }) as number;
}
