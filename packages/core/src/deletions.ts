import { disbelief } from "./assess.ts";
import { guardDeletes } from "./delete-guard.ts";
import { type DeletionOptions, DeletionRun, isUnsettled } from "./deletion-run.ts";
import { emitWarning } from "./events.ts";
import { knownFiles } from "./known-files.ts";
import { neighboursOf } from "./neighbours.ts";
import type { SourceRoot } from "./ports/file-system.ts";
import type { UploadRecord } from "./upload.ts";

/** A scan that has just seen the whole folder, and is still the owner's. */
export interface FinishedScan {
  readonly upload: UploadRecord;
  readonly root: SourceRoot;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Every folder could be read, and absence was believed. */
  readonly complete: boolean;
  readonly seen: number;
  readonly changed: number;
  readonly removed: number;
  readonly skipped: number;
  /** The folder is on the device of the last scan. */
  readonly sameDevice: boolean;
  /** Somebody vouches for the folder. */
  readonly trusted: boolean;
  /** Somebody has lifted the limits for this once. */
  readonly allowDeletes: boolean;
}

/** When everything was last found settled. */
interface Settled {
  readonly scan: number;
  readonly removedFiles: number;
  /** On the monotonic clock. */
  readonly until: number;
}

/** However quiet it is: what an owner that died has left is found in that time. Milliseconds. */
const LOOK_EVERY = 3_600_000;

/**
 * Deletes the objects of files that are gone from their folder, where the upload says so. A file is REMOVED and keeps its
 * evidence until its object is settled, so that a death at any instant leaves nothing forgotten: the next complete scan
 * goes on.
 */
export class Deletions {
  readonly #options: DeletionOptions;
  readonly #settled = new Map<string, Settled>();

  constructor(options: DeletionOptions) {
    this.#options = options;
  }

  /**
   * Call it while the scan is the owner's: nobody else can find a file that is back, and queue it, as long as that holds.
   * What fails is told as a warning and left to the next scan.
   * @throws StateStoreError · the signal's reason; deletes in flight have ended by then
   */
  async deleteGone(scan: FinishedScan, signal: AbortSignal): Promise<void> {
    const { state, uploads, clock, emit } = this.#options;
    const { upload } = scan;
    if (upload.spec.onSourceDelete !== "delete" || disbelief({ ...scan, doubt: null }) !== null) return;
    const removedFiles = (await state.counters(upload.id)).REMOVED.files;
    if (this.#isQuiet(scan, removedFiles)) return;
    this.#settled.delete(upload.id);
    const { recorded, unsettled } = await this.#count(upload.id, signal);
    if (unsettled > 0) {
      const uploaded = (await state.counters(upload.id)).UPLOADED.files;
      const refusal = guardDeletes({ due: recorded, uploaded }, upload, scan.allowDeletes);
      if (refusal) return emitWarning(emit, refusal, upload.id);
      const order = { ...scan, neighbours: await neighboursOf(upload, uploads.inStates({})) };
      if (!(await new DeletionRun(this.#options, order, signal).deleteAll(recorded))) return;
    }
    const until = clock.monotonic() + LOOK_EVERY;
    this.#settled.set(upload.id, { scan: scan.startedAt, removedFiles, until });
  }

  /**
   * Whether nothing can have become due since everything was settled. Files become REMOVED by a scan, or, when they were
   * queued, by a worker; they cease to be it only by a scan. So without either in this scan the number of REMOVED files
   * tells, if there was no other scan in between.
   */
  #isQuiet({ upload, startedAt, changed, removed, skipped }: FinishedScan, removedFiles: number): boolean {
    const settled = this.#settled.get(upload.id);
    if (!settled || settled.until <= this.#options.clock.monotonic()) return false;
    if (settled.scan !== upload.lastScan?.startedAt || changed + removed + skipped > 0) return false;
    if (settled.removedFiles !== removedFiles) return false;
    this.#settled.set(upload.id, { ...settled, scan: startedAt });
    return true;
  }

  /** Objects that are recorded; and all that there may be. */
  async #count(uploadId: string, signal: AbortSignal): Promise<{ recorded: number; unsettled: number }> {
    const counted = { recorded: 0, unsettled: 0 };
    for await (const file of knownFiles(this.#options.state, uploadId, ["REMOVED"])) {
      signal.throwIfAborted();
      if (file.evidence) counted.recorded++;
      if (isUnsettled(file)) counted.unsettled++;
    }
    return counted;
  }
}
