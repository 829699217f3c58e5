import { contentType } from "./content-type.ts";
import type { Disposal } from "./disposal.ts";
import { BucketlineError, ObjectStoreError, type Reason, reasonOf } from "./errors.ts";
import { type Evidence, type FileRecord, NEVER, type SourceFacts } from "./file.ts";
import { filterReason } from "./filters.ts";
import { abandonTransfer, sendInParts } from "./multipart.ts";
import { grownPartSize, planPartSize } from "./parts.ts";
import type { Passage } from "./pipeline/passage.ts";
import type { Random } from "./ports/clock.ts";
import type { SourceRoot } from "./ports/file-system.ts";
import { putFile } from "./put.ts";
import { sameAsUploaded } from "./recheck.ts";
import { backoff, judge, type RetryPolicy, type Verdict } from "./retry.ts";
import { quietDelay, stabilityPolicy } from "./stability.ts";
import { FileTask, type Pace, pinSource, type Source, type StopSignals, type TransferContext } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";

export interface WorkerOptions {
  readonly context: TransferContext;
  readonly passage: Passage;
  readonly random: Random;
  readonly retry: RetryPolicy;
  /** Milliseconds. */
  readonly stabilityThreshold: number;
  readonly requeueFailedAfter: number;
  readonly disposal: Disposal;
}

/**
 * How an attempt ended. `done`: it arrived, or needs not · `failed` · `retry` later · `released` unfinished ·
 * `lost` to another owner, perhaps after we had `wrote` an object · `hold`: nothing of the upload can succeed at the
 * moment; the attempt does not count · `denied`: this file, or all of them · `failUpload`: no file can succeed.
 */
export type AttemptResult =
  | { readonly type: "done" | "failed" | "retry" | "released" }
  | { readonly type: "lost"; readonly wrote?: Evidence }
  | { readonly type: "hold" | "denied" | "failUpload"; readonly reason: Reason };

/** What an attempt knows of the upload it works for. */
export interface AttemptScope {
  readonly upload: UploadRecord;
  readonly stop: StopSignals;
  readonly pace: Pace;
  /** Whether any file of the upload has arrived lately. */
  readonly succeeded: boolean;
  root(): Promise<AttemptRoot>;
}

/** What an attempt needs of the source folder. */
type AttemptRoot = Pick<SourceRoot, "facts" | "open">;

/** How long a file is left alone whose refusal may concern all of them, so that the others go first. Milliseconds. */
const DENIED_PAUSE = 5_000;

const OTHER_DEVICE: Reason = {
  code: "SOURCE_DOUBTFUL",
  message: "A file is missing, and its folder is on another device than at the last scan. Is its disk mounted?",
};

/** What is missing on another device than the one that was scanned may lie on a disk that is not mounted now. */
async function isOtherDevice(scope: AttemptScope): Promise<boolean> {
  const device = scope.upload.lastScan?.device;
  return device !== undefined && String((await scope.root()).facts.dev) !== device;
}

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

  async run(file: FileRecord, scope: AttemptScope): Promise<AttemptResult> {
    const { context, passage } = this.#options;
    const { spec } = scope.upload;
    const settings = { ...spec.object, contentType: spec.object.contentType ?? contentType(file.path) };
    const condition = spec.overwrite === "never" ? ({ ifNoneMatch: "*" } as const) : undefined;
    const task = new FileTask(file, { bucket: spec.bucket, settings, condition }, context, scope);
    let wrote: Evidence | undefined;
    try {
      const root = await scope.root().catch((error: unknown) => {
        throw new NoRoot(error);
      });
      await this.#attempt(task, scope.upload, root, (evidence) => {
        wrote = evidence;
      });
      await this.#options.disposal.settle(scope.upload, task.file);
      return { type: "done" };
    } catch (failure) {
      const result = await this.#settle(task, scope, failure).catch((error: unknown) => ifLost(error, wrote));
      // Of any other the record may not be in the ledger.
      if (result.type === "done" || result.type === "failed")
        await this.#options.disposal.settle(scope.upload, task.file);
      return result;
    } finally {
      await passage.left(task);
      context.progress.leave(task.file);
    }
  }

  async #attempt(
    task: FileTask,
    upload: UploadRecord,
    root: AttemptRoot,
    onWritten: (evidence: Evidence) => void,
  ): Promise<void> {
    const { evidence, facts } = await this.#deliver(task, upload, root, onWritten);
    task.records();
    await task.apply({ type: "uploaded", evidence, facts });
  }

  /** Leaves nothing open and nothing in memory of a file that only has to be recorded. */
  async #deliver(
    task: FileTask,
    upload: UploadRecord,
    root: AttemptRoot,
    onWritten: (evidence: Evidence) => void,
  ): Promise<{ readonly evidence: Evidence; readonly facts: SourceFacts }> {
    const handle = await root.open(task.file.path, { follow: upload.spec.symlinks === "follow" });
    try {
      const source = await pinSource(handle, task.file);
      this.#checkWanted(task, upload, source);
      const unchanged = await sameAsUploaded(task, source, upload.spec.compare);
      if (task.file.transfer && unchanged) await abandonTransfer(task);
      const evidence =
        unchanged ?? (await this.#options.passage.send(task, source, upload.spec, (made) => send(task, made)));
      if (!unchanged) onWritten(evidence);
      return { evidence, facts: source.facts };
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
    const policy = stabilityPolicy(upload.spec, this.#options.stabilityThreshold);
    const delayMs = quietDelay(source.facts, task.file.unstableSince, now, policy);
    if (delayMs > 0) throw new NotQuiet(source, delayMs);
  }

  async #settle(task: FileTask, scope: AttemptScope, failure: unknown): Promise<AttemptResult> {
    const { drain, abort } = task.stop;
    const now = this.#options.context.clock.now();
    if (isLost(failure)) throw failure;
    if (abort.aborted || (drain.aborted && failure === drain.reason)) {
      await task.apply({ type: "release", burnt: false });
      return { type: "released" };
    }
    if (failure instanceof NoRoot) return await this.#withoutRoot(task, failure.cause);
    if (failure instanceof LeftOut) return await this.#leave(task, { type: "skip", reason: failure.reason });
    if (failure instanceof NotQuiet) {
      const reason: Reason = { code: "SOURCE_CHANGED", message: failure.message };
      const nextAttemptAt = now + failure.delayMs;
      await task.apply({ type: "retry", reason, nextAttemptAt, facts: failure.source.facts, burnt: false });
      return { type: "retry" };
    }
    return await this.#follow(task, scope, judge(failure, scope.upload.spec.mode), failure);
  }

  /** Without its folder the upload cannot go on; nothing is said of the file. */
  async #withoutRoot(task: FileTask, cause: unknown): Promise<AttemptResult> {
    await task.apply({ type: "release", burnt: false });
    return { type: "failUpload", reason: reasonOf(cause) };
  }

  async #follow(task: FileTask, scope: AttemptScope, verdict: Verdict, failure: unknown): Promise<AttemptResult> {
    const reason = reasonOf(failure);
    switch (verdict.type) {
      case "retry":
        if (await isOutage(task, failure)) return await this.#hold(task, reason);
        return await this.#retry(task, reason, verdict.burnt);
      case "hold":
        return await this.#hold(task, reason);
      case "denied":
        // Others may: then it is this file that is refused, and it must not hold the others up.
        if (scope.succeeded) return await this.#giveUp(task, reason);
        await task.apply({ type: "retry", reason, nextAttemptAt: this.#in(DENIED_PAUSE), burnt: false });
        return { type: "denied", reason };
      case "failUpload":
        await task.apply({ type: "release", burnt: false });
        return { type: "failUpload", reason };
      case "remove":
        if (await isOtherDevice(scope)) return await this.#hold(task, OTHER_DEVICE);
        return await this.#leave(task, { type: "remove" });
      case "skip":
        return await this.#leave(task, { type: "skip", reason });
      case "failFile":
        // Where failed files are put aside, they wait for somebody to look at them.
        return await this.#giveUp(task, reason, scope.upload.spec.drop ? NEVER : undefined);
      case "reject":
        return await this.#giveUp(task, reason, NEVER);
      case "wait":
        return await this.#wait(task, reason);
    }
  }

  async #retry(task: FileTask, reason: Reason, burnt: boolean): Promise<AttemptResult> {
    const { retry, random, requeueFailedAfter } = this.#options;
    const { attempts } = task.file;
    if (burnt && attempts >= retry.attempts) {
      // What was sent stays in the store: a later attempt goes on from there.
      await task.apply({ type: "fail", reason, nextAttemptAt: this.#in(requeueFailedAfter) });
      return { type: "failed" };
    }
    const patience =
      reason.code === "STORE_THROTTLED" ? { ...retry, baseMs: retry.baseMs * THROTTLED_PATIENCE } : retry;
    const nextAttemptAt = this.#in(backoff(attempts, patience, random));
    await task.apply({ type: "retry", reason, nextAttemptAt, burnt });
    return { type: "retry" };
  }

  /** The longer it lasts, the longer it waits; no other file is held up. */
  async #wait(task: FileTask, reason: Reason): Promise<AttemptResult> {
    const { retry, random } = this.#options;
    const nextAttemptAt = this.#in(backoff(timesInVain(task.file, reason) + 1, retry, random));
    await task.apply({ type: "retry", reason, nextAttemptAt, burnt: false });
    return { type: "retry" };
  }

  async #hold(task: FileTask, reason: Reason): Promise<AttemptResult> {
    await task.apply({ type: "release", burnt: false });
    return { type: "hold", reason };
  }

  async #giveUp(
    task: FileTask,
    reason: Reason,
    nextAttemptAt = this.#in(this.#options.requeueFailedAfter),
  ): Promise<AttemptResult> {
    const result = await this.#leave(task, { type: "fail", reason, nextAttemptAt });
    return result.type === "done" ? { type: "failed" } : result;
  }

  /** Ends with the file for good, so nothing of it may stay behind in the bucket; if that fails, the attempt did. */
  async #leave(task: FileTask, action: Parameters<FileTask["apply"]>[0]): Promise<AttemptResult> {
    try {
      await abandonTransfer(task);
    } catch (failure) {
      if (!(failure instanceof BucketlineError) || isLost(failure)) throw failure;
      return await this.#retry(task, failure.reason, true);
    }
    await task.apply(action);
    return { type: "done" };
  }

  /** Milliseconds since 1970, so many milliseconds from now. */
  #in(ms: number): number {
    return this.#options.context.clock.now() + ms;
  }
}

/** Sends the file, or what its pipeline has made of it. */
async function send(task: FileTask, source: Source): Promise<Evidence> {
  const partSize = planPartSize(source.size, wantedPartSize(task), task.context.objects.capabilities);
  if (partSize !== null) return await sendInParts(task, source, partSize);
  await abandonTransfer(task);
  return await putFile(task, source);
}

/** What was begun in parts goes on in them, and a limited rate is kept to more evenly by small bodies. */
function wantedPartSize({ context, file, pace }: FileTask): number {
  const { chunkSize, throughput, partsAtOnce, buffers } = context;
  if (file.transfer || pace.isLimited) return chunkSize;
  return grownPartSize(chunkSize, throughput.rate, { memoryLimit: buffers.limit, partsAtOnce });
}

/** How often in a row it has met the same already, as far as its history goes. */
function timesInVain({ history }: FileRecord, { code }: Reason): number {
  const other = history.findLastIndex(({ what, reason }) => what !== "retry" || reason?.code !== code);
  return history.length - 1 - other;
}

/** A store that asks to slow down is given more time than one that fails. */
const THROTTLED_PATIENCE = 5;

/** The source folder could not be opened. */
class NoRoot extends Error {
  constructor(cause: unknown) {
    super("The source folder cannot be opened.", { cause });
  }
}

/**
 * Whether the store serves nobody, as opposed to this one request going wrong: then no file could succeed, and no file is
 * to blame.
 */
async function isOutage(task: FileTask, failure: unknown): Promise<boolean> {
  if (!isTrouble(failure)) return false;
  const { bucket, expectedBucketOwner, signal } = task.address;
  return await task.context.objects.checkBucket({ bucket, expectedBucketOwner, signal }).then(
    () => false,
    (error: unknown) => isTrouble(error),
  );
}

function isTrouble(failure: unknown): boolean {
  return failure instanceof ObjectStoreError && (failure.kind === "transient" || failure.kind === "throttled");
}

function isLost(error: unknown): boolean {
  return error instanceof BucketlineError && error.code === "FENCE_LOST";
}

function ifLost(error: unknown, wrote: Evidence | undefined): AttemptResult {
  if (isLost(error)) return wrote ? { type: "lost", wrote } : { type: "lost" };
  throw error;
}
