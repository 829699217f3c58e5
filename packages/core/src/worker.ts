import { type Checksum, crc32Of, formatCrc32 } from "./checksum.ts";
import { contentType } from "./content-type.ts";
import { quietDelay } from "./decide.ts";
import { BucketlineError, type Reason, reasonOf, SourceError } from "./errors.ts";
import type { FileRecord } from "./file.ts";
import { filterReason } from "./filters.ts";
import { abandonTransfer, sendInParts } from "./multipart.ts";
import { planPartSize } from "./parts.ts";
import type { Random } from "./ports/clock.ts";
import type { SourceRoot } from "./ports/file-system.ts";
import { putFile } from "./put.ts";
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

/** How an attempt ended. `hold`: nothing of the upload should be tried for a while. */
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
      return await this.#settle(task, failure).catch((error: unknown) => ifLost(error));
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

  async #settle(task: FileTask, failure: unknown): Promise<AttemptResult> {
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
    return await this.#follow(task, judge(failure), failure);
  }

  async #follow(task: FileTask, verdict: Verdict, failure: unknown): Promise<AttemptResult> {
    const reason = reasonOf(failure);
    switch (verdict.type) {
      case "retry":
        return await this.#retry(task, reason, verdict.burnt);
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
    if (reason.code === "CREDENTIALS_UNAVAILABLE") {
      await task.apply({ type: "release", burnt: false });
      return { type: "hold", reason };
    }
    if (burnt && attempts >= retry.attempts) {
      await task.apply({ type: "fail", reason, nextAttemptAt: this.#requeueAt() });
      return { type: "done" };
    }
    const nextAttemptAt = context.clock.now() + backoff(attempts, retry, random);
    await task.apply({ type: "retry", reason, nextAttemptAt, burnt });
    return { type: "retry" };
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
 * A file whose inode or ctime moved while size and mtime stayed may be untouched (chmod, a copy put in place) or
 * rewritten with its old time restored. Its checksum tells, for the price of reading it.
 */
async function sameAsUploaded(task: FileTask, source: Source) {
  const { evidence, key } = task.file;
  if (
    !evidence ||
    evidence.key !== key ||
    contentStamp(evidence.fingerprint) !== contentStamp(source.facts.fingerprint)
  ) {
    return undefined;
  }
  if ((await checksumOf(task, source)) !== evidence.checksum) return undefined;
  return { ...evidence, fingerprint: source.facts.fingerprint };
}

/** Size and mtime, out of `dev:ino:size:mtimeNs:ctimeNs`. */
function contentStamp(fingerprint: string): string {
  return fingerprint.split(":").slice(2, 4).join(":");
}

const READ_SIZE = 1024 * 1024;

async function checksumOf(task: FileTask, source: Source): Promise<Checksum> {
  const loan = await task.context.buffers.borrow(Math.min(READ_SIZE, source.facts.size), task.stop.abort);
  try {
    let crc = 0;
    for (let position = 0; position < source.facts.size; ) {
      task.stop.drain.throwIfAborted();
      const read = await source.handle.read(loan.bytes, position);
      if (read === 0)
        throw new SourceError("SOURCE_CHANGED", `${task.file.path} became shorter while it was being read.`);
      crc = crc32Of(loan.bytes.subarray(0, read), crc);
      position += read;
    }
    return formatCrc32(crc);
  } finally {
    loan.release();
  }
}

function ifLost(error: unknown): AttemptResult {
  if (error instanceof BucketlineError && error.code === "FENCE_LOST") return { type: "lost" };
  throw error;
}
