import { unlessAborted } from "./abortable.ts";
import { disposes } from "./after-upload.ts";
import { Bandwidth } from "./bandwidth.ts";
import { BufferPool } from "./buffers.ts";
import { withDeadlines } from "./decorators/deadline.ts";
import { type RetryOptions, withRetries } from "./decorators/retrying.ts";
import { Deletions } from "./deletions.ts";
import { Disposal } from "./disposal.ts";
import { reasonOf } from "./errors.ts";
import { type Emit, emitWarning } from "./events.ts";
import { Follower } from "./follower.ts";
import { Intake } from "./intake.ts";
import { Lease } from "./lease.ts";
import { Ledger } from "./ledger.ts";
import { Monitor } from "./monitor.ts";
import { Orchestrator } from "./orchestrator.ts";
import { OrphanSweeper } from "./orphans.ts";
import { Outbox } from "./outbox.ts";
import { Passage } from "./pipeline/passage.ts";
import { Spools } from "./pipeline/spools.ts";
import { ProgressMeter } from "./progress.ts";
import { ProgressTicker } from "./progress-ticker.ts";
import { cleanCancelled, rescueFiles } from "./recovery.ts";
import type { ResolvedOptions } from "./service-options.ts";
import { claimUploads } from "./store-location.ts";
import { Throughput } from "./throughput.ts";
import type { TransferContext } from "./transfer.ts";
import { isAtHome, isResting, type UploadRecord } from "./upload.ts";
import { Uploads } from "./uploads.ts";
import { Worker } from "./worker.ts";

/** The parts of a service, wired. */
export interface Engine {
  readonly uploads: Uploads;
  readonly outbox: Outbox;
  readonly context: TransferContext;
  readonly monitor: Monitor;
  readonly orchestrator: Orchestrator;
  readonly bandwidth: Bandwidth;
  readonly lease: Lease;
  readonly disposal: Disposal;
  /** This machine, for uploads that are bound to one. */
  readonly host: string;
  /** Acts on what has become of the upload. */
  follow(upload: UploadRecord): Promise<void>;
  start(): Promise<void>;
  /** Drains; at once when the signal aborts. */
  stop(abort: AbortSignal): Promise<void>;
}

/** Makes the parts of a service and introduces them to each other. Decides nothing. */
export function assemble(options: ResolvedOptions, emit: Emit, cut: AbortSignal): Engine {
  const { state, clock, random, fileSystem, owner, host, requeueFailedAfter, stabilityThreshold, retry } = options;
  const warn = (error: unknown) => emitWarning(emit, reasonOf(error));
  const reportListener = (error: unknown) =>
    emit("warning", () => ({ code: "LISTENER_THREW", message: `A listener threw: ${reasonOf(error).message}` }));
  const outbox = new Outbox({ clock, owner, onTrouble: reportListener });
  const uploads = new Uploads({ state, clock, emit, outbox, storeLocation: options.storeLocation });
  const ledger = new Ledger({ state, clock, signal: cut, onTrouble: warn, notices: outbox });
  const bandwidth = new Bandwidth(clock, options.bandwidthLimit);
  const onRetry: RetryOptions["onRetry"] = (error, _attempt, _delay, body) => {
    if (error.kind === "throttled") orchestrator.throttled();
    if (body) bandwidth.resent(body);
  };
  const context: TransferContext = {
    objects: withRetries(withDeadlines(options.objects, { clock, baseMs: options.requestTimeout }), {
      clock,
      random,
      onRetry,
    }),
    state,
    ledger,
    buffers: new BufferPool(options.memoryLimit),
    progress: new ProgressMeter(clock),
    clock,
    emit,
    chunkSize: options.chunkSize,
    partsAtOnce: options.partConcurrency,
    partsAtMost: options.mostPartConcurrency,
    throughput: new Throughput(),
  };
  const intake = new Intake({ fileSystem, state, clock, emit, stabilityThreshold });
  const disposal = new Disposal({
    fileSystem,
    state,
    clock,
    emit,
    onChanged: (upload) => monitor.rescan(upload),
    onFree: (uploadId, path) => intake.isWaiting(uploadId, path) && monitor.hint(uploadId),
  });
  const { pipelines } = options;
  const isKnown = (identity: string) => pipelines.knows(identity);
  const spools = new Spools({ ...options.spool, state, emit, isKnown });
  const passage = new Passage(pipelines, spools, options.stepTimeout);
  const worker = new Worker({ context, passage, random, retry, stabilityThreshold, requeueFailedAfter, disposal });
  const mayDelete = () => lease.isValid;
  const deletions = new Deletions({ ...context, state, uploads, random, owner, mayDelete });
  const monitor: Monitor = new Monitor({
    state,
    uploads,
    ledger,
    fileSystem,
    clock,
    emit,
    interval: options.monitorInterval,
    watcher: options.watcher,
    stabilityThreshold,
    requeueFailedAfter,
    deletions,
    disposal,
    intake,
    owner,
    host,
    admit: (upload) => orchestrator.admit(upload),
  });
  const orchestrator: Orchestrator = new Orchestrator({
    state,
    uploads,
    worker,
    context,
    fileSystem,
    random,
    owner,
    mayWork: (upload) => isAtHome(upload, host) && pipelines.has(upload, emit),
    concurrency: options.concurrency,
    bandwidth,
    activeHours: options.activeHours,
    longestDelay: Math.max(retry.capMs, stabilityThreshold) * 2,
    isScanning: (uploadId) => monitor.isScanning(uploadId),
    mayClaim: () => lease.isValid,
  });
  const ticker = new ProgressTicker({
    state,
    uploads,
    clock,
    emit,
    progress: context.progress,
    interval: options.progressInterval,
  });
  const follow = async (upload: UploadRecord) => {
    if (isResting(upload)) monitor.forget(upload.id);
    else if (upload.spec.mode === "watch" || (upload.lastScan === null && upload.state !== "FAILED"))
      monitor.watch(upload);
    await orchestrator.follow(upload);
  };
  const followAll = async () => {
    for await (const upload of uploads.inStates({})) {
      uploads.notice(upload);
      // One that cannot be followed now must not keep the others from it.
      await follow(upload).catch(warn);
      if (!isResting(upload)) await monitor.tend(upload).catch(warn);
    }
  };
  const takeUpAll = async () => {
    let found = 0;
    for await (const upload of uploads.inStates({})) {
      uploads.see(upload);
      if (!isResting(upload)) found++;
      // What is sent may still be in its place, and nobody else looks after files that need no more work.
      if (upload.state === "IN_PROGRESS" && disposes(upload.spec)) monitor.rescan(upload);
      await follow(upload);
    }
    return found;
  };
  const follower = new Follower({
    state,
    clock,
    onTrouble: warn,
    follow: async (uploadId) => {
      if (uploadId === undefined) return await followAll();
      const upload = await uploads.get(uploadId);
      uploads.notice(upload);
      context.progress.touch(uploadId);
      await follow(upload);
    },
  });
  const orphans = new OrphanSweeper(context, uploads, options.orphanAge);
  const onBeat = async () => {
    await rescueFiles(state, context);
    await followAll();
    await orchestrator.reclaim();
    await cleanCancelled(context, uploads);
    await orphans.sweepDue();
    await spools.sweep().catch(warn);
  };
  const onLapse = () => orchestrator.lapse();
  const lease = new Lease({ state, clock, owner, leaseMs: options.lease, onBeat, onTrouble: warn, onLapse });
  return {
    uploads,
    outbox,
    context,
    monitor,
    orchestrator,
    bandwidth,
    lease,
    disposal,
    host,
    follow,
    async start() {
      if (options.storeLocation !== null) await claimUploads(uploads, host);
      outbox.begin();
      await lease.start();
      const files = await rescueFiles(state, context);
      const cleaned = await cleanCancelled(context, uploads);
      // Without it, files that need it wait; others do not need it.
      if (pipelines.needSpool) await spools.open().catch(warn);
      const found = await takeUpAll();
      await orchestrator.reclaim();
      emit("recovery:finished", () => ({ files, uploads: found, cleaned }));
      orchestrator.start();
      monitor.start();
      ticker.start();
      follower.start();
    },
    async stop(abort) {
      // Whatever one part meets, the others are stopped, too.
      const ends = await Promise.allSettled([unlessAborted(follower.stop(), abort)]);
      ends.push(...(await Promise.allSettled([monitor.stop(abort), orchestrator.stop(abort), ticker.stop()])));
      ends.push(
        ...(await Promise.allSettled([unlessAborted(ledger.drain(), abort), unlessAborted(spools.close(), abort)])),
      );
      ends.push(...(await Promise.allSettled([lease.stop(abort)])));
      for (const end of ends) if (end.status === "rejected" && end.reason !== abort.reason) warn(end.reason);
    },
  };
}
