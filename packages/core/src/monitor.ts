import pLimit, { type LimitFunction } from "p-limit";
import { unlessAborted } from "./abortable.ts";
import { type Reason, reasonOf, SourceError } from "./errors.ts";
import type { Emit } from "./events.ts";
import type { Ledger } from "./ledger.ts";
import { compilePatterns } from "./patterns.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileSystem } from "./ports/file-system.ts";
import type { StateStore } from "./ports/state-store.ts";
import { reconcile } from "./reconcile.ts";
import { requeueFailed } from "./requeue.ts";
import { scan } from "./scanner.ts";
import { quietThreshold, type ScanSummary, type UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";
import { Wakeup } from "./wakeup.ts";

export interface MonitorOptions {
  readonly state: StateStore;
  readonly uploads: Uploads;
  readonly ledger: Ledger;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Between two scans of a watched upload. Milliseconds, as all of these. */
  readonly interval: number;
  readonly stabilityThreshold: number;
  readonly requeueFailedAfter: number;
  /** The upload has, or may have, work. */
  readonly admit: (upload: UploadRecord) => void;
}

const SCANS_AT_ONCE = 2;

/**
 * Scans folders: once when an upload starts, and then every interval for those in watch mode. Two scans of one upload
 * never overlap. What a scan finds is in the ledger before anybody is told to work on it.
 */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #limit: LimitFunction = pLimit(SCANS_AT_ONCE);
  /** When each watched upload is due; monotonic. */
  readonly #due = new Map<string, number>();
  readonly #running = new Map<string, Promise<ScanSummary | undefined>>();
  readonly #bell = new Wakeup();
  readonly #ended = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  isScanning(uploadId: string): boolean {
    return this.#running.has(uploadId);
  }

  /** Scans the upload soon and, in watch mode, again every interval. Does nothing for one that is watched already. */
  watch(upload: UploadRecord): void {
    if (this.#due.has(upload.id) || this.#running.has(upload.id) || this.#ended.signal.aborted) return;
    this.#due.set(upload.id, 0);
    this.#bell.ring();
  }

  forget(uploadId: string): void {
    this.#due.delete(uploadId);
  }

  /**
   * Scans the upload now; joins a scan that is under way.
   * @returns how it went, or undefined when the upload is gone, paused or cancelled, or the folder could not be read
   */
  check(uploadId: string): Promise<ScanSummary | undefined> {
    const running = this.#running.get(uploadId);
    if (running !== undefined) return running;
    const scanning = this.#limit(() => this.#check(uploadId)).finally(() => {
      this.#running.delete(uploadId);
      void this.#afterwards(uploadId);
    });
    this.#running.set(uploadId, scanning);
    return scanning;
  }

  /** Scans under way end at their next step; `abort` does not wait for one that hangs. */
  async stop(abort: AbortSignal): Promise<void> {
    this.#ended.abort();
    await this.#loop;
    await unlessAborted(Promise.allSettled(this.#running.values()), abort);
  }

  async #run(): Promise<void> {
    const { clock, interval, emit } = this.#options;
    while (!this.#ended.signal.aborted) {
      const now = clock.monotonic();
      let next = Number.POSITIVE_INFINITY;
      for (const [uploadId, due] of this.#due) {
        if (due > now) {
          next = Math.min(next, due);
          continue;
        }
        this.#due.set(uploadId, now + interval);
        next = Math.min(next, now + interval);
        emit("monitor:check", () => ({ uploadId }));
        void this.check(uploadId).catch((error: unknown) => this.#warn(uploadId, reasonOf(error)));
      }
      await this.#bell.wait(clock, next - now, this.#ended.signal);
    }
  }

  async #check(uploadId: string): Promise<ScanSummary | undefined> {
    const { uploads } = this.#options;
    if (this.#ended.signal.aborted) return undefined;
    const upload = await uploads.applyIfAllowed(uploadId, { type: "start" });
    if (upload.state === "PAUSED" || upload.state === "CANCELLED") {
      this.forget(uploadId);
      return undefined;
    }
    if (upload.spec.mode === "once") this.forget(uploadId);
    try {
      return await this.#scan(upload);
    } catch (error) {
      if (this.#ended.signal.aborted) return undefined;
      if (!(error instanceof SourceError)) throw error;
      this.#warn(uploadId, error.reason);
      await uploads.applyIfAllowed(uploadId, { type: "fail", reason: error.reason });
      return undefined;
    }
  }

  async #scan(upload: UploadRecord): Promise<ScanSummary> {
    const { state, ledger, fileSystem, clock, emit, uploads } = this.#options;
    const stabilityThreshold = quietThreshold(upload.spec, this.#options.stabilityThreshold);
    emit("upload:scanning", () => ({ uploadId: upload.id }));
    const startedAt = clock.now();
    const root = await fileSystem.openRoot(upload.spec.sourceFolder);
    const filter = compilePatterns(upload.spec);
    const entries = scan(root, { filter, followLinks: upload.spec.symlinks === "follow", signal: this.#ended.signal });
    const onWork = () => this.#takeUp(upload.id, true);
    const found = await reconcile(entries, { state, ledger, emit, upload, clock, stabilityThreshold, onWork });
    if (found.suspicious) this.#warn(upload.id, EMPTIED);
    const { work, suspicious, ...counts } = found;
    const summary: ScanSummary = {
      startedAt,
      finishedAt: clock.now(),
      ...counts,
      complete: counts.complete && !suspicious,
    };
    await uploads.apply(upload.id, { type: "scanned", scan: summary });
    await this.#requeue(upload);
    await this.#takeUp(upload.id, work || (await this.#hasWork(upload.id)));
    return summary;
  }

  /** Also what another process queued, and then died or finished the upload at the same moment. */
  async #hasWork(uploadId: string): Promise<boolean> {
    const { PENDING, IN_PROGRESS } = await this.#options.state.counters(uploadId);
    return PENDING.files + IN_PROGRESS.files > 0;
  }

  async #requeue(upload: UploadRecord): Promise<void> {
    if (upload.spec.mode !== "watch") return;
    const now = this.#options.clock.now();
    const onWork = () => this.#takeUp(upload.id, true);
    const files = await requeueFailed(this.#options, upload.id, { now, dueBy: now, onWork });
    if (files > 0) this.#options.emit("monitor:requeued", () => ({ uploadId: upload.id, files }));
  }

  /** Hands the upload to whoever works on it, reopening it if it had finished and there is reason to. */
  async #takeUp(uploadId: string, work: boolean): Promise<void> {
    const { uploads, clock, requeueFailedAfter } = this.#options;
    const upload = await uploads.get(uploadId);
    const reopen = shouldReopen(upload, work, clock.now() - requeueFailedAfter);
    this.#options.admit(reopen ? await uploads.applyIfAllowed(uploadId, { type: "reopen" }) : upload);
  }

  /** The scan no longer stands in the way of finishing the upload. */
  async #afterwards(uploadId: string): Promise<void> {
    try {
      this.#options.admit(await this.#options.uploads.get(uploadId));
    } catch (error) {
      this.#warn(uploadId, reasonOf(error));
    }
  }

  #warn(uploadId: string, reason: Reason): void {
    this.#options.emit("warning", () => ({ ...reason, uploadId }));
  }
}

/**
 * | upload                                       | reopen                        |
 * |----------------------------------------------|-------------------------------|
 * | COMPLETED, or FAILED because of some files   | when there is work            |
 * | FAILED because of its folder                 | yes: it has just been scanned |
 * | FAILED otherwise (bucket, access), watched   | after the requeue interval    |
 * | FAILED otherwise, not watched                | no                            |
 */
function shouldReopen(upload: UploadRecord, work: boolean, failedBy: number): boolean {
  if (upload.state === "COMPLETED") return work;
  if (upload.state !== "FAILED") return false;
  const code = upload.reason?.code;
  if (code === "UPLOAD_FAILED") return work;
  if (code?.startsWith("SOURCE_")) return true;
  return upload.spec.mode === "watch" && (upload.finishedAt ?? 0) <= failedBy;
}

const EMPTIED: Reason = {
  code: "SOURCE_NOT_FOUND",
  message: "The source folder is empty although files are known. Nothing was changed; is its disk mounted?",
};
