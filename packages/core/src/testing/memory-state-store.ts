import { StateStoreError } from "../errors.ts";
import { type FileRecord, type FinishedPart, isCurrent } from "../file.ts";
import { claimable, MemoryFiles } from "../memory/memory-files.ts";
import { MemoryState } from "../memory/memory-state.ts";
import type { Notice } from "../notice.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  ChangeHint,
  ChangeOutcome,
  ClaimRequest,
  Counters,
  DueNotices,
  FileChange,
  FilePage,
  NoticePage,
  RescueRequest,
  StateStore,
  Unsubscribe,
  UploadPage,
} from "../ports/state-store.ts";
import type { UploadRecord } from "../upload.ts";

/** Settings of a MemoryStateStore. */
export interface MemoryStateStoreOptions {
  /** Its monotonic time drives the leases. */
  readonly clock: Pick<Clock, "monotonic">;
  /** State to share with other stores, or to find again after a simulated death. Default: a new, empty one. */
  readonly state?: MemoryState | undefined;
  /** Offers `subscribe`, and tells the other stores of the same state. Default: false. */
  readonly hints?: boolean | undefined;
}

interface HintListener {
  readonly by: MemoryStateStore;
  readonly listener: (hint: ChangeHint) => void;
}

const LISTENERS = new WeakMap<MemoryState, Set<HintListener>>();

/**
 * A StateStore in memory, for tests and simulations: every guarantee of the port but durability, which reaches as far as
 * its `state` object. Nothing happens before the microtask after a call, as with a store that does I/O.
 */
export class MemoryStateStore implements StateStore {
  readonly state: MemoryState;
  readonly subscribe?: (listener: (hint: ChangeHint) => void) => Unsubscribe;
  readonly #clock: Pick<Clock, "monotonic">;
  #isOpen = false;

  constructor(options: MemoryStateStoreOptions) {
    this.state = options.state ?? new MemoryState();
    this.#clock = options.clock;
    if (options.hints) {
      this.subscribe = (listener) => {
        const heard: HintListener = { by: this, listener };
        const listeners = LISTENERS.get(this.state) ?? new Set();
        LISTENERS.set(this.state, listeners.add(heard));
        return () => void listeners.delete(heard);
      };
    }
  }

  async open(): Promise<void> {
    await Promise.resolve();
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    await Promise.resolve();
    this.#isOpen = false;
  }

  async insertUpload(upload: UploadRecord): Promise<boolean> {
    await this.#turn();
    if (this.state.uploads.has(upload.id)) return false;
    this.state.uploads.set(upload.id, upload);
    this.state.files.set(upload.id, new MemoryFiles());
    this.#hint(upload.id);
    return true;
  }

  async getUpload(id: string): Promise<UploadRecord | undefined> {
    await this.#turn();
    return this.state.uploads.get(id);
  }

  async listUploads(page: UploadPage): Promise<UploadRecord[]> {
    await this.#turn();
    return this.state.listUploads(page);
  }

  async updateUpload(before: UploadRecord, after: UploadRecord, notices: readonly Notice[] = []): Promise<boolean> {
    await this.#turn();
    if (this.state.uploads.get(before.id)?.revision !== before.revision) return false;
    this.state.uploads.set(before.id, after);
    this.#record(notices);
    this.#hint(before.id);
    return true;
  }

  async getFile(uploadId: string, path: string): Promise<FileRecord | undefined> {
    await this.#turn();
    return this.state.files.get(uploadId)?.get(path);
  }

  async listFiles(uploadId: string, page: FilePage): Promise<FileRecord[]> {
    await this.#turn();
    return this.#files(uploadId).list(page);
  }

  async findFileByKey(uploadId: string, key: string): Promise<FileRecord | undefined> {
    await this.#turn();
    return this.state.files.get(uploadId)?.byKey(key);
  }

  async listParts(uploadId: string, path: string): Promise<FinishedPart[]> {
    await this.#turn();
    return this.#files(uploadId).parts(path);
  }

  async counters(uploadId: string): Promise<Counters> {
    await this.#turn();
    return this.#files(uploadId).counters();
  }

  /** @throws StateStoreError `UPLOAD_NOT_FOUND` for a file of an upload that was never inserted; then nothing is written */
  async commit(changes: readonly FileChange[]): Promise<ChangeOutcome[]> {
    await this.#turn();
    const orphan = changes.find(({ after }) => !this.state.files.has(after.uploadId));
    if (orphan) throw new StateStoreError("UPLOAD_NOT_FOUND", `There is no upload ${orphan.after.uploadId}.`);
    for (const uploadId of new Set(changes.map(({ after }) => after.uploadId))) this.#hint(uploadId);
    return changes.map(({ before, after, parts, notices = [] }) => {
      const files = this.#files(after.uploadId);
      if (!isCurrent(before, files.get(after.path))) return "conflict";
      files.put(after, parts);
      this.#record(notices);
      return "applied";
    });
  }

  async claim(request: ClaimRequest): Promise<FileRecord[]> {
    await this.#turn();
    if (this.state.uploads.get(request.uploadId)?.state !== request.uploadState) return [];
    return this.#writeAll(claimable(this.#files(request.uploadId), request), request.take);
  }

  async nextDue(uploadId: string): Promise<number | undefined> {
    await this.#turn();
    return this.#files(uploadId).nextDue();
  }

  async heartbeat(owner: string, leaseMs: number): Promise<void> {
    await this.#turn();
    this.state.leases.set(owner, this.#clock.monotonic() + leaseMs);
  }

  async rescue(request: RescueRequest): Promise<FileRecord[]> {
    await this.#turn();
    const now = this.#clock.monotonic();
    const stale: FileRecord[] = [];
    for (const files of this.state.files.values()) {
      for (const file of files.held()) {
        if (stale.length >= request.limit) break;
        const until = file.owner === null ? undefined : this.state.leases.get(file.owner);
        if (until === undefined || until <= now) stale.push(file);
      }
    }
    return this.#writeAll(stale, request.release);
  }

  async retire(owner: string): Promise<void> {
    await this.#turn();
    this.state.leases.delete(owner);
  }

  async isAlive(owner: string): Promise<boolean> {
    await this.#turn();
    return this.state.isAlive(owner, this.#clock.monotonic());
  }

  async getNotice(id: string): Promise<Notice | undefined> {
    await this.#turn();
    return this.state.notices.get(id);
  }

  async listNotices(page: NoticePage): Promise<Notice[]> {
    await this.#turn();
    return this.state.notices.list(page);
  }

  async dueNotices(request: DueNotices): Promise<Notice[]> {
    await this.#turn();
    return this.state.notices.due(request);
  }

  async nextNotice(subscriber: string): Promise<number | undefined> {
    await this.#turn();
    return this.state.notices.next(subscriber);
  }

  async updateNotice(before: Notice, after: Notice | null): Promise<boolean> {
    await this.#turn();
    if (this.state.notices.get(before.id)?.revision !== before.revision) return false;
    this.state.apply(after === null ? { removedNotice: before.id } : { notice: after });
    return true;
  }

  #record(notices: readonly Notice[]): void {
    for (const notice of notices) if (!this.state.notices.get(notice.id)) this.state.apply({ notice });
  }

  /** All or nothing: what `next` throws comes before the first write. */
  #writeAll(files: readonly FileRecord[], next: (file: FileRecord) => FileRecord): FileRecord[] {
    const after = files.map((file) => next(file));
    for (const file of after) this.#files(file.uploadId).put(file);
    return after;
  }

  /** To the others, and not before this call has returned to its caller. */
  #hint(uploadId: string): void {
    for (const { by, listener } of LISTENERS.get(this.state) ?? [])
      if (by !== this) queueMicrotask(() => listener({ uploadId }));
  }

  #files(uploadId: string): MemoryFiles {
    return this.state.filesOf(uploadId);
  }

  async #turn(): Promise<void> {
    await Promise.resolve();
    if (!this.#isOpen) throw new StateStoreError("STATE_CLOSED", "The state store is not open. Open it first.");
  }
}
