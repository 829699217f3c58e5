import { setMaxListeners } from "node:events";
import type { FileRecord } from "./file.ts";
import type { SourceRoot } from "./ports/file-system.ts";
import type { StopSignals } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";

/** One upload that is being worked on: its claimed files, those in flight, and when to look for more. Times are monotonic. */
export class Lane {
  upload: UploadRecord;
  root: SourceRoot | undefined;
  /** Claimed, not begun. */
  readonly queue: FileRecord[] = [];
  readonly flying = new Set<Promise<void>>();
  /** When the ledger may have work again; 0: now. */
  lookAgainAt = 0;
  /** Nothing is begun before; set while credentials are refused. */
  heldUntil = 0;
  holds = 0;
  /** Number of its last turn. */
  turn = 0;
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();
  readonly stop: StopSignals = { drain: this.#drain.signal, abort: this.#abort.signal };

  constructor(upload: UploadRecord) {
    this.upload = upload;
    // Every request in flight listens; how many there are is bounded elsewhere.
    setMaxListeners(0, this.stop.drain, this.stop.abort);
  }

  get priority(): number {
    return this.upload.spec.priority;
  }

  ready(now: number): boolean {
    return now >= this.heldUntil && (this.queue.length > 0 || now >= this.lookAgainAt);
  }

  nextLook(): number {
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
