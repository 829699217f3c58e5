import { hash } from "node:crypto";
import type { BufferPool, Loan } from "./buffers.ts";
import { type Checksum, crc32Of, formatCrc32 } from "./checksum.ts";
import { BucketlineError, SourceError } from "./errors.ts";
import { type Emit, emitFile, fileEvent, type SentPart } from "./events.ts";
import {
  type Evidence,
  type FileAction,
  type FileRecord,
  type FinishedPart,
  reduceFile,
  type SourceFacts,
  sourceFacts,
  withoutDevice,
} from "./file.ts";
import type { Ledger } from "./ledger.ts";
import type { StepTrace } from "./pipeline/trace.ts";
import type { Clock } from "./ports/clock.ts";
import type { OpenFile } from "./ports/file-system.ts";
import type { ObjectSettings, ObjectStore, PutObjectRequest, WriteCondition } from "./ports/object-store.ts";
import type { FileLedger } from "./ports/state-store.ts";
import type { ProgressMeter } from "./progress.ts";
import type { Throughput } from "./throughput.ts";

/** What every transfer of a service shares. */
export interface TransferContext {
  readonly objects: ObjectStore;
  readonly state: FileLedger;
  readonly ledger: Ledger;
  readonly buffers: BufferPool;
  readonly progress: ProgressMeter;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Bytes. Larger files go in parts, where parts do not grow beyond. */
  readonly chunkSize: number;
  /** Parts of one file in flight at once: to begin with, and at most. */
  readonly partsAtOnce: number;
  readonly partsAtMost: number;
  readonly throughput: Throughput;
}

/** Where bodies wait until they may be sent. */
export interface Pace {
  /** Whether bytes per second are limited: then a body is a burst. */
  readonly isLimited: boolean;
  /** Waits for so many bytes. @throws the reason of the drain, which ends the wait */
  take(bytes: number): Promise<void>;
  /** They were not sent after all. */
  refund(bytes: number): void;
  /** The body is sent now; each repetition counts, too. */
  own(body: Uint8Array): void;
  /** All is sent and verified; what is left is to record it, for which others need not wait. */
  records(): void;
}

/** Memory for one body. Give it back exactly once. */
export class BodyLoan implements Loan {
  readonly #loan: Loan;
  readonly #pace: Pace;
  readonly #size: number;
  #hasLeft = false;

  constructor(loan: Loan, pace: Pace) {
    this.#loan = loan;
    this.#pace = pace;
    this.#size = loan.bytes.length;
  }

  get bytes(): Buffer<ArrayBuffer> {
    return this.#loan.bytes;
  }

  replace(bytes: Buffer<ArrayBuffer>): void {
    this.#loan.replace(bytes);
  }

  /** The body is sent now; unless told, its bandwidth is given back with it. */
  leaves(): void {
    this.#hasLeft = true;
    this.#pace.own(this.bytes);
  }

  release(): void {
    if (!this.#hasLeft) this.#pace.refund(this.#size);
    this.#loan.release();
  }
}

/** How a transfer is asked to end early. */
export interface StopSignals {
  /** Begin nothing new; what is in flight may finish. */
  readonly drain: AbortSignal;
  /** Stop at once. */
  readonly abort: AbortSignal;
}

/** One file in the hands of its owner: the record as it stands, and the one way to move it on. */
export class FileTask {
  readonly context: TransferContext;
  readonly bucket: string;
  readonly condition: WriteCondition | undefined;
  readonly stop: StopSignals;
  readonly pace: Pace;
  #file: FileRecord;
  #settings: ObjectSettings;
  #traces: StepTrace[] = [];

  constructor(
    file: FileRecord,
    target: {
      readonly bucket: string;
      readonly settings: ObjectSettings;
      readonly condition: WriteCondition | undefined;
    },
    context: TransferContext,
    { stop, pace }: { readonly stop: StopSignals; readonly pace: Pace },
  ) {
    this.#file = file;
    this.context = context;
    this.bucket = target.bucket;
    this.#settings = target.settings;
    this.condition = target.condition;
    this.stop = stop;
    this.pace = pace;
  }

  get file(): FileRecord {
    return this.#file;
  }

  /** How the object is stored. */
  get settings(): ObjectSettings {
    return this.#settings;
  }

  /** A pipeline changes how the object is stored. */
  setSettings(settings: ObjectSettings): void {
    this.#settings = settings;
  }

  /** Recorded with the next change. */
  trace(trace: StepTrace): void {
    this.#traces.push(trace);
  }

  get address() {
    return {
      bucket: this.bucket,
      key: this.#file.key,
      expectedBucketOwner: this.#settings.expectedBucketOwner,
      signal: this.stop.abort,
    };
  }

  /**
   * Moves the record on and tells the event once that is durable.
   * @throws BucketlineError `FENCE_LOST` when another owner has the file
   */
  async apply(action: FileAction, parts?: readonly FinishedPart[]): Promise<void> {
    const before = this.#file;
    const after = reduceFile(before, action, this.context.clock.now(), this.#traces);
    this.#file = after;
    this.#traces = [];
    await this.context.ledger.commit(parts ? { before, after, parts } : { before, after });
    emitFile(this.context.emit, action, after);
  }

  /** Nothing is left but to record how it went, for which others need not wait; unless the ledger itself is in trouble. */
  records(): void {
    if (!this.context.ledger.isHeldUp) this.pace.records();
  }

  /**
   * Memory for a body whose turn to be sent has come: none is held while it waits for bandwidth.
   * @throws the drain's reason, or the abort's
   */
  async borrowToSend(size: number): Promise<BodyLoan> {
    const { pace } = this;
    await pace.take(size);
    try {
      return new BodyLoan(await this.context.buffers.borrow(size, this.stop.abort, this.#file.uploadId), pace);
    } catch (error) {
      pace.refund(size);
      throw error;
    }
  }

  /** `bytes` of the file are finished, `sent` of them were sent just now: as this part, if it goes in parts. */
  advance(bytes: number, sent: number, part?: SentPart): void {
    this.context.progress.advance(this.#file, bytes, sent);
    this.context.emit("file:progress", () => ({ ...fileEvent(this.#file), bytes, sentBytes: sent, ...part }));
  }
}

/** An open source file, pinned to what it was when it was opened. */
export interface Source {
  readonly handle: OpenFile;
  readonly facts: SourceFacts;
  /** Names these bytes of this file of this upload; the same again after a crash. */
  readonly token: string;
  /** Bytes to send: the file's own, or what its pipeline has made of them. */
  readonly size: number;
  /** Reads what is to be sent, as `OpenFile.read`. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Null: the file's own bytes are sent. */
  readonly made: Made | null;
}

/** What is known of the output of a pipeline before it is sent. */
export interface Made {
  /** Of the output. */
  readonly checksum: Checksum;
  /** Of the file's own bytes. */
  readonly sourceChecksum: Checksum;
}

export async function pinSource(handle: OpenFile, file: FileRecord): Promise<Source> {
  const facts = sourceFacts(handle.snapshot?.facts ?? (await handle.stat()));
  const { size, fingerprint } = facts;
  const read: Source["read"] = (target, position) => handle.read(target, position);
  return { handle, facts, token: tokenOf(file, fingerprint), size, read, made: null };
}

/** The token of the write of these bytes: of a file of an upload, when its fingerprint was this. */
function tokenOf({ uploadId, path }: FileRecord, fingerprint: string): string {
  const identity = JSON.stringify([uploadId, path, withoutDevice(fingerprint)]);
  return hash("sha256", identity).slice(0, 32);
}

/** Whether it is the token of a write of these bytes, or of what a pipeline has made of them. */
export function isTokenOf(token: string | undefined, file: FileRecord, fingerprint: string): boolean {
  const own = tokenOf(file, fingerprint);
  return token === own || (token?.startsWith(`${own}-`) ?? false);
}

/** How many of the file's own bytes so many sent ones stand for. */
export function sourceBytes(source: Source, sent: number): number {
  return source.made === null ? sent : Math.floor((sent / Math.max(source.size, 1)) * source.facts.size);
}

/** What a store is told of a body, so that it can check it. */
export type BodyHashes = Pick<PutObjectRequest, "checksum" | "sha256">;

/**
 * Fills the loan with exactly the bytes that are to be sent from there.
 * @throws SourceError `SOURCE_CHANGED` when the pinned file is shorter by now · BucketlineError `INTEGRITY` when the spooled
 *   output of its pipeline is
 */
export async function readExactly(
  { context, bucket, file }: FileTask,
  source: Source,
  loan: Loan,
  position: number,
): Promise<BodyHashes> {
  const size = loan.bytes.length;
  const withSha256 = context.objects.usesSha256?.(bucket) ?? false;
  const { handle, made } = source;
  // What a pipeline has made is elsewhere.
  const isThread = made === null && handle.readHashed !== undefined;
  const hashed = isThread ? await handle.readHashed?.(loan.bytes, position, withSha256) : undefined;
  if (hashed) loan.replace(hashed.bytes);
  const read = hashed?.read ?? (await source.read(loan.bytes, position));
  if (read < size) throw made === null ? changed(file.path) : damaged(file.path);
  return { checksum: formatCrc32(hashed?.crc32 ?? crc32Of(loan.bytes)), sha256: hashed?.sha256 };
}

/**
 * Asks the open descriptor whether anybody touched the file since it was pinned. Called after the last byte was read and
 * before an object becomes visible.
 * @throws SourceError `SOURCE_CHANGED`
 */
export async function checkUntouched(source: Source, path: string): Promise<void> {
  // It was touched by nobody while it was read.
  if (source.handle.snapshot) return;
  const now = sourceFacts(await source.handle.stat());
  if (now.fingerprint !== source.facts.fingerprint) throw changed(path);
}

/** The output of a pipeline is not any more what it was when it was made. */
export function damaged(path: string): BucketlineError {
  return new BucketlineError("INTEGRITY", `The spooled output of ${path} was damaged on disk. It is made anew.`);
}

function changed(path: string): SourceError {
  return new SourceError(
    "SOURCE_CHANGED",
    `${path} changed while it was being sent. It is sent again once it is quiet.`,
  );
}

export function evidenceOf(
  task: FileTask,
  source: Source,
  written: { readonly etag: string; readonly versionId?: string | undefined },
  checksum: Checksum,
): Evidence {
  return {
    key: task.file.key,
    size: source.size,
    etag: written.etag,
    versionId: written.versionId ?? null,
    checksum,
    fingerprint: source.facts.fingerprint,
    uploadedAt: task.context.clock.now(),
    ...(source.made && { sourceChecksum: source.made.sourceChecksum }),
  };
}
