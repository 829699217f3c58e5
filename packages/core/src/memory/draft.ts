import { StateStoreError } from "../errors.ts";
import { type FileRecord, isCurrent } from "../file.ts";
import type { Notice } from "../notice.ts";
import { comparePaths } from "../paths.ts";
import type { ChangeOutcome, ClaimRequest, FileChange, RescueRequest } from "../ports/state-store.ts";
import type { UploadRecord } from "../upload.ts";
import { claimable, MemoryFiles } from "./memory-files.ts";
import type { MemoryState, RecordWrite } from "./memory-state.ts";

export type { RecordWrite } from "./memory-state.ts";

/**
 * Writes on top of a MemoryState, which stays as it is: each call sees what the ones before it have written, and nobody
 * else sees any of it. `writes`, applied in their order, bring the state there. A call that throws has written nothing.
 */
export class Draft {
  readonly writes: RecordWrite[] = [];
  readonly #state: MemoryState;
  readonly #uploads = new Map<string, UploadRecord>();
  /** The changed ones only. */
  readonly #files = new Map<string, MemoryFiles>();
  /** The changed ones only; null: removed. */
  readonly #notices = new Map<string, Notice | null>();

  constructor(state: MemoryState) {
    this.#state = state;
  }

  insertUpload(upload: UploadRecord): boolean {
    if (this.#upload(upload.id) !== undefined) return false;
    this.#putUpload(upload);
    return true;
  }

  updateUpload(before: UploadRecord, after: UploadRecord, notices: readonly Notice[] = []): boolean {
    if (this.#upload(before.id)?.revision !== before.revision) return false;
    this.#putUpload(after);
    this.#record(notices);
    return true;
  }

  /** @param after null removes it */
  updateNotice(before: Notice, after: Notice | null): boolean {
    if (this.#notice(before.id)?.revision !== before.revision) return false;
    this.#notices.set(before.id, after);
    this.writes.push(after === null ? { removedNotice: before.id } : { notice: after });
    return true;
  }

  /** @throws StateStoreError `UPLOAD_NOT_FOUND` */
  commit(changes: readonly FileChange[]): ChangeOutcome[] {
    const orphan = changes.find(({ after }) => this.#upload(after.uploadId) === undefined);
    if (orphan) throw new StateStoreError("UPLOAD_NOT_FOUND", `There is no upload ${orphan.after.uploadId}.`);
    return changes.map(({ before, after, parts, notices = [] }) => {
      if (!isCurrent(before, this.#file(after.uploadId, after.path))) return "conflict";
      this.#putFile({ file: after, parts });
      this.#record(notices);
      return "applied";
    });
  }

  claim(request: ClaimRequest): FileRecord[] {
    if (this.#upload(request.uploadId)?.state !== request.uploadState) return [];
    const due = (from: number, to: number) => this.#due(request.uploadId, from, to);
    return this.#writeAll(claimable({ due }, request), request.take);
  }

  /** @param isStale whether what this owner holds may be given back */
  rescue(request: RescueRequest, isStale: (owner: string | null) => boolean): FileRecord[] {
    const stale: FileRecord[] = [];
    for (const file of this.#held()) {
      if (stale.length >= request.limit) break;
      if (isStale(file.owner)) stale.push(file);
    }
    return this.#writeAll(stale, request.release);
  }

  /** All or nothing: what `next` throws comes before the first write. */
  #writeAll(files: readonly FileRecord[], next: (file: FileRecord) => FileRecord): FileRecord[] {
    const after = files.map((file) => next(file));
    for (const file of after) this.#putFile({ file });
    return after;
  }

  #upload(id: string): UploadRecord | undefined {
    return this.#uploads.get(id) ?? this.#state.uploads.get(id);
  }

  #file(uploadId: string, path: string): FileRecord | undefined {
    return this.#files.get(uploadId)?.get(path) ?? this.#state.files.get(uploadId)?.get(path);
  }

  #notice(id: string): Notice | undefined {
    const changed = this.#notices.get(id);
    return changed === undefined ? this.#state.notices.get(id) : (changed ?? undefined);
  }

  /** Each once, however often it is asked for. */
  #record(notices: readonly Notice[]): void {
    for (const notice of notices) {
      if (this.#notice(notice.id) !== undefined) continue;
      this.#notices.set(notice.id, notice);
      this.writes.push({ notice });
    }
  }

  #putUpload(upload: UploadRecord): void {
    this.#uploads.set(upload.id, upload);
    this.writes.push({ upload });
  }

  #putFile(write: Extract<RecordWrite, { readonly file: FileRecord }>): void {
    const { file } = write;
    const changed = this.#files.get(file.uploadId) ?? new MemoryFiles();
    changed.put(file);
    this.#files.set(file.uploadId, changed);
    this.writes.push(write);
  }

  *#held(): Iterable<FileRecord> {
    for (const [uploadId, files] of this.#state.files) {
      const changed = this.#files.get(uploadId);
      for (const file of files.held()) if (changed?.get(file.path) === undefined) yield file;
    }
    for (const changed of this.#files.values()) yield* changed.held();
  }

  /** As MemoryFiles' `due`, of the state and the draft together. */
  *#due(uploadId: string, from: number, to: number): Iterable<FileRecord> {
    const known = this.#state.filesOf(uploadId);
    const changed = this.#files.get(uploadId);
    if (changed === undefined) {
      yield* known.due(from, to);
      return;
    }
    const added = changed.due(from, to)[Symbol.iterator]();
    let next = added.next();
    for (const file of known.due(from, to)) {
      if (changed.get(file.path) !== undefined) continue;
      for (; !next.done && compareDue(next.value, file) < 0; next = added.next()) yield next.value;
      yield file;
    }
    for (; !next.done; next = added.next()) yield next.value;
  }
}

function compareDue(a: FileRecord, b: FileRecord): number {
  return a.nextAttemptAt - b.nextAttemptAt || comparePaths(a.path, b.path);
}
