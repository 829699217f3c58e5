import { unlessAborted } from "./abortable.ts";
import { DueList } from "./due-list.ts";
import { reasonOf, SourceError } from "./errors.ts";
import { emitWarning } from "./events.ts";
import { LiveWatches, type WatchStatus } from "./live-watches.ts";
import type { FolderWatcher } from "./ports/folder-watcher.ts";
import { runScan, type ScanContext, type ScanRequest, takeUpAgain } from "./scan-run.ts";
import { ScanSlots } from "./scan-slots.ts";
import { isAtHome, isResting, type ScanSummary, type UploadRecord } from "./upload.ts";
import { Wakeup } from "./wakeup.ts";

export interface MonitorOptions extends ScanContext {
  /** Between two scans of a watched upload, in milliseconds. */
  readonly interval: number;
  /** For uploads that are bound to one. */
  readonly host: string;
  /** Undefined: no file system events. */
  readonly watcher: FolderWatcher | undefined;
}

/** What there is to see of a monitor at one moment. */
export interface MonitorStatus {
  /** Whether it looks after folders: from the start of the service until it stops. */
  readonly alive: boolean;
  /** Uploads whose folders are scanned again, or for the first time soon. */
  readonly watched: number;
  /** Scans under way. */
  readonly scanning: number;
  /** When this service last finished one; milliseconds since 1970, null before. */
  readonly lastScanAt: number | null;
  /** Between two scans of a folder whose upload has no schedule of its own, in milliseconds. */
  readonly intervalMs: number;
}

/** How long after a file system event a scan begins, so that it sees more than the first change of many. Milliseconds. */
const HINT_DELAY_MS = 100;
/** However much changes, a folder is scanned so many times its last scan's duration apart, and at least this. */
const REST_FACTOR = 10;
const REST_MS = 1_000;
/** How often a scan of another owner that somebody waits for is looked at. Milliseconds. */
const JOIN_POLL_MS = 500;

/** `fresh`: it was not due, as somebody has just scanned. */
type Outcome = ScanSummary | "elsewhere" | "fresh" | undefined;

interface Running {
  readonly scanning: Promise<Outcome>;
  readonly request: ScanRequest;
}

/**
 * Scans folders: once when an upload starts, and then by its schedule for those in watch mode. Two scans of one upload
 * never overlap, whichever processes share the ledger; the interval is theirs together. File system events bring a scan
 * forward and are never believed otherwise. What a scan finds is in the ledger before anybody is told to work on it.
 */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #slots = new ScanSlots();
  readonly #due: DueList;
  readonly #live: LiveWatches;
  /** When each watched upload may be scanned again for a hint; monotonic. */
  readonly #restsUntil = new Map<string, number>();
  /** Hinted while a scan was under way, which may have passed the place already. */
  readonly #hintedAgain = new Set<string>();
  /** Uploads that must not be finished before they are scanned. */
  readonly #owed = new Set<string>();
  readonly #running = new Map<string, Running>();
  readonly #bell = new Wakeup();
  readonly #ended = new AbortController();
  #loop: Promise<void> | undefined;
  #isAlive = false;
  #lastScanAt: number | null = null;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#due = new DueList(options.clock, options.interval);
    const { watcher, emit } = options;
    this.#live = new LiveWatches({ watcher, emit, onHint: (uploadId) => this.hint(uploadId) });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  get status(): MonitorStatus {
    const { size: watched } = this.#due;
    const { interval: intervalMs } = this.#options;
    return { alive: this.#isAlive, watched, scanning: this.#running.size, lastScanAt: this.#lastScanAt, intervalMs };
  }

  /** Also when a scan is owed that nobody may finish the upload without. */
  isScanning(uploadId: string): boolean {
    return this.#running.has(uploadId) || this.#owed.has(uploadId);
  }

  /** Scans the upload soon and, in watch mode, again by its schedule. Of one that is watched already, follows the schedule. */
  watch(upload: UploadRecord): void {
    if (this.#ended.signal.aborted || !isAtHome(upload, this.#options.host)) return;
    if (this.#due.has(upload.id)) this.#due.adjust(upload);
    // Of a single scan, one that is under way is the one.
    else if (upload.spec.mode === "watch" || !this.#running.has(upload.id)) this.#due.add(upload);
    this.#live.follow(upload);
    this.#bell.ring();
  }

  /** Queues what is due again of a watched upload whose own schedule may not come round for long. */
  async tend(upload: UploadRecord): Promise<void> {
    const { mode, schedule } = upload.spec;
    if (mode !== "watch" || schedule === null || this.#running.has(upload.id)) return;
    if (isAtHome(upload, this.#options.host)) await takeUpAgain(this.#options, upload);
  }

  /** Scans the upload once more, as soon as may be: not before that it is finished. */
  rescan(upload: UploadRecord): void {
    if (this.#ended.signal.aborted || isResting(upload) || !isAtHome(upload, this.#options.host)) return;
    this.#owed.add(upload.id);
    if (this.#running.has(upload.id)) this.#hintedAgain.add(upload.id);
    if (!this.#due.has(upload.id)) this.#due.add(upload);
    this.hint(upload.id);
  }

  /** Another owner scans it, or has died scanning it: what it does not get done is still owed. */
  #oweFor(upload: UploadRecord): void {
    this.#owed.add(upload.id);
    const again = this.#options.clock.sleep(JOIN_POLL_MS, this.#ended.signal);
    again.then(() => this.#owed.has(upload.id) && this.rescan(upload)).catch(() => {});
  }

  forget(uploadId: string): void {
    this.#owed.delete(uploadId);
    this.#options.intake.forget(uploadId);
    this.#due.remove(uploadId);
    this.#restsUntil.delete(uploadId);
    void this.#live.leave(uploadId);
  }

  /** How changes of the upload's folder come to notice here. */
  watchStatus(uploadId: string): WatchStatus {
    return this.#live.status(uploadId);
  }

  /** Something in the folder is worth a look. */
  hint(uploadId: string): void {
    if (this.#running.has(uploadId)) {
      this.#hintedAgain.add(uploadId);
      return;
    }
    const rest = (this.#restsUntil.get(uploadId) ?? 0) - this.#options.clock.monotonic();
    this.#due.hasten(uploadId, Math.max(HINT_DELAY_MS, rest));
    this.#bell.ring();
  }

  /**
   * Scans the upload now; joins a scan that is under way, unless that one was asked for less.
   * @returns how it went, or undefined when the upload is gone, paused or cancelled, or the folder could not be read
   */
  async check(uploadId: string, request: ScanRequest = {}): Promise<ScanSummary | undefined> {
    const { uploads } = this.#options;
    for (;;) {
      const { lastScan } = await uploads.get(uploadId);
      const running = this.#running.get(uploadId);
      const joins = running === undefined || !asksMore(request, running.request);
      const outcome = await (running?.scanning ?? this.#begin(uploadId, request));
      if (outcome === "fresh") continue;
      if (outcome !== "elsewhere" && joins) return outcome;
      const joined = outcome === "elsewhere" ? await this.#join(uploadId) : null;
      if (this.#ended.signal.aborted) return undefined;
      if (joined && joined.startedAt !== lastScan?.startedAt && !asksMore(request, {})) return joined;
    }
  }

  #begin(uploadId: string, request: ScanRequest, onSchedule = false): Promise<Outcome> {
    const running = this.#running.get(uploadId);
    if (running !== undefined) return running.scanning;
    const scanning = this.#inTurn(uploadId, () => this.#timed(uploadId, request, onSchedule)).finally(() => {
      this.#running.delete(uploadId);
      if (this.#hintedAgain.delete(uploadId)) this.hint(uploadId);
      void this.#afterwards(uploadId);
    });
    this.#running.set(uploadId, { scanning, request });
    return scanning;
  }

  /** Scans once there is a place for its disk. */
  async #inTurn(uploadId: string, scan: () => Promise<Outcome>): Promise<Outcome> {
    const device = await this.#deviceOf(await this.#options.uploads.get(uploadId));
    return await this.#slots.run(device, scan);
  }

  /** Of a first scan it is asked for, before that takes a place which a disk that hangs would keep. */
  async #deviceOf({ id, spec, lastScan }: UploadRecord): Promise<string> {
    if (lastScan) return `device ${lastScan.device}`;
    try {
      // Of a drop folder, all four are on one device.
      return `device ${(await this.#options.fileSystem.openRoot(spec.sourceFolder)).facts.dev}`;
    } catch {
      // The scan says why.
      return `upload ${id}`;
    }
  }

  /** Waits until no living owner scans the upload. @returns how its last scan went */
  async #join(uploadId: string): Promise<ScanSummary | null> {
    const { uploads, clock, owner } = this.#options;
    for (;;) {
      const upload = await uploads.get(uploadId);
      if (!(await uploads.isScannedByOther(upload, owner))) return upload.lastScan;
      await clock.sleep(JOIN_POLL_MS, this.#ended.signal).catch(() => {});
      if (this.#ended.signal.aborted) return null;
    }
  }

  /** Scans under way end at their next step; `abort` does not wait for one that hangs. */
  async stop(abort: AbortSignal): Promise<void> {
    this.#ended.abort();
    await unlessAborted(this.#live.close(), abort).catch(() => {});
    await this.#loop;
    await unlessAborted(Promise.allSettled([...this.#running.values()].map(({ scanning }) => scanning)), abort);
  }

  async #run(): Promise<void> {
    const { clock, emit } = this.#options;
    this.#isAlive = true;
    try {
      while (!this.#ended.signal.aborted) {
        for (const { uploadId, why } of this.#due.take()) {
          emit("monitor:check", () => ({ uploadId }));
          this.#begin(uploadId, {}, why === "schedule").catch((error: unknown) => this.#warn(uploadId, error));
        }
        await this.#bell.wait(clock, this.#due.wait(), this.#ended.signal);
      }
    } finally {
      this.#isAlive = false;
    }
  }

  async #timed(uploadId: string, request: ScanRequest, onSchedule: boolean): Promise<Outcome> {
    const { clock } = this.#options;
    const begun = clock.monotonic();
    try {
      return await this.#check(uploadId, request, onSchedule);
    } finally {
      const ended = clock.monotonic();
      if (this.#due.has(uploadId))
        this.#restsUntil.set(uploadId, ended + Math.max(REST_MS, (ended - begun) * REST_FACTOR));
    }
  }

  async #check(uploadId: string, request: ScanRequest, onSchedule: boolean): Promise<Outcome> {
    const { uploads, owner, interval } = this.#options;
    if (this.#ended.signal.aborted) return undefined;
    const current = await uploads.applyIfAllowed(uploadId, { type: "start" });
    const rests = isResting(current);
    const isOwed = this.#owed.delete(uploadId);
    if (rests || current.spec.mode === "once") this.forget(uploadId);
    if (rests) return undefined;
    if (onSchedule && this.#isFresh(current)) return "fresh";
    const upload = await uploads.beginScan(uploadId, owner);
    if (!upload) {
      if (isOwed) this.#oweFor(current);
      return "elsewhere";
    }
    try {
      const scan = await runScan(this.#options, upload, request, this.#ended.signal);
      this.#lastScanAt = scan.finishedAt;
      this.#lookAgain(uploadId);
      return scan;
    } catch (error) {
      await uploads.endScan(uploadId, owner, null).catch((cause: unknown) => this.#warn(uploadId, cause));
      if (this.#ended.signal.aborted) return undefined;
      if (!(error instanceof SourceError)) {
        // Not the folder's fault, and no schedule foresees it.
        this.#due.hasten(uploadId, interval);
        this.#bell.ring();
        throw error;
      }
      this.#warn(uploadId, error);
      await uploads.applyIfAllowed(uploadId, { type: "fail", reason: error.reason });
      return undefined;
    }
  }

  /** What was not quiet in a drop folder has no record, so nobody else waits for it. */
  #lookAgain(uploadId: string): void {
    const delay = this.#options.intake.again(uploadId);
    if (delay === null) return;
    this.#due.hasten(uploadId, delay);
    this.#bell.ring();
  }

  #isFresh(upload: UploadRecord): boolean {
    if (!this.#due.isFresh(upload)) return false;
    this.#bell.ring();
    return true;
  }

  /** The scan no longer stands in the way of finishing the upload. */
  async #afterwards(uploadId: string): Promise<void> {
    try {
      this.#options.admit(await this.#options.uploads.get(uploadId));
    } catch (error) {
      this.#warn(uploadId, error);
    }
  }

  #warn(uploadId: string, error: unknown): void {
    emitWarning(this.#options.emit, reasonOf(error), uploadId);
  }
}

/** Whether a scan that was asked for `other` does not do what is asked for. */
function asksMore(request: ScanRequest, other: ScanRequest): boolean {
  const trustsMore = request.trustFolder === true && other.trustFolder !== true;
  return trustsMore || (request.allowDeletes === true && other.allowDeletes !== true);
}
