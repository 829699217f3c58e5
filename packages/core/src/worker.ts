import { contentType } from "./content-type.ts";
import { quietDelay } from "./decide.ts";
import { BucketlineError, ObjectStoreError, type Reason, reasonOf } from "./errors.ts";
import type { FileRecord } from "./file.ts";
import { filterReason } from "./filters.ts";
import { abandonTransfer, sendInParts } from "./multipart.ts";
import { planPartSize } from "./parts.ts";
import type { Random } from "./ports/clock.ts";
import type { SourceRoot } from "./ports/file-system.ts";
import { putFile } from "./put.ts";
import { sameAsUploaded } from "./recheck.ts";
import { backoff, judge, type RetryPolicy, type Verdict } from "./retry.ts";
import { FileTask, pinSource, type Source, type StopSignals, type TransferContext } from "./transfer.ts";
import { quietThreshold, type UploadRecord } from "./upload.ts";

export interface WorkerOptions {
  readonly context: TransferContext;
  readonly random: Random;
  readonly retry: RetryPolicy;
  /** Milliseconds. */
  readonly stabilityThreshold: number;
  readonly requeueFailedAfter: number;
}

/** How an attempt ended. `hold`: nothing of the upload can succeed at the moment; the attempt does not count. */
export type AttemptResult =
  | { readonly type: "done" | "retry" | "released" | "lost" }
  | { readonly type: "hold" | "failUpload"; readonly reason: Reason };

/** A file that has not been quiet for long enough when its turn comes. */
class NotQuiet extends Error {
  readonly delayMs: number;
  readonly source: Source;
  constructor(source: Source, delayMs: number) {
    super("The file has not been quiet for long enough.");
    this.source = source;
    this.delayMs = delayMs;
  }
}

/** The file is left out; not a failure. */
class LeftOut extends Error {
  readonly reason: Reason;
  constructor(reason: Reason) {
    super(reason.message);
    this.reason = reason;
  }
}

/**
 * Uploads one claimed file: open, choose the way, transfer, verify, commit; and records how it ended, whatever happens.
 * Never throws for what a file, the store or the bucket does; throws StateStoreError when the ledger fails for good.
 */
export class Worker {
  readonly #options: WorkerOptions;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  async run(file: FileRecord, upload: UploadRecord, root: SourceRoot, stop: StopSignals): Promise<AttemptResult> {
    const { spec } = upload;
    const settings = { ...spec.object, contentType: spec.object.contentType ?? contentType(file.path) };
    const condition = spec.overwrite === "never" ? ({ ifNoneMatch: "*" } as const) : undefined;
    const task = new FileTask(file, { bucket: spec.bucket, settings, condition }, this.#options.context, stop);
    try {
      await this.#attempt(task, upload, root);
      return { type: "done" };
    } catch (failure) {
      return await this.#settle(task, upload, failure).catch((error: unknown) => ifLost(error));
    } finally {
      this.#options.context.progress.leave(task.file);
    }
  }

  async #attempt(task: FileTask, upload: UploadRecord, root: SourceRoot): Promise<void> {
    const { context } = this.#options;
    const handle = await root.open(task.file.path, { follow: upload.spec.symlinks === "follow" });
    try {
      const source = await pinSource(handle, task.file);
      this.#checkWanted(task, upload, source);
      const unchanged = await sameAsUploaded(task, source);
      const partSize = planPartSize(source.facts.size, context.chunkSize, context.objects.capabilities);
      if (task.file.transfer && (unchanged || partSize === null)) await abandonTransfer(task);
      const evidence =
        unchanged ?? (partSize === null ? await putFile(task, source) : await sendInParts(task, source, partSize));
      await task.apply({ type: "uploaded", evidence, facts: source.facts });
    } finally {
      await handle.close();
    }
  }

  /** The facts may have moved on since the scan. */
  #checkWanted(task: FileTask, upload: UploadRecord, source: Source): void {
    if (source.facts.fingerprint === task.file.fingerprint) return;
    const now = this.#options.context.clock.now();
    const reason = filterReason(upload.spec, source.facts, now);
    if (reason) throw new LeftOut(reason);
    const delayMs = quietDelay(
      source.facts.mtimeNs,
      now,
      quietThreshold(upload.spec, this.#options.stabilityThreshold),
    );
    if (delayMs > 0) throw new NotQuiet(source, delayMs);
  }

  async #settle(task: FileTask, upload: UploadRecord, failure: unknown): Promise<AttemptResult> {
    const { drain, abort } = task.stop;
    const now = this.#options.context.clock.now();
    if (failure instanceof BucketlineError && failure.code === "FENCE_LOST") return { type: "lost" };
    if (abort.aborted || (drain.aborted && failure === drain.reason)) {
      await task.apply({ type: "release", burnt: false });
      return { type: "released" };
    }
    if (failure instanceof LeftOut) return await this.#leave(task, { type: "skip", reason: failure.reason });
    if (failure instanceof NotQuiet) {
      const reason: Reason = { code: "SOURCE_CHANGED", message: failure.message };
      const nextAttemptAt = now + failure.delayMs;
      await task.apply({ type: "retry", reason, nextAttemptAt, facts: failure.source.facts, burnt: false });
      return { type: "retry" };
    }
    return await this.#follow(task, judge(failure, upload.spec.mode), failure);
  }

  async #follow(task: FileTask, verdict: Verdict, failure: unknown): Promise<AttemptResult> {
    const reason = reasonOf(failure);
    switch (verdict.type) {
      case "retry":
        if (await isOutage(task, failure)) return await this.#hold(task, reason);
        return await this.#retry(task, reason, verdict.burnt);
      case "hold":
        return await this.#hold(task, reason);
      case "failUpload":
        await task.apply({ type: "release", burnt: false });
        return { type: "failUpload", reason };
      case "remove":
        return await this.#leave(task, { type: "remove" });
      case "skip":
        return await this.#leave(task, { type: "skip", reason });
      case "failFile":
        return await this.#leave(task, { type: "fail", reason, nextAttemptAt: this.#requeueAt() });
      case "drop":
        return { type: "lost" };
    }
  }

  async #retry(task: FileTask, reason: Reason, burnt: boolean): Promise<AttemptResult> {
    const { retry, random, context } = this.#options;
    const { attempts } = task.file;
    if (burnt && attempts >= retry.attempts) {
      await task.apply({ type: "fail", reason, nextAttemptAt: this.#requeueAt() });
      return { type: "done" };
    }
    const nextAttemptAt = context.clock.now() + backoff(attempts, retry, random);
    await task.apply({ type: "retry", reason, nextAttemptAt, burnt });
    return { type: "retry" };
  }

  async #hold(task: FileTask, reason: Reason): Promise<AttemptResult> {
    await task.apply({ type: "release", burnt: false });
    return { type: "hold", reason };
  }

  /** Ends with the file for good, so nothing of it may stay behind in the bucket; if that fails, the attempt did. */
  async #leave(task: FileTask, action: Parameters<FileTask["apply"]>[0]): Promise<AttemptResult> {
    try {
      await abandonTransfer(task);
    } catch (failure) {
      if (!(failure instanceof BucketlineError) || failure.code === "FENCE_LOST") throw failure;
      return await this.#retry(task, failure.reason, true);
    }
    await task.apply(action);
    return { type: "done" };
  }

  #requeueAt(): number {
    return this.#options.context.clock.now() + this.#options.requeueFailedAfter;
  }
}

/**
 * Whether nobody answers at all, as opposed to this one request going wrong: then no file could succeed, and no file is
 * to blame.
 */
async function isOutage(task: FileTask, failure: unknown): Promise<boolean> {
  if (!isSilence(failure)) return false;
  const { bucket, expectedBucketOwner, signal } = task.address;
  return await task.context.objects.checkBucket({ bucket, expectedBucketOwner, signal }).then(
    () => false,
    (error: unknown) => isSilence(error),
  );
}

function isSilence(failure: unknown): boolean {
  return failure instanceof ObjectStoreError && failure.kind === "transient" && failure.status === undefined;
}

function ifLost(error: unknown): AttemptResult {
  if (error instanceof BucketlineError && error.code === "FENCE_LOST") return { type: "lost" };
  throw error;
}
