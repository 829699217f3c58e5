import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { StateStoreError } from "@bucketline/core";

/**
 * Makes sure that there is a file at `path` that SQLite may open: one that is there, or a new, empty one (mode 0600, in
 * folders made with mode 0700). It opens no file that is there: closing it again would drop the locks that other
 * handles of this process have on it (sqlite.org/howtocorrupt.html, 2.2).
 * @returns the real path
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NOT_WRITABLE` · errors of the file system
 */
export function prepareFile(path: string): string {
  if (sizeOf(path) === undefined) create(path);
  const real = realpathSync(path);
  accessSync(real, constants.R_OK | constants.W_OK);
  accessSync(dirname(real), constants.W_OK);
  if (sizeOf(real) === 0) refuseStrayLog(real);
  return real;
}

/** Whether a transaction outside the write-ahead log was cut short: SQLite rolls it back when it opens the file. */
export function hasJournal(path: string): boolean {
  return (sizeOf(`${path}-journal`) ?? 0) > 0;
}

function create(path: string): void {
  refuseStrayLog(path);
  const firstNew = mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    // Another process was first.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const top = firstNew === undefined ? dirname(path) : dirname(firstNew);
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    syncFolder(folder);
    if (folder === top || folder === dirname(folder)) return;
  }
}

/** Beside a database that is empty or gone, its log may be all that is left; SQLite would delete it. */
function refuseStrayLog(path: string): void {
  if ((sizeOf(`${path}-wal`) ?? 0) === 0) return;
  throw new StateStoreError(
    "STATE_CORRUPT",
    `${path} is missing or empty, but its log ${path}-wal is not. Restore the database from a backup, or remove the log to begin anew.`,
  );
}

function sizeOf(path: string): number | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isFile())
    throw new StateStoreError("STATE_NOT_WRITABLE", `${path} is not a regular file. Name a file for the state store.`);
  return stats.size;
}

/** So that the new entry survives a power cut. Windows cannot open folders, and does not need to. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
