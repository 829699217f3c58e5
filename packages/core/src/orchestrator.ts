import pLimit, { type LimitFunction } from "p-limit";
import { Concurrency } from "./concurrency.ts";
import { Custody } from "./custody.ts";
import { type Reason, reasonOf } from "./errors.ts";
import { emitFile } from "./events.ts";
import { type Evidence, type FileRecord, reduceFile } from "./file.ts";
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
  /** Whether our lease holds: without it nothing may be claimed. */
  readonly mayClaim: () => boolean;
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
  readonly #custody: Custody;
  #turn = 0;
  #loop: Promise<void> | undefined;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
    this.#pool = pLimit(options.concurrency);
    this.#concurrency = new Concurrency(options.concurrency, (now) => {
      this.#pool.concurrency = now;
    });
    const { state, uploads, owner } = options;
    this.#custody = new Custody({ state, uploads, owner, release: (files) => this.#giveBack(files) });
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
    else this.#lanes.set(upload.id, new Lane(upload, this.#options.fileSystem));
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
      // Not awaited: a read that hangs must not hold up everything else that is looked after.
      if (upload.state !== "IN_PROGRESS") this.#letGo(id);
    }
    await this.#custody.reclaim();
    this.#bell.ring();
  }

  /** Our lease ran out: others may hold what we held, so nothing of it goes on. `sync` begins again. */
  lapse(): void {
    for (const id of [...this.#lanes.keys()]) this.#letGo(id);
  }

  #letGo(uploadId: string): void {
    this.dismiss(uploadId).catch((error: unknown) => this.#warn(error, uploadId));
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
      if (!lane || this.#ended.signal.aborted || !this.#options.mayClaim()) return;
      if (lane.queue.length === 0) await this.#claim(lane);
      // Somebody may have dismissed the lane while the ledger was asked.
      const file = this.#isOpen(lane) ? lane.queue.shift() : undefined;
      if (file) this.#launch(lane, file);
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
    let next = Number.POSITIVE_INFINITY;
    const isFull = this.#pool.activeCount + this.#pool.pendingCount >= this.#pool.concurrency;
    if (isFull || !this.#options.mayClaim()) return next;
    for (const lane of this.#lanes.values()) if (this.#isOpen(lane)) next = Math.min(next, lane.nextLook());
    return Math.max(0, next - now);
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
    if (!this.#isOpen(lane)) return await this.#giveBack(claimed);
    lane.queue.push(...claimed);
    if (claimed.length > 0) {
      lane.lookAgainAt = 0;
      return;
    }
    lane.lookAgainAt = Number.POSITIVE_INFINITY;
    const due = await state.nextDue(uploadId);
    if (due !== undefined) lane.lookAgainIn(due - now, longestDelay, context.clock.monotonic());
    else if (lane.flying.size === 0) await this.#finishIfDone(lane);
  }

  #launch(lane: Lane, file: FileRecord): void {
    const { context, worker, owner } = this.#options;
    emitFile(context.emit, { type: "claim", owner }, file);
    const flight = this.#pool(() => worker.run(file, lane))
      .then((result) => this.#landed(lane, file, result))
      .catch((error: unknown) => this.#warn(error, file.uploadId))
      .finally(() => {
        this.#custody.drop(file);
        lane.flying.delete(flight);
        if (lane.flying.size === 0) this.#grounded(lane);
        this.#bell.ring();
      });
    lane.flying.add(flight);
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
    context.emit("warning", () => ({ ...reason, uploadId: lane.upload.id }));
  }

  /** We wrote an object after somebody else had taken the file over: what the ledger says of the bucket may be untrue. */
  async #disprove(file: FileRecord, wrote: Evidence): Promise<void> {
    const { state, uploads, context } = this.#options;
    const now = await state.getFile(file.uploadId, file.path);
    if (now?.state !== "UPLOADED" || !now.evidence || now.evidence.etag === wrote.etag) return;
    const { spec } = await uploads.get(file.uploadId);
    const address = { bucket: spec.bucket, key: now.key, expectedBucketOwner: spec.object.expectedBucketOwner };
    if ((await context.objects.headObject(address))?.etag === now.evidence.etag) return;
    const reason: Reason = { code: "INTEGRITY", message: "A late write of an earlier owner replaced the object." };
    await uploads.applyIfAllowed(file.uploadId, { type: "reopen" });
    const action = { type: "disproved", reason } as const;
    const after = reduceFile(now, action, context.clock.now());
    if ((await context.ledger.offer({ before: now, after })) === "applied") emitFile(context.emit, action, after);
    this.admit(await uploads.get(file.uploadId));
  }

  /** The upload as a whole cannot go on. Its files are given back first: who sees it FAILED sees nothing in flight. */
  async #fail(lane: Lane, reason: Reason): Promise<void> {
    const { id } = lane.upload;
    if (!this.#isOpen(lane)) return;
    lane.abort();
    try {
      await this.#empty(lane);
      await this.#options.uploads.applyIfAllowed(id, { type: "fail", reason });
    } catch (error) {
      this.#warn(error, id);
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
    const { uploads, isScanning } = this.#options;
    const { id } = lane.upload;
    const upload = await uploads.get(id);
    if (isScanning(id) || upload.lastScan === null) return;
    const failed = await this.#outcome(upload);
    if (failed === "unfinished" || isScanning(id)) return;
    if (this.#lanes.get(id) === lane) this.#lanes.delete(id);
    await uploads.applyIfAllowed(id, failed ? { type: "fail", reason: failed } : { type: "complete" });
    // Somebody may have queued a file in the same instant: it must not stay behind.
    if ((await this.#outcome(upload)) === "unfinished")
      this.admit(await uploads.applyIfAllowed(id, { type: "reopen" }));
  }

  /** What stands against COMPLETED, if anything. */
  async #outcome(upload: UploadRecord): Promise<Reason | "unfinished" | undefined> {
    const { PENDING, IN_PROGRESS, FAILED } = await this.#options.state.counters(upload.id);
    if (PENDING.files + IN_PROGRESS.files > 0) return "unfinished";
    if (FAILED.files > 0) {
      const message = `${FAILED.files} file(s) failed. List the failed files to see why; retry when the cause is mended.`;
      return { code: "UPLOAD_FAILED", message };
    }
    if (upload.spec.mode === "watch" || upload.lastScan?.complete !== false) return undefined;
    const message = "A part of the source folder could not be read, and nobody knows what it holds.";
    return { code: "SOURCE_NOT_READABLE", message };
  }

  async #empty(lane: Lane): Promise<void> {
    await Promise.all(lane.flying);
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
    const { code, message } = reasonOf(error);
    this.#options.context.emit("warning", () => ({ code, message, uploadId }));
  }
}
