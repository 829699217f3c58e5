import { accessSync, constants, mkdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
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
import type { MemoryState } from "@bucketline/core/memory";
import { NodeDisk, syncFolder } from "./disk.ts";
import { Ledger } from "./ledger.ts";
import { OwnerLock } from "./lock.ts";
import { Names } from "./names.ts";
import { SavedState } from "./saved-state.ts";
import { readSnapshotHead } from "./snapshot.ts";
import { stateError } from "./state-error.ts";

/** Settings of a JsonStateStore. */
export interface JsonStateStoreOptions {
  /** The state file; made with mode 0600 when it is not there, its folders with 0700. Journals and locks stand beside it. */
  readonly path: string;
  /**
   * How long the lock of a holder whose process cannot be seen from here (another container, another machine) must show
   * no sign of life before it is taken over, in milliseconds. Such a holder gives one every second. Default: 30,000;
   * at least 3,000.
   */
  readonly takeoverMs?: number | undefined;
}

const DEFAULT_TAKEOVER_MS = 30_000;
const SHORTEST_TAKEOVER_MS = 3_000;

interface Opened {
  readonly lock: OwnerLock;
  readonly ledger: Ledger;
}

/**
 * The ledger in one readable JSON file, for one process at a time; a second one is refused with `STATE_BUSY`, which names
 * the first. Every write is synced to a journal beside the file before its promise resolves, and costs its own size; calls
 * that come together share a sync. The whole state is kept in memory.
 *
 * Once another process has taken the state over, or its files are seen to be removed, every call throws `STATE_BUSY` or
 * `STATE_CORRUPT`.
 */
export class JsonStateStore implements StateStore {
  /** Absolute. */
  readonly path: string;
  readonly #takeoverMs: number;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #opened: Opened | undefined;

  /** @throws InputError `INVALID_OPTION` */
  constructor(options: string | JsonStateStoreOptions) {
    const { path, takeoverMs = DEFAULT_TAKEOVER_MS } = typeof options === "string" ? { path: options } : options;
    if (typeof path !== "string" || path === "" || path.includes("\0")) {
      throw new InputError("INVALID_OPTION", "path: name a file for the state store.");
    }
    if (!Number.isInteger(takeoverMs) || takeoverMs < SHORTEST_TAKEOVER_MS || takeoverMs > 2 ** 31 - 1) {
      const message = `takeoverMs: give a whole number of milliseconds, ${SHORTEST_TAKEOVER_MS} or more.`;
      throw new InputError("INVALID_OPTION", message);
    }
    this.path = resolve(path);
    this.#takeoverMs = takeoverMs;
  }

  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw stateError(error, this.path);
    });
    return this.#opening;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => {
      this.#closing = undefined;
    });
    return this.#closing;
  }

  insertUpload(upload: UploadRecord): Promise<boolean> {
    return this.#write(({ ledger }) => ledger.write((draft) => draft.insertUpload(upload)));
  }

  getUpload(id: string): Promise<UploadRecord | undefined> {
    return this.#read((state) => state.uploads.get(id));
  }

  listUploads(page: UploadPage): Promise<UploadRecord[]> {
    return this.#read((state) => state.listUploads(page));
  }

  updateUpload(before: UploadRecord, after: UploadRecord, notices?: readonly Notice[]): Promise<boolean> {
    return this.#write(({ ledger }) => ledger.write((draft) => draft.updateUpload(before, after, notices)));
  }

  getFile(uploadId: string, path: string): Promise<FileRecord | undefined> {
    return this.#read((state) => state.filesOf(uploadId).get(path));
  }

  listFiles(uploadId: string, page: FilePage): Promise<FileRecord[]> {
    return this.#read((state) => state.filesOf(uploadId).list(page));
  }

  findFileByKey(uploadId: string, key: string): Promise<FileRecord | undefined> {
    return this.#read((state) => state.filesOf(uploadId).byKey(key));
  }

  listParts(uploadId: string, path: string): Promise<FinishedPart[]> {
    return this.#read((state) => state.filesOf(uploadId).parts(path));
  }

  counters(uploadId: string): Promise<Counters> {
    return this.#read((state) => state.filesOf(uploadId).counters());
  }

  /** @throws StateStoreError `UPLOAD_NOT_FOUND` for a file of an upload that was never inserted; then nothing is written */
  commit(changes: readonly FileChange[]): Promise<ChangeOutcome[]> {
    return this.#write(({ ledger }) => ledger.write((draft) => draft.commit(changes)));
  }

  claim(request: ClaimRequest): Promise<FileRecord[]> {
    return this.#write(({ ledger }) => ledger.write((draft) => draft.claim(request)));
  }

  nextDue(uploadId: string): Promise<number | undefined> {
    return this.#read((state) => state.filesOf(uploadId).nextDue());
  }

  /** Kept in memory only: no owner outlives the one process that may hold the state. */
  heartbeat(owner: string, leaseMs: number): Promise<void> {
    return this.#write(async ({ lock, ledger }) => {
      try {
        lock.check();
      } catch (error) {
        if (error instanceof StateStoreError) ledger.lose(error);
        throw error;
      }
      ledger.state.leases.set(owner, performance.now() + leaseMs);
    });
  }

  rescue(request: RescueRequest): Promise<FileRecord[]> {
    return this.#write(({ ledger }) => {
      const isAlive = (owner: string | null) => owner !== null && ledger.state.isAlive(owner, performance.now());
      return ledger.write((draft) => draft.rescue(request, (owner) => !isAlive(owner)));
    });
  }

  retire(owner: string): Promise<void> {
    return this.#read((state) => void state.leases.delete(owner));
  }

  isAlive(owner: string): Promise<boolean> {
    return this.#read((state) => state.isAlive(owner, performance.now()));
  }

  getNotice(id: string): Promise<Notice | undefined> {
    return this.#read((state) => state.notices.get(id));
  }

  listNotices(page: NoticePage): Promise<Notice[]> {
    return this.#read((state) => state.notices.list(page));
  }

  dueNotices(request: DueNotices): Promise<Notice[]> {
    return this.#read((state) => state.notices.due(request));
  }

  nextNotice(subscriber: string): Promise<number | undefined> {
    return this.#read((state) => state.notices.next(subscriber));
  }

  updateNotice(before: Notice, after: Notice | null): Promise<boolean> {
    return this.#write(({ ledger }) => ledger.write((draft) => draft.updateNotice(before, after)));
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {});
    const opened = this.#opened;
    this.#opened = undefined;
    this.#opening = undefined;
    if (!opened) return;
    await opened.ledger.close();
    opened.lock.release();
  }

  async #open(): Promise<void> {
    await this.#closing;
    const path = await prepareFolder(this.path);
    const [folder, names] = [dirname(path), new Names(basename(path))];
    const disk = new NodeDisk(folder);
    // What is refused here is refused without a lock left beside it.
    const atLeast = disk.identity(names.state) ? (await readSnapshotHead(disk, names.state)).generation : 0;
    const lock = await OwnerLock.acquire(folder, names, { atLeast, takeoverMs: this.#takeoverMs });
    try {
      const { saved, state } = await SavedState.open(disk, names, lock);
      this.#opened = { lock, ledger: new Ledger(saved, state) };
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  async #read<T>(work: (state: MemoryState) => T): Promise<T> {
    const { ledger } = this.#use();
    ledger.check();
    return work(ledger.state);
  }

  async #write<T>(work: (opened: Opened) => Promise<T>): Promise<T> {
    try {
      return await work(this.#use());
    } catch (error) {
      throw stateError(error, this.path);
    }
  }

  #use(): Opened {
    if (this.#opened) return this.#opened;
    throw new StateStoreError("STATE_CLOSED", `The state store ${this.path} is not open. Open it first.`);
  }
}

/** Makes the folder of the file. @returns the real path of the file, under which every process finds its locks */
async function prepareFolder(path: string): Promise<string> {
  const firstNew = mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (firstNew !== undefined) {
    for (let folder = dirname(path); folder !== dirname(firstNew); folder = dirname(folder)) await syncFolder(folder);
    await syncFolder(dirname(firstNew));
  }
  const stats = statSync(path, { throwIfNoEntry: false });
  const real = stats ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path));
  if (stats && !stats.isFile()) {
    const message = `${path} is not a regular file. Name a file for the state store.`;
    throw new StateStoreError("STATE_NOT_WRITABLE", message);
  }
  if (stats) accessSync(real, constants.R_OK | constants.W_OK);
  accessSync(dirname(real), constants.W_OK);
  return real;
}
