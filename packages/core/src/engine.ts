import { unlessAborted } from "./abortable.ts";
import { BufferPool } from "./buffers.ts";
import { withDeadlines } from "./decorators/deadline.ts";
import { withRetries } from "./decorators/retrying.ts";
import { reasonOf } from "./errors.ts";
import type { Emit } from "./events.ts";
import { Lease } from "./lease.ts";
import { Ledger } from "./ledger.ts";
import { Monitor } from "./monitor.ts";
import { Orchestrator } from "./orchestrator.ts";
import { OrphanSweeper } from "./orphans.ts";
import { ProgressMeter } from "./progress.ts";
import { ProgressTicker } from "./progress-ticker.ts";
import { cleanCancelled, rescueFiles } from "./recovery.ts";
import type { ResolvedOptions } from "./service-options.ts";
import type { TransferContext } from "./transfer.ts";
import { Uploads } from "./uploads.ts";
import { Worker } from "./worker.ts";

/** The parts of a service, wired. */
export interface Engine {
  readonly uploads: Uploads;
  readonly context: TransferContext;
  readonly monitor: Monitor;
  readonly orchestrator: Orchestrator;
  readonly lease: Lease;
  start(): Promise<void>;
  /** Drains; at once when the signal aborts. */
  stop(abort: AbortSignal): Promise<void>;
}

/** Makes the parts of a service and introduces them to each other. Decides nothing. */
export function assemble(options: ResolvedOptions, emit: Emit, cut: AbortSignal): Engine {
  const { state, clock, random, fileSystem, owner, requeueFailedAfter, stabilityThreshold, retry } = options;
  const warn = (error: unknown) => emit("warning", () => reasonOf(error));
  const uploads = new Uploads({ state, clock, emit });
  const ledger = new Ledger({ state, clock, signal: cut, onTrouble: warn });
  const onRetry = (error: { readonly kind: string }) => {
    if (error.kind === "throttled") orchestrator.throttled();
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
  };
  const worker = new Worker({ context, random, retry, stabilityThreshold, requeueFailedAfter });
  const monitor: Monitor = new Monitor({
    state,
    uploads,
    ledger,
    fileSystem,
    clock,
    emit,
    interval: options.monitorInterval,
    stabilityThreshold,
    requeueFailedAfter,
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
    concurrency: options.concurrency,
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
  const watchAll = async () => {
    let found = 0;
    for await (const upload of uploads.inStates({ states: ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"] })) {
      found++;
      if (upload.spec.mode === "watch" || (upload.lastScan === null && upload.state !== "FAILED"))
        monitor.watch(upload);
    }
    return found;
  };
  const orphans = new OrphanSweeper(context, uploads, options.orphanAge);
  const onBeat = async () => {
    await rescueFiles(state, context);
    await watchAll();
    await orchestrator.sync();
    await cleanCancelled(context, uploads);
    await orphans.sweepDue();
  };
  const onLapse = () => orchestrator.lapse();
  const lease = new Lease({ state, clock, owner, leaseMs: options.lease, onBeat, onTrouble: warn, onLapse });
  return {
    uploads,
    context,
    monitor,
    orchestrator,
    lease,
    async start() {
      await lease.start();
      const files = await rescueFiles(state, context);
      const cleaned = await cleanCancelled(context, uploads);
      const found = await watchAll();
      await orchestrator.sync();
      emit("recovery:finished", () => ({ files, uploads: found, cleaned }));
      orchestrator.start();
      monitor.start();
      ticker.start();
    },
    async stop(abort) {
      // Whatever one part meets, the others are stopped, too.
      const ends = await Promise.allSettled([monitor.stop(abort), orchestrator.stop(abort), ticker.stop()]);
      ends.push(...(await Promise.allSettled([unlessAborted(ledger.drain(), abort)])));
      ends.push(...(await Promise.allSettled([lease.stop(abort)])));
      for (const end of ends) if (end.status === "rejected" && end.reason !== abort.reason) warn(end.reason);
    },
  };
}
