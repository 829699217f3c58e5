import type { FileRecord } from "./file.ts";
import type { Clock } from "./ports/clock.ts";
import type { Counters } from "./ports/state-store.ts";
import type { UploadRecord, UploadState } from "./upload.ts";

/** Where an upload stands. Absolute figures; bytes; plain JSON. */
export interface Progress {
  readonly uploadId: string;
  readonly state: UploadState;
  /** Files that are to be, or are, in the bucket: without skipped and removed ones. */
  readonly filesTotal: number;
  readonly filesUploaded: number;
  readonly filesFailed: number;
  readonly filesSkipped: number;
  /** Queued or in flight. */
  readonly filesPending: number;
  readonly bytesTotal: number;
  /** Of finished files, and of the finished parts of those in flight. */
  readonly bytesUploaded: number;
  /** 0 … 1. */
  readonly fraction: number;
  /** Bytes per second over the last seconds; 0 when idle. */
  readonly rate: number;
  /** Seconds; null when unknown. */
  readonly etaSeconds: number | null;
}

/** Weight of the newest second in the rate. */
const SMOOTHING = 0.25;

interface Meter {
  /** Finished bytes per file in flight. */
  readonly inFlight: Map<string, number>;
  sent: number;
  rate: number;
  measuredAt: number;
  dirty: boolean;
}

/** What is in flight right now, in memory only; the ledger's counters know the rest. */
export class ProgressMeter {
  readonly #clock: Clock;
  readonly #meters = new Map<string, Meter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A file in flight has `bytes` finished, `sent` of them just now. */
  advance(file: FileRecord, bytes: number, sent: number): void {
    const meter = this.#meter(file.uploadId);
    meter.inFlight.set(file.path, bytes);
    meter.sent += sent;
    meter.dirty = true;
  }

  /** The file is no longer in flight. */
  leave(file: FileRecord): void {
    const meter = this.#meter(file.uploadId);
    meter.inFlight.delete(file.path);
    meter.dirty = true;
  }

  /** The ledger's counters have changed: another host works on the upload. */
  touch(uploadId: string): void {
    this.#meter(uploadId).dirty = true;
  }

  /** Drops the upload's figures, unless something of it still moves. */
  forgetIdle(uploadId: string): void {
    const meter = this.#meters.get(uploadId);
    if (meter && !meter.dirty && meter.rate === 0 && meter.inFlight.size === 0) this.#meters.delete(uploadId);
  }

  /** Uploads that changed since they were last taken; measures their rate. */
  takeDirty(): string[] {
    const dirty: string[] = [];
    for (const [uploadId, meter] of this.#meters) {
      if (!meter.dirty && meter.rate === 0) continue;
      meter.dirty = false;
      this.#measure(meter);
      dirty.push(uploadId);
    }
    return dirty;
  }

  progress(upload: UploadRecord, counters: Counters): Progress {
    const meter = this.#meters.get(upload.id);
    let flying = 0;
    for (const bytes of meter?.inFlight.values() ?? []) flying += bytes;
    return summarize(upload, counters, flying, meter?.rate ?? 0);
  }

  #meter(uploadId: string): Meter {
    let meter = this.#meters.get(uploadId);
    if (!meter) {
      meter = { inFlight: new Map(), sent: 0, rate: 0, measuredAt: this.#clock.monotonic(), dirty: true };
      this.#meters.set(uploadId, meter);
    }
    return meter;
  }

  #measure(meter: Meter): void {
    const now = this.#clock.monotonic();
    const seconds = (now - meter.measuredAt) / 1000;
    if (seconds <= 0) return;
    const weight = meter.rate === 0 ? 1 : 1 - (1 - SMOOTHING) ** seconds;
    const rate = meter.rate + (meter.sent / seconds - meter.rate) * weight;
    meter.rate = rate < 1 ? 0 : rate;
    meter.sent = 0;
    meter.measuredAt = now;
  }
}

/** @param flying finished bytes of files in flight */
export function summarize(upload: UploadRecord, counters: Counters, flying: number, rate: number): Progress {
  const { PENDING, IN_PROGRESS, UPLOADED, FAILED, SKIPPED } = counters;
  const bytesTotal = PENDING.bytes + IN_PROGRESS.bytes + UPLOADED.bytes + FAILED.bytes;
  const bytesUploaded = Math.min(bytesTotal, UPLOADED.bytes + flying);
  const filesTotal = PENDING.files + IN_PROGRESS.files + UPLOADED.files + FAILED.files;
  const bytesLeft = PENDING.bytes + IN_PROGRESS.bytes - flying;
  return {
    uploadId: upload.id,
    state: upload.state,
    filesTotal,
    filesUploaded: UPLOADED.files,
    filesFailed: FAILED.files,
    filesSkipped: SKIPPED.files,
    filesPending: PENDING.files + IN_PROGRESS.files,
    bytesTotal,
    bytesUploaded,
    fraction:
      upload.state === "COMPLETED" && filesTotal === 0
        ? 1
        : fractionOf(bytesUploaded, bytesTotal, UPLOADED.files, filesTotal),
    rate: Math.round(rate),
    etaSeconds: etaSeconds(upload, bytesLeft, rate),
  };
}

function etaSeconds(upload: UploadRecord, bytesLeft: number, rate: number): number | null {
  if (bytesLeft > 0) return rate > 0 ? Math.ceil(bytesLeft / rate) : null;
  // Nobody knows what the first scan will find.
  return upload.lastScan === null && upload.state !== "CANCELLED" ? null : 0;
}

/** By bytes; by files when all are empty. Never 1 while a file is missing, or before the first is known. */
function fractionOf(bytes: number, bytesTotal: number, files: number, filesTotal: number): number {
  if (filesTotal === 0) return 0;
  if (files === filesTotal) return 1;
  const fraction = bytesTotal === 0 ? files / filesTotal : bytes / bytesTotal;
  return Math.min(fraction, 0.999);
}
