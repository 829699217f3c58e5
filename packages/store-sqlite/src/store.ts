import { resolve } from "node:path";
import {
  type ChangeOutcome,
  type ClaimRequest,
  type Counters,
  type DueNotices,
  type FileChange,
  type FilePage,
  type FileRecord,
  type FinishedPart,
  InputError,
  type Notice,
  type NoticePage,
  type RescueRequest,
  type StateStore,
  StateStoreError,
  type UploadPage,
  type UploadRecord,
} from "@bucketline/core";
import type { Database } from "better-sqlite3";
import { backUp } from "./backup.ts";
import { MEMORY, openDatabase } from "./database.ts";
import { FileTable } from "./files.ts";
import { NoticeTable } from "./notices.ts";
import { OpenedFile } from "./opened-file.ts";
import { OwnerTable } from "./owners.ts";
import { stateError } from "./state-error.ts";
import { UploadTable } from "./uploads.ts";

/** Settings of a SqliteStateStore. */
export interface SqliteStateStoreOptions {
  /** The database file; made with mode 0600 when it is not there, its folders with 0700. `:memory:`: gone when closed. */
  readonly path: string;
  /** How long a call waits for another process's lock before it throws `STATE_BUSY`, in milliseconds. Default: 2,000. */
  readonly busyTimeoutMs?: number | undefined;
}

const DEFAULT_BUSY_TIMEOUT_MS = 2_000;

interface Tables {
  readonly db: Database;
  /** Undefined in memory. */
  readonly file: OpenedFile | undefined;
  readonly uploads: UploadTable;
  readonly files: FileTable;
  readonly owners: OwnerTable;
  readonly notices: NoticeTable;
}

/**
 * The ledger in one SQLite file. Every write is synced to the disk before its promise resolves (write-ahead log,
 * `synchronous = FULL`). Any number of processes of one machine may share the file; files of a process that has died are
 * given back at once, without waiting for its lease.
 *
 * The file must stay where it is while it is open: once it is seen to be removed or replaced (looked for at each
 * heartbeat and, once a second, before calls), every call throws `STATE_CORRUPT`.
 */
export class SqliteStateStore implements StateStore {
  /** Absolute, or `:memory:`. */
  readonly path: string;
  readonly #busyTimeoutMs: number;
  #opening: Promise<void> | undefined;
  #tables: Tables | undefined;

  /** @throws InputError `INVALID_OPTION` */
  constructor(options: string | SqliteStateStoreOptions) {
    const { path, busyTimeoutMs = DEFAULT_BUSY_TIMEOUT_MS } = typeof options === "string" ? { path: options } : options;
    // The driver would trim white space off the end, and open another file.
    if (typeof path !== "string" || path === "" || path.includes("\0") || path !== path.trimEnd()) {
      throw new InputError(
        "INVALID_OPTION",
        "path: name a file for the state store, or :memory:. No white space at its end.",
      );
    }
    if (!Number.isInteger(busyTimeoutMs) || busyTimeoutMs < 0 || busyTimeoutMs > 2 ** 31 - 1) {
      throw new InputError("INVALID_OPTION", "busyTimeoutMs: give a whole number of milliseconds, 0 or more.");
    }
    this.path = path === MEMORY ? path : resolve(path);
    this.#busyTimeoutMs = busyTimeoutMs;
  }

  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    const db = this.#tables?.db;
    this.#tables = undefined;
    this.#opening = undefined;
    if (!db) return;
    try {
      db.pragma("optimize");
      db.pragma("wal_checkpoint(PASSIVE)");
    } catch {
      // Housekeeping only: what was acknowledged is in the log, busy or full disk or not.
    } finally {
      db.close();
    }
  }

  insertUpload(upload: UploadRecord): Promise<boolean> {
    return this.#run(({ uploads }) => uploads.insert(upload));
  }

  getUpload(id: string): Promise<UploadRecord | undefined> {
    return this.#run(({ uploads }) => uploads.get(id));
  }

  listUploads(page: UploadPage): Promise<UploadRecord[]> {
    return this.#run(({ uploads }) => uploads.list(page));
  }

  updateUpload(before: UploadRecord, after: UploadRecord, notices: readonly Notice[] = []): Promise<boolean> {
    return this.#run(({ uploads }) => uploads.update(before, after, notices));
  }

  getFile(uploadId: string, path: string): Promise<FileRecord | undefined> {
    return this.#run(({ files }) => files.get(uploadId, path));
  }

  listFiles(uploadId: string, page: FilePage): Promise<FileRecord[]> {
    return this.#run(({ files }) => files.list(uploadId, page));
  }

  findFileByKey(uploadId: string, key: string): Promise<FileRecord | undefined> {
    return this.#run(({ files }) => files.findByKey(uploadId, key));
  }

  listParts(uploadId: string, path: string): Promise<FinishedPart[]> {
    return this.#run(({ files }) => files.listParts(uploadId, path));
  }

  counters(uploadId: string): Promise<Counters> {
    return this.#run(({ files }) => files.counters(uploadId));
  }

  /** @throws StateStoreError `UPLOAD_NOT_FOUND` for a file of an upload that was never inserted; then nothing is written */
  commit(changes: readonly FileChange[]): Promise<ChangeOutcome[]> {
    return this.#run(({ files }) => files.commit(changes));
  }

  claim(request: ClaimRequest): Promise<FileRecord[]> {
    return this.#run(({ files }) => files.claim(request));
  }

  nextDue(uploadId: string): Promise<number | undefined> {
    return this.#run(({ files }) => files.nextDue(uploadId));
  }

  heartbeat(owner: string, leaseMs: number): Promise<void> {
    return this.#run(({ file, owners }) => {
      file?.check();
      owners.heartbeat(owner, leaseMs);
    });
  }

  rescue(request: RescueRequest): Promise<FileRecord[]> {
    return this.#run(({ owners }) => owners.rescue(request));
  }

  retire(owner: string): Promise<void> {
    return this.#run(({ owners }) => owners.retire(owner));
  }

  isAlive(owner: string): Promise<boolean> {
    return this.#run(({ owners }) => owners.isAlive(owner));
  }

  getNotice(id: string): Promise<Notice | undefined> {
    return this.#run(({ notices }) => notices.get(id));
  }

  listNotices(page: NoticePage): Promise<Notice[]> {
    return this.#run(({ notices }) => notices.list(page));
  }

  dueNotices(request: DueNotices): Promise<Notice[]> {
    return this.#run(({ notices }) => notices.due(request));
  }

  nextNotice(subscriber: string): Promise<number | undefined> {
    return this.#run(({ notices }) => notices.next(subscriber));
  }

  updateNotice(before: Notice, after: Notice | null): Promise<boolean> {
    return this.#run(({ notices }) => notices.update(before, after));
  }

  /**
   * Copies the ledger, as it stands at the call, into a new file (mode 0600), while services work on it. The file appears
   * whole and synced to the disk, or not at all; what is there already is never replaced. The copy is a ledger like any
   * other. Meanwhile the write-ahead log cannot be cut back.
   * @param path of the copy, in a folder that is there
   * @throws InputError `INVALID_OPTION` · StateStoreError `STATE_NOT_WRITABLE`, also when something is at `path` ·
   *   `STATE_FULL` when the disk of the copy is
   */
  backup(path: string): Promise<void> {
    return this.#run(({ db }) => backUp({ path: this.path, db }, path));
  }

  async #open(): Promise<void> {
    const db = await openDatabase(this.path, this.#busyTimeoutMs);
    try {
      const notices = new NoticeTable(db);
      const uploads = new UploadTable(db, notices);
      const files = new FileTable(db, uploads, notices);
      const file = this.path === MEMORY ? undefined : new OpenedFile(this.path);
      this.#tables = { db, file, uploads, files, owners: new OwnerTable(db, uploads, files), notices };
    } catch (error) {
      db.close();
      throw stateError(error, this.path);
    }
  }

  async #run<T>(work: (tables: Tables) => T | Promise<T>): Promise<T> {
    const tables = this.#tables;
    if (!tables) throw this.#closed();
    try {
      tables.file?.checkNowAndThen();
      return await work(tables);
    } catch (error) {
      throw tables.db.open ? stateError(error, this.path) : this.#closed();
    }
  }

  #closed(): StateStoreError {
    return new StateStoreError("STATE_CLOSED", `The state store ${this.path} is not open. Open it first.`);
  }
}
