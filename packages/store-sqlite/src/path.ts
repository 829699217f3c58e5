import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { StateStoreError } from "@bucketline/core";

/**
 * Makes sure that there is a file at `path` that SQLite may open: one that is there, or a new one (mode 0600, in folders
 * made with mode 0700), which appears there only once `fill` has made a whole database of it. It opens no file that is
 * there: closing it again would drop the locks that other handles of this process have on it
 * (sqlite.org/howtocorrupt.html, 2.2).
 * @param fill makes an empty file a database, synced to the disk and closed
 * @returns the real path
 * @throws StateStoreError `STATE_CORRUPT` · `STATE_NOT_WRITABLE` · errors of the file system · what `fill` throws
 */
export function prepareFile(path: string, fill: (draft: string) => void): string {
  if (sizeOf(path) === undefined) create(path, fill);
  const real = realpathSync(path);
  accessSync(real, constants.R_OK | constants.W_OK);
  accessSync(dirname(real), constants.W_OK);
  if (sizeOf(real) === 0) {
    const message = `${path} is empty: whatever it held is gone. Restore it from a backup, or remove it to begin anew.`;
    throw new StateStoreError("STATE_CORRUPT", message);
  }
  return real;
}

/** Whether a transaction outside the write-ahead log was cut short: SQLite rolls it back when it opens the file. */
export function hasJournal(path: string): boolean {
  return (sizeOf(`${path}-journal`) ?? 0) > 0;
}

function create(path: string, fill: (draft: string) => void): void {
  refuseStrayLog(path);
  const firstNew = mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = join(dirname(path), `.bucketline-${randomBytes(6).toString("hex")}`);
  closeSync(openSync(draft, "wx", 0o600));
  try {
    fill(draft);
    putInPlace(draft, path);
  } finally {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(draft + suffix, { force: true });
  }
  const top = firstNew === undefined ? dirname(path) : dirname(firstNew);
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    syncFolder(folder);
    if (folder === top || folder === dirname(folder)) return;
  }
}

/** Never replaces what another process has put there first. */
function putInPlace(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    // A file system without hard links. Of two processes that get here at once the later one wins, and the earlier one's
    // store notices that its file was replaced.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS" && code !== "EMLINK") throw error;
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) renameSync(draft, path);
  }
}

/** Beside a database that is gone, its log may be all that is left; SQLite would delete it. */
function refuseStrayLog(path: string): void {
  if ((sizeOf(`${path}-wal`) ?? 0) === 0) return;
  throw new StateStoreError(
    "STATE_CORRUPT",
    `${path} is missing, but its log ${path}-wal is not. Restore the database from a backup, or remove the log to begin anew.`,
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
