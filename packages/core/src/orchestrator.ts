import { nextActive } from "./active-hours.ts";
import type { Bandwidth } from "./bandwidth.ts";
import { Concurrency, type Load } from "./concurrency.ts";
import { Custody } from "./custody.ts";
import { disprove } from "./disprove.ts";
import { type Reason, reasonOf } from "./errors.ts";
import { emitFile, emitWarning } from "./events.ts";
import { type Evidence, type FileRecord, reduceFile } from "./file.ts";
import type { Flight } from "./flight.ts";
import { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { outcomeOf } from "./outcome.ts";
import type { Random } from "./ports/clock.ts";
import type { FileSystem } from "./ports/file-system.ts";
import type { StateStore } from "./ports/state-store.ts";
import { backoff } from "./retry.ts";
import type { TransferContext } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";
import { Wakeup } from "./wakeup.ts";
import type { AttemptResult, Worker } from "./worker.ts";

export interface OrchestratorOptions {
  readonly state: StateStore;
  readonly uploads: Uploads;
  readonly worker: Worker;
  readonly context: TransferContext;
  readonly fileSystem: FileSystem;
  readonly random: Random;
  /** Name under which files are claimed. */
  readonly owner: string;
  /** Whether the upload's files can be worked on here. */
  readonly mayWork: (upload: UploadRecord) => boolean;
  /** Files in flight at once, but for those that only wait for their upload's bandwidth, or for a source that hangs. */
  readonly concurrency: number;
  readonly bandwidth: Bandwidth;
  /** Of the service, as in `UploadSpec`; null: always. */
  readonly activeHours: string | null;
  /** Longest time for which a queued file is ever put off, in milliseconds. */
  readonly longestDelay: number;
  /** Whether a scan of the upload is under way, so that it cannot be finished yet. */
  readonly isScanning: (uploadId: string) => boolean;
  /** Whether our lease holds: without it nothing may be claimed. */
  readonly mayClaim: () => boolean;
}

/** Files taken from the ledger in one transaction. */
const CLAIM_BATCH = 32;
const HOLD = { baseMs: 1_000, capMs: 60_000 };
const STORE_TROUBLE_MS = 1_000;
/** How often new work is looked for while another owner scans. */
const SCANNED_BY_OTHER_MS = 1_000;

/**
 * Keeps a bounded number of files in flight, fair between uploads and by priority, and finishes an upload when nothing is
 * left to do. One loop does it all; everybody else only rings its bell.
 */
export class Orchestrator {
  readonly #options: OrchestratorOptions;
  readonly #concurrency: Concurrency;
  readonly #lanes: Lanes;
  readonly #bell = new Wakeup();
  readonly #ended = new AbortController();
  readonly #custody: Custody;
  #hours: string | null;
  #loop: Promise<void> | undefined;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
    this.#lanes = new Lanes(options.concurrency);
    this.#concurrency = new Concurrency(options.concurrency, () => this.#bell.ring());
    this.#hours = options.activeHours;
    const { state, uploads, owner } = options;
    this.#custody = new Custody({ state, uploads, owner, release: (files) => this.#giveBack(files) });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  get hours(): string | null {
    return this.#hours;
  }

  get load(): Load {
    return { inFlight: this.#lanes.inFlight, concurrency: this.#concurrency.bounds };
  }

  /** The store has asked to slow down. */
  throttled(): void {
    this.#concurrency.throttled(this.#options.context.clock.monotonic());
  }

  /** The service's hours are others now. */
  setHours(hours: string | null): void {
    this.#hours = hours;
    for (const lane of this.#lanes.all()) {
      lane.toldOfHours = false;
      lane.lookAgainAt = 0;
    }
    this.#bell.ring();
  }

  /** The upload has, or may have, work: takes it on, or looks again. Only IN_PROGRESS uploads have lanes. */
  admit(upload: UploadRecord): void {
    if (upload.state !== "IN_PROGRESS" || this.#ended.signal.aborted) return;
    if (!this.#options.mayWork(upload)) return;
    const lane = this.#lanes.get(upload.id);
    if (lane) this.#lanes.follow(lane, upload);
    else this.#lanes.add(this.#newLane(upload));
    this.wake(upload.id);
  }

  #newLane(upload: UploadRecord): Lane {
    const { fileSystem, bandwidth, context } = this.#options;
    const onWait = () => this.#bell.ring();
    return new Lane(upload, { fileSystem, clock: context.clock, share: bandwidth.share(upload.id), onWait });
  }

  /** There may be something to do for the upload. */
  wake(uploadId: string): void {
    const lane = this.#lanes.get(uploadId);
    if (!lane) return;
    lane.lookAgainAt = 0;
    this.#bell.ring();
  }

  /** Stops the upload's transfers at once, gives its files back, and forgets it. */
  async dismiss(uploadId: string): Promise<void> {
    const lane = this.#lanes.get(uploadId);
    if (!lane) return;
    this.#lanes.remove(lane);
    lane.abort();
    await this.#empty(lane);
  }

  /** Follows what other processes have done to the upload: takes it on, or lets go of it. */
  async follow(upload: UploadRecord): Promise<void> {
    this.admit(upload);
    if (upload.state === "IN_PROGRESS" || !this.#lanes.get(upload.id)) return;
    // Read anew: it may have been reopened here since.
    const { state } = await this.#options.uploads.get(upload.id);
    // Not awaited: a read that hangs must not hold up everything else that is looked after.
    if (state !== "IN_PROGRESS") this.#letGo(upload.id);
  }

  /** Gives back what is ours by the ledger and in nobody's hands. */
  async reclaim(): Promise<void> {
    await this.#custody.reclaim();
    this.#bell.ring();
  }

  /** Our lease ran out: others may hold what we held, so nothing of it goes on. `follow` begins again. */
  lapse(): void {
    for (const lane of this.#lanes.all()) this.#letGo(lane.upload.id);
  }

  #letGo(uploadId: string): void {
    this.dismiss(uploadId).catch((error: unknown) => this.#warn(error, uploadId));
  }

  /** Begins nothing new, lets requests in flight finish, and gives everything else back. `abort` cuts that short. */
  async stop(abort: AbortSignal): Promise<void> {
    this.#ended.abort();
    const lanes = this.#lanes.all();
    const cut = () => {
      for (const lane of lanes) lane.abort();
    };
    for (const lane of lanes) lane.drain();
    if (abort.aborted) cut();
    abort.addEventListener("abort", cut, { once: true });
    await this.#loop;
    await Promise.all(lanes.map((lane) => this.#empty(lane)));
    abort.removeEventListener("abort", cut);
    this.#lanes.clear();
  }

  async #run(): Promise<void> {
    const { clock, emit } = this.#options.context;
    while (!this.#ended.signal.aborted) {
      let wait = Number.POSITIVE_INFINITY;
      try {
        await this.#fill();
        wait = this.#nextLook();
      } catch (error) {
        emitWarning(emit, reasonOf(error));
        wait = STORE_TROUBLE_MS;
      }
      await this.#bell.wait(clock, wait, this.#ended.signal);
    }
  }

  async #fill(): Promise<void> {
    const { context, mayClaim } = this.#options;
    if (this.#lanes.hasHours(this.#hours)) await this.#lookAtHours();
    while (!this.#ended.signal.aborted && mayClaim()) {
      const now = context.clock.monotonic();
      const lane = this.#lanes.next(now);
      if (!lane) return;
      // New, adjusted, or late by as long as the ledger took.
      if (lane.isOpen !== lane.isWithin(this.#hours, context.clock.now())) await this.#lookAtHours();
      else if (!lane.isOpen) await this.#rest(lane);
      else if (!this.#isFull(now)) await this.#begin(lane);
      else if (!(await this.#makeRoom(lane, now))) return;
    }
  }

  async #lookAtHours(): Promise<void> {
    for (const lane of this.#lanes.lookAtHours(this.#hours, this.#options.context.clock.now()))
      await this.#giveBack(lane.queue.splice(0));
  }

  #isFull(now: number): boolean {
    return this.#lanes.taken(now) >= this.#concurrency.current;
  }

  async #begin(lane: Lane): Promise<void> {
    this.#lanes.tookTurn(lane);
    if (lane.queue.length === 0) await this.#claim(lane);
    // Somebody may have dismissed the lane while the ledger was asked.
    const file = this.#lanes.has(lane) ? lane.queue.shift() : undefined;
    if (file) this.#launch(lane, file);
  }

  /**
   * When an upload with files to send has no place, and another has had one for long, that one makes room.
   * @returns whether there is room now, or it has nothing to send
   */
  async #makeRoom(waiting: Lane, now: number): Promise<boolean> {
    if (!this.#lanes.outstaying(waiting, now)) return false;
    if (waiting.queue.length === 0) await this.#claim(waiting);
    if (waiting.queue.length === 0) return true;
    this.#lanes.outstaying(waiting, now)?.makeRoom();
    return !this.#isFull(now);
  }

  /** Outside the hours: finishes what has nothing to send, and says so of what has. */
  async #rest(lane: Lane): Promise<void> {
    const { state, context } = this.#options;
    lane.lookAgainAt = Number.POSITIVE_INFINITY;
    const { id, spec } = lane.upload;
    if ((await outcomeOf(state, lane.upload)) !== "unfinished") return await this.#finishIfDone(lane);
    if (lane.toldOfHours) return;
    lane.toldOfHours = true;
    const until = nextActive([this.#hours, spec.activeHours], context.clock.now()) ?? null;
    context.emit("upload:waiting", () => ({ uploadId: id, cause: "activeHours", until }));
  }

  /** Milliseconds until something may change by itself. */
  #nextLook(): number {
    const { clock } = this.#options.context;
    if (!this.#options.mayClaim()) return Number.POSITIVE_INFINITY;
    const now = clock.monotonic();
    const next = this.#isFull(now) ? this.#lanes.nextRoom(now) : this.#lanes.nextLook(now);
    return Math.min(Math.max(0, next - now), this.#lanes.untilHours(this.#hours, clock.now()));
  }

  async #claim(lane: Lane): Promise<void> {
    const { state, owner, context, longestDelay } = this.#options;
    const now = context.clock.now();
    const uploadId = lane.upload.id;
    // Whoever queues something meanwhile sets it anew; when the ledger fails, it is asked again soon.
    lane.lookAgainAt = context.clock.monotonic() + STORE_TROUBLE_MS;
    const claimed = await state.claim({
      uploadId,
      uploadState: "IN_PROGRESS",
      limit: CLAIM_BATCH,
      now,
      horizon: now + longestDelay,
      take: (file) => reduceFile(file, { type: "claim", owner }, now),
    });
    this.#custody.take(claimed);
    if (!this.#lanes.has(lane)) return await this.#giveBack(claimed);
    lane.queue.push(...claimed);
    if (claimed.length > 0) {
      lane.lookAgainAt = 0;
      return;
    }
    lane.lookAgainAt = Number.POSITIVE_INFINITY;
    const due = await state.nextDue(uploadId);
    if (due !== undefined) lane.lookAgainIn(due - now, longestDelay, context.clock.monotonic());
    else if (lane.flights.size === 0) await this.#finishIfDone(lane);
  }

  #launch(lane: Lane, file: FileRecord): void {
    const { context, worker, owner } = this.#options;
    emitFile(context.emit, { type: "claim", owner }, file);
    this.#lanes.launch(lane, (flight) =>
      worker
        .run(file, flight)
        .then((result) => this.#landed(lane, file, result))
        .catch((error: unknown) => this.#warn(error, file.uploadId))
        .finally(() => this.#cleared(lane, flight, file)),
    );
  }

  #cleared(lane: Lane, flight: Flight, file: FileRecord): void {
    this.#custody.drop(file);
    this.#lanes.land(lane, flight);
    if (lane.flights.size === 0) this.#grounded(lane);
    this.#bell.ring();
  }

  /** The last flight has landed: if all were denied, the upload is. */
  #grounded(lane: Lane): void {
    lane.lookAgainAt = 0;
    if (lane.denied) void this.#fail(lane, lane.denied);
  }

  async #landed(lane: Lane, file: FileRecord, result: AttemptResult): Promise<void> {
    switch (result.type) {
      case "done":
        this.#concurrency.succeeded();
        lane.holds = 0;
        lane.succeeded = true;
        lane.denied = undefined;
        return;
      case "retry":
      case "released":
        lane.lookAgainAt = 0;
        return;
      case "lost":
        if (result.wrote) await this.#disprove(file, result.wrote);
        return;
      case "hold":
        return this.#hold(lane, result.reason);
      case "denied":
        lane.denied = lane.succeeded ? undefined : result.reason;
        return;
      case "failUpload":
        void this.#fail(lane, result.reason);
    }
  }

  #hold(lane: Lane, reason: Reason): void {
    const { context, random } = this.#options;
    const now = context.clock.monotonic();
    // Files that are in flight together meet the same trouble together.
    if (now < lane.heldUntil) return;
    lane.holds++;
    lane.heldUntil = now + backoff(lane.holds, HOLD, random);
    emitWarning(context.emit, reason, lane.upload.id);
  }

  async #disprove(file: FileRecord, wrote: Evidence): Promise<void> {
    const upload = await disprove(this.#options.context, this.#options.uploads, file, wrote);
    if (upload) this.admit(upload);
  }

  /** The upload as a whole cannot go on. Its files are given back first: who sees it FAILED sees nothing in flight. */
  async #fail(lane: Lane, reason: Reason): Promise<void> {
    const { id } = lane.upload;
    if (!this.#lanes.has(lane)) return;
    lane.abort();
    try {
      await this.#empty(lane);
      await this.#options.uploads.applyIfAllowed(id, { type: "fail", reason });
    } catch (error) {
      this.#warn(error, id);
    } finally {
      this.#lanes.remove(lane);
    }
  }

  /** COMPLETED when nothing is left to do and nothing failed. A scan under way may still find more. */
  async #finishIfDone(lane: Lane): Promise<void> {
    const { state, uploads, isScanning, owner, context, longestDelay } = this.#options;
    const { id } = lane.upload;
    const upload = await uploads.get(id);
    if (await uploads.isScannedByOther(upload, owner)) {
      // What it finds is work for us, too, and nobody has to tell us.
      return lane.lookAgainIn(SCANNED_BY_OTHER_MS, longestDelay, context.clock.monotonic());
    }
    if (isScanning(id) || upload.lastScan === null) return;
    const failed = await outcomeOf(state, upload);
    if (failed === "unfinished" || isScanning(id)) return;
    this.#lanes.remove(lane);
    await uploads.applyIfAllowed(id, failed ? { type: "fail", reason: failed } : { type: "complete" });
    // Somebody may have queued a file in the same instant: it must not stay behind.
    if ((await outcomeOf(state, upload)) === "unfinished")
      this.admit(await uploads.applyIfAllowed(id, { type: "reopen" }));
  }

  async #empty(lane: Lane): Promise<void> {
    await lane.landed();
    await this.#giveBack(lane.queue.splice(0));
  }

  async #giveBack(files: readonly FileRecord[]): Promise<void> {
    const { ledger, clock } = this.#options.context;
    const release = (file: FileRecord) => reduceFile(file, { type: "release", burnt: false }, clock.now());
    // From here on they are in nobody's hands: should the write fail, they are found and given back later.
    for (const file of files) this.#custody.drop(file);
    await Promise.all(files.map((before) => ledger.offer({ before, after: release(before) })));
  }

  #warn(error: unknown, uploadId: string): void {
    emitWarning(this.#options.context.emit, reasonOf(error), uploadId);
  }
}
