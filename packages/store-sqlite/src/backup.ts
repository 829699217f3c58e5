import { randomBytes } from "node:crypto";
import { link, lstat, open, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { InputError, StateStoreError } from "@bucketline/core";
import type { Database } from "better-sqlite3";
import { loadDriver, MEMORY } from "./database.ts";
import { stateError } from "./state-error.ts";

/** Pages copied in one turn of the event loop: half a megabyte, some milliseconds. */
const PAGES_PER_TURN = 128;

/**
 * Copies the ledger as it stands at this moment into a new file, while it is in use. The file appears whole, synced to
 * the disk, or not at all.
 * @param source path of the database, and the handle of one in memory
 * @throws InputError `INVALID_OPTION` · StateStoreError `STATE_NOT_WRITABLE`, also when there is a file at `target`;
 *   `STATE_FULL` · `STATE_BUSY` · `STATE_CORRUPT`
 */
export async function backUp(source: { readonly path: string; readonly db: Database }, target: string): Promise<void> {
  if (typeof target !== "string" || target === "" || target.includes("\0") || target !== target.trimEnd())
    throw new InputError("INVALID_OPTION", "path: name a new file for the backup. No white space at its end.");
  const path = resolve(target);
  const draft = join(dirname(path), `.bucketline-${randomBytes(6).toString("hex")}`);
  try {
    await refuseExisting(path);
    await (await open(draft, "wx", 0o600)).close();
    if (source.path === MEMORY) await copy(source.db, draft);
    else await copySnapshot(source.path, draft);
    await sync(draft);
    await publish(draft, path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw backupError(error, source.path, path);
  } finally {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) await rm(draft + suffix, { force: true });
  }
}

/**
 * A connection of its own whose read transaction stays open holds one state of the ledger still. Without it, SQLite
 * begins the copy anew whenever another connection writes (sqlite.org/c3ref/backup_finish.html), and may never end.
 */
async function copySnapshot(path: string, draft: string): Promise<void> {
  const Driver = await loadDriver();
  const db = new Driver(path, { readonly: true, fileMustExist: true });
  try {
    db.exec("BEGIN");
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    await copy(db, draft);
  } finally {
    db.close();
  }
}

async function copy(db: Database, draft: string): Promise<void> {
  await db.backup(draft, { progress: () => PAGES_PER_TURN });
}

async function refuseExisting(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  if (found) throw exists(path);
}

/** Never replaces what somebody else has put there meanwhile, where the file system has hard links. */
async function publish(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "EEXIST") throw exists(path);
    if (!["EPERM", "ENOTSUP", "ENOSYS", "EMLINK"].includes(code)) throw error;
    await refuseExisting(path);
    await rename(draft, path);
  }
}

function exists(path: string): StateStoreError {
  return new StateStoreError("STATE_NOT_WRITABLE", `There is something at ${path} already. Name a new file.`);
}

async function sync(path: string, flags = "r+"): Promise<void> {
  const file = await open(path, flags);
  await file.sync().finally(() => file.close());
}

/** So that the new entry survives a power cut. Windows cannot open folders, and does not need to. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform !== "win32") await sync(folder, "r");
}

function backupError(error: unknown, source: string, target: string): unknown {
  const known = stateError(error, target);
  if (!(known instanceof StateStoreError) || known === error) return known;
  const cause = error instanceof Error ? error.message : String(error);
  return new StateStoreError(known.code, `The backup of ${source} to ${target} was not made (${cause}).`, {
    cause: error,
  });
}
