import pLimit, { type LimitFunction } from "p-limit";
import { Concurrency } from "./concurrency.ts";
import { type Reason, reasonOf, SourceError } from "./errors.ts";
import { emitFile } from "./events.ts";
import { type FileRecord, reduceFile } from "./file.ts";
import { Lane } from "./lane.ts";
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
  /** Files in flight at once. */
  readonly concurrency: number;
  /** Longest time for which a queued file is ever put off, in milliseconds. */
  readonly longestDelay: number;
  /** Whether a scan of the upload is under way, so that it cannot be finished yet. */
  readonly isScanning: (uploadId: string) => boolean;
}

/** Files taken from the ledger in one transaction. */
const CLAIM_BATCH = 32;
const HOLD = { baseMs: 1_000, capMs: 60_000 };
const STORE_TROUBLE_MS = 1_000;

/**
 * Keeps a bounded number of files in flight, fair between uploads and by priority, and finishes an upload when nothing is
 * left to do. One loop does it all; everybody else only rings its bell.
 */
export class Orchestrator {
  readonly #options: OrchestratorOptions;
  readonly #pool: LimitFunction;
  readonly #concurrency: Concurrency;
  readonly #lanes = new Map<string, Lane>();
  readonly #bell = new Wakeup();
  readonly #ended = new AbortController();
  readonly #strays: FileRecord[] = [];
  #turn = 0;
  #loop: Promise<void> | undefined;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
    this.#pool = pLimit(options.concurrency);
    this.#concurrency = new Concurrency(options.concurrency, (now) => {
      this.#pool.concurrency = now;
    });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** The store has asked to slow down. */
  throttled(): void {
    this.#concurrency.throttled(this.#options.context.clock.monotonic());
  }

  /** The upload has, or may have, work: takes it on, or looks again. Only IN_PROGRESS uploads have lanes. */
  admit(upload: UploadRecord): void {
    if (upload.state !== "IN_PROGRESS" || this.#ended.signal.aborted) return;
    const lane = this.#lanes.get(upload.id);
    if (lane) lane.upload = upload;
    else this.#lanes.set(upload.id, new Lane(upload));
    this.wake(upload.id);
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
    this.#lanes.delete(uploadId);
    lane.abort();
    await this.#empty(lane);
  }

  /** Follows what other processes have done: takes on uploads that started, lets go of those that stopped. */
  async sync(): Promise<void> {
    const active = new Set<string>();
    for await (const upload of this.#options.uploads.inStates({ states: ["IN_PROGRESS"] })) {
      active.add(upload.id);
      this.admit(upload);
    }
    for (const id of this.#lanes.keys()) {
      if (active.has(id)) continue;
      const upload = await this.#options.uploads.get(id);
      if (upload.state !== "IN_PROGRESS") await this.dismiss(id);
    }
  }

  /** Begins nothing new, lets requests in flight finish, and gives everything else back. `abort` cuts that short. */
  async stop(abort: AbortSignal): Promise<void> {
    this.#ended.abort();
    const lanes = [...this.#lanes.values()];
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
        await this.#releaseStrays();
        await this.#fill();
        wait = this.#nextLook();
      } catch (error) {
        const { code, message } = reasonOf(error);
        emit("warning", () => ({ code, message }));
        wait = STORE_TROUBLE_MS;
      }
      await this.#bell.wait(clock, wait, this.#ended.signal);
    }
  }

  async #fill(): Promise<void> {
    while (this.#pool.activeCount + this.#pool.pendingCount < this.#pool.concurrency) {
      const lane = this.#nextLane();
      if (!lane || this.#ended.signal.aborted) return;
      if (lane.queue.length === 0) await this.#claim(lane);
      // Somebody may have dismissed the lane while the ledger was asked.
      const file = this.#isOpen(lane) ? lane.queue.shift() : undefined;
      if (file) await this.#launch(lane, file);
    }
  }

  /** Of the lanes that have or may have work: highest priority first, then whose turn was longest ago. */
  #nextLane(): Lane | undefined {
    const now = this.#options.context.clock.monotonic();
    let best: Lane | undefined;
    for (const lane of this.#lanes.values()) {
      if (!lane.ready(now) || !this.#isOpen(lane)) continue;
      if (!best || lane.priority > best.priority || (lane.priority === best.priority && lane.turn < best.turn))
        best = lane;
    }
    if (best) best.turn = ++this.#turn;
    return best;
  }

  /** Milliseconds until some lane may have work by itself. */
  #nextLook(): number {
    const now = this.#options.context.clock.monotonic();
    let next = this.#strays.length > 0 ? now + STORE_TROUBLE_MS : Number.POSITIVE_INFINITY;
    if (this.#pool.activeCount + this.#pool.pendingCount >= this.#pool.concurrency) return next - now;
    for (const lane of this.#lanes.values()) if (this.#isOpen(lane)) next = Math.min(next, lane.nextLook());
    return Math.max(0, next - now);
  }

  async #claim(lane: Lane): Promise<void> {
    const { state, owner, context, longestDelay } = this.#options;
    const now = context.clock.now();
    const uploadId = lane.upload.id;
    lane.lookAgainAt = Number.POSITIVE_INFINITY;
    const claimed = await state.claim({
      uploadId,
      limit: CLAIM_BATCH,
      now,
      horizon: now + longestDelay,
      take: (file) => reduceFile(file, { type: "claim", owner }, now),
    });
    if (!this.#isOpen(lane)) return await this.#giveBack(claimed);
    lane.queue.push(...claimed);
    if (claimed.length > 0) {
      lane.lookAgainAt = 0;
      return;
    }
    const due = await state.nextDue(uploadId);
    if (due !== undefined) lane.lookAgainIn(due - now, longestDelay, context.clock.monotonic());
    else if (lane.flying.size === 0) await this.#finishIfDone(lane);
  }

  async #launch(lane: Lane, file: FileRecord): Promise<void> {
    const { context, fileSystem, worker } = this.#options;
    try {
      lane.root ??= await fileSystem.openRoot(lane.upload.spec.sourceFolder);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (!this.#isOpen(lane)) return await this.#giveBack([file]);
      lane.queue.unshift(file);
      return await this.#fail(lane, error.reason);
    }
    if (!this.#isOpen(lane)) return await this.#giveBack([file]);
    const { root, upload, stop } = lane;
    emitFile(context.emit, { type: "claim", owner: this.#options.owner }, file);
    const flight = this.#pool(() => worker.run(file, upload, root, stop))
      .then((result) => this.#landed(lane, result))
      .catch((error: unknown) => this.#stranded(file, error))
      .finally(() => {
        lane.flying.delete(flight);
        if (lane.flying.size === 0) lane.lookAgainAt = 0;
        this.#bell.ring();
      });
    lane.flying.add(flight);
  }

  async #landed(lane: Lane, result: AttemptResult): Promise<void> {
    const { context, random } = this.#options;
    if (result.type === "done") {
      this.#concurrency.succeeded();
      lane.holds = 0;
    } else if (result.type === "retry") {
      lane.lookAgainAt = 0;
    } else if (result.type === "hold") {
      const now = context.clock.monotonic();
      // Files that are in flight together meet the same trouble together.
      if (now < lane.heldUntil) return;
      lane.holds++;
      lane.heldUntil = now + backoff(lane.holds, HOLD, random);
      context.emit("warning", () => ({ ...result.reason, uploadId: lane.upload.id }));
    } else if (result.type === "failUpload") {
      void this.#fail(lane, result.reason).catch((error: unknown) => this.#warn(error, lane.upload.id));
    }
  }

  /** The ledger failed under a worker: what we still hold there is given back when it works again. */
  #stranded(file: FileRecord, error: unknown): void {
    this.#strays.push(file);
    this.#warn(error, file.uploadId);
  }

  async #releaseStrays(): Promise<void> {
    for (let file = this.#strays[0]; file; file = this.#strays[0]) {
      const now = await this.#options.state.getFile(file.uploadId, file.path);
      if (now?.state === "IN_PROGRESS" && now.owner === this.#options.owner) await this.#giveBack([now]);
      this.#strays.shift();
      this.wake(file.uploadId);
    }
  }

  /** The upload as a whole cannot go on. Its files are given back first: who sees it FAILED sees nothing in flight. */
  async #fail(lane: Lane, reason: Reason): Promise<void> {
    const { id } = lane.upload;
    if (!this.#isOpen(lane)) return;
    lane.abort();
    try {
      await this.#empty(lane);
      await this.#options.uploads.applyIfAllowed(id, { type: "fail", reason });
    } finally {
      if (this.#lanes.get(id) === lane) this.#lanes.delete(id);
    }
  }

  /** Whether files of the lane may still be begun. */
  #isOpen(lane: Lane): boolean {
    return this.#lanes.get(lane.upload.id) === lane && !lane.stop.abort.aborted;
  }

  /** COMPLETED when nothing is left to do and nothing failed. A scan under way may still find more. */
  async #finishIfDone(lane: Lane): Promise<void> {
    const { state, uploads, isScanning } = this.#options;
    const { id } = lane.upload;
    const upload = await uploads.get(id);
    if (isScanning(id) || upload.lastScan === null) return;
    const { PENDING, IN_PROGRESS, FAILED } = await state.counters(id);
    if (PENDING.files + IN_PROGRESS.files > 0 || isScanning(id)) return;
    if (this.#lanes.get(id) === lane) this.#lanes.delete(id);
    const message = `${FAILED.files} file(s) failed. List the failed files to see why; retry when the cause is mended.`;
    const failed = { type: "fail", reason: { code: "UPLOAD_FAILED", message } } as const;
    await uploads.applyIfAllowed(id, FAILED.files > 0 ? failed : { type: "complete" });
  }

  async #empty(lane: Lane): Promise<void> {
    await Promise.all(lane.flying);
    await this.#giveBack(lane.queue.splice(0));
  }

  async #giveBack(files: readonly FileRecord[]): Promise<void> {
    const { ledger, clock } = this.#options.context;
    const release = (file: FileRecord) => reduceFile(file, { type: "release", burnt: false }, clock.now());
    await Promise.all(files.map((before) => ledger.offer({ before, after: release(before) })));
  }

  #warn(error: unknown, uploadId: string): void {
    const { code, message } = reasonOf(error);
    this.#options.context.emit("warning", () => ({ code, message, uploadId }));
  }
}
