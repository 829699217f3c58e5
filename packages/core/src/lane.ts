import { setMaxListeners } from "node:events";
import type { Reason } from "./errors.ts";
import type { FileRecord } from "./file.ts";
import type { FileSystem, SourceRoot } from "./ports/file-system.ts";
import type { StopSignals } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";

/** One upload that is being worked on: its claimed files, those in flight, and when to look for more. Times are monotonic. */
export class Lane {
  upload: UploadRecord;
  /** Claimed, not begun. */
  readonly queue: FileRecord[] = [];
  readonly flying = new Set<Promise<void>>();
  /** When the ledger may have work again; 0: now. */
  lookAgainAt = 0;
  /** Nothing is begun before: credentials are refused, or the store answers nobody. */
  heldUntil = 0;
  holds = 0;
  /** Whether any file of the lane has arrived: then a refusal concerns one file and not all of them. */
  succeeded = false;
  /** Access was denied and nothing has succeeded yet: the files in flight decide what it means. */
  denied: Reason | undefined;
  /** Number of its last turn. */
  turn = 0;
  #root: Promise<SourceRoot> | undefined;
  readonly #fileSystem: FileSystem;
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();
  readonly stop: StopSignals = { drain: this.#drain.signal, abort: this.#abort.signal };

  constructor(upload: UploadRecord, fileSystem: FileSystem) {
    this.upload = upload;
    this.#fileSystem = fileSystem;
    // Every request in flight listens; how many there are is bounded elsewhere.
    setMaxListeners(0, this.stop.drain, this.stop.abort);
  }

  get priority(): number {
    return this.upload.spec.priority;
  }

  /** The source folder, opened once. @throws SourceError */
  root(): Promise<SourceRoot> {
    this.#root ??= this.#fileSystem.openRoot(this.upload.spec.sourceFolder).catch((error: unknown) => {
      this.#root = undefined;
      throw error;
    });
    return this.#root;
  }

  ready(now: number): boolean {
    if (this.denied && this.flying.size > 0) return false;
    return now >= this.heldUntil && (this.queue.length > 0 || now >= this.lookAgainAt);
  }

  nextLook(): number {
    if (this.denied && this.flying.size > 0) return Number.POSITIVE_INFINITY;
    return Math.max(this.heldUntil, this.queue.length > 0 ? 0 : this.lookAgainAt);
  }

  lookAgainIn(delayMs: number, longestMs: number, now: number): void {
    this.lookAgainAt = now + Math.min(Math.max(delayMs, 1), longestMs);
  }

  drain(): void {
    this.#drain.abort();
  }

  abort(): void {
    this.#drain.abort();
    this.#abort.abort();
  }
}
