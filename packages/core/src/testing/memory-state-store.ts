import { StateStoreError } from "../errors.ts";
import type { FileRecord, FinishedPart } from "../file.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  ChangeOutcome,
  ClaimRequest,
  Counters,
  FileChange,
  FilePage,
  RescueRequest,
  StateStore,
  UploadPage,
} from "../ports/state-store.ts";
import type { UploadRecord } from "../upload.ts";
import { MemoryFiles, MemoryState } from "./memory-state.ts";

export interface MemoryStateStoreOptions {
  /** Its monotonic time drives the leases. */
  readonly clock: Pick<Clock, "monotonic">;
  /** State to share with other stores, or to find again after a simulated death. Default: a new, empty one. */
  readonly state?: MemoryState | undefined;
}

/**
 * A StateStore in memory, for tests and simulations: every guarantee of the port but durability, which reaches as far as
 * its `state` object. Nothing happens before the microtask after a call, as with a store that does I/O.
 */
export class MemoryStateStore implements StateStore {
  readonly state: MemoryState;
  readonly #clock: Pick<Clock, "monotonic">;
  #isOpen = false;

  constructor(options: MemoryStateStoreOptions) {
    this.state = options.state ?? new MemoryState();
    this.#clock = options.clock;
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
    return true;
  }

  async getUpload(id: string): Promise<UploadRecord | undefined> {
    await this.#turn();
    return this.state.uploads.get(id);
  }

  async listUploads(page: UploadPage): Promise<UploadRecord[]> {
    await this.#turn();
    const uploads = [...this.state.uploads.values()];
    const last = page.after === undefined ? -1 : uploads.findIndex((upload) => upload.id === page.after);
    if (page.after !== undefined && last === -1) return [];
    return uploads
      .slice(last + 1)
      .filter((upload) => page.states === undefined || page.states.includes(upload.state))
      .filter((upload) => !page.cleanupDue || upload.cleanupDue)
      .slice(0, Math.max(0, page.limit));
  }

  async updateUpload(before: UploadRecord, after: UploadRecord): Promise<boolean> {
    await this.#turn();
    if (this.state.uploads.get(before.id)?.revision !== before.revision) return false;
    this.state.uploads.set(before.id, after);
    return true;
  }

  async getFile(uploadId: string, path: string): Promise<FileRecord | undefined> {
    await this.#turn();
    return this.state.files.get(uploadId)?.get(path);
  }

  async listFiles(uploadId: string, page: FilePage): Promise<FileRecord[]> {
    await this.#turn();
    const found: FileRecord[] = [];
    if (page.limit <= 0) return found;
    for (const file of this.#files(uploadId).after(page.after)) {
      if (page.states !== undefined && !page.states.includes(file.state)) continue;
      if (page.withTransfer && file.transfer === null) continue;
      if (page.dueBy !== undefined && file.nextAttemptAt > page.dueBy) continue;
      if (found.push(file) === page.limit) break;
    }
    return found;
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
    return changes.map(({ before, after, parts }) => {
      const files = this.#files(after.uploadId);
      if (files.get(after.path)?.revision !== before?.revision) return "conflict";
      files.put(after, parts);
      return "applied";
    });
  }

  async claim(request: ClaimRequest): Promise<FileRecord[]> {
    await this.#turn();
    if (this.state.uploads.get(request.uploadId)?.state !== request.uploadState) return [];
    const files = this.#files(request.uploadId);
    const due = [...first(request.limit, files.due(Number.NEGATIVE_INFINITY, request.now))];
    const farOff = files.due(Math.max(request.now, request.horizon) + 1, Number.POSITIVE_INFINITY);
    return this.#writeAll([...due, ...first(request.limit - due.length, farOff)], request.take);
  }

  async nextDue(uploadId: string): Promise<number | undefined> {
    await this.#turn();
    const [file] = first(1, this.#files(uploadId).due(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY));
    return file?.nextAttemptAt;
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

  /** All or nothing: what `next` throws comes before the first write. */
  #writeAll(files: readonly FileRecord[], next: (file: FileRecord) => FileRecord): FileRecord[] {
    const after = files.map((file) => next(file));
    for (const file of after) this.#files(file.uploadId).put(file);
    return after;
  }

  #files(uploadId: string): MemoryFiles {
    return this.state.files.get(uploadId) ?? new MemoryFiles();
  }

  async #turn(): Promise<void> {
    await Promise.resolve();
    if (!this.#isOpen) throw new StateStoreError("STATE_CLOSED", "The state store is not open. Open it first.");
  }
}

function* first<T>(limit: number, items: Iterable<T>): Iterable<T> {
  if (limit <= 0) return;
  let left = limit;
  for (const item of items) {
    yield item;
    if (--left === 0) return;
  }
}
