import { unlessAborted } from "./abortable.ts";
import type { Load } from "./concurrency.ts";
import { withDeadlines } from "./decorators/deadline.ts";
import type { Engine } from "./engine.ts";
import { type Reason, reasonOf, StateStoreError } from "./errors.ts";
import type { MonitorStatus } from "./monitor.ts";
import { wholeNumber } from "./options.ts";
import type { Clock } from "./ports/clock.ts";
import type { ObjectStore } from "./ports/object-store.ts";
import type { UploadRecord, UploadState } from "./upload.ts";

/** A service at one moment, as it knows itself: costs nothing, asks nobody. Plain JSON; durations in milliseconds. */
export interface ServiceStatus extends Load {
  /** `start` has succeeded, and nobody has stopped it. */
  readonly started: boolean;
  /** It has been stopped, or is about to be. */
  readonly stopping: boolean;
  /** What it is called in the ledger. */
  readonly owner: string;
  readonly host: string;
  readonly lease: {
    /** While it is not, nothing is begun: others may take over what this service held. */
    readonly valid: boolean;
    /** Since the last sign of life that the ledger has accepted; null before the first. */
    readonly ageMs: number | null;
  };
  readonly monitor: MonitorStatus;
}

/** Whether something answers as it should. */
export interface PartHealth {
  readonly ok: boolean;
  /** Why not; of a bucket that is `ok`, `ACCESS_DENIED` says that it answers, but may not be asked. */
  readonly reason: Reason | null;
}

/** What a service depends on, as it answered just now, beside what it knows of itself. Plain JSON. */
export interface ServiceHealth extends ServiceStatus {
  readonly store: PartHealth;
  /** Of the uploads that are not over. None while the ledger does not answer. */
  readonly buckets: readonly (PartHealth & { readonly bucket: string })[];
}

/** Settings of `UploadService.probe`. */
export interface ProbeOptions {
  readonly signal?: AbortSignal;
  /** How long the ledger, and then the buckets, may take to answer, in milliseconds. Default 5,000. */
  readonly timeout?: number;
}

export interface ProbeContext {
  readonly engine: Pick<Engine, "uploads" | "lease" | "monitor" | "orchestrator">;
  /** Without retries: a probe wants the first answer. */
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly owner: string;
  readonly host: string;
  readonly standing: () => { readonly started: boolean; readonly stopping: boolean };
  /** @throws ServiceError `SERVICE_STOPPED` · StateStoreError */
  readonly open: () => Promise<void>;
}

const TIMEOUT_MS = 5_000;
const BUCKETS_AT_MOST = 20;
/** In each of the two groups below. */
const UPLOADS_AT_MOST = 1_000;
const UNFINISHED: readonly UploadState[] = ["PENDING", "IN_PROGRESS", "PAUSED"];
/** Only watched uploads go on from here by themselves. */
const FINISHED: readonly UploadState[] = ["COMPLETED", "FAILED"];
const HEALTHY: PartHealth = { ok: true, reason: null };

/** Looks at a service from outside, without disturbing it. */
export class Prober {
  readonly #context: ProbeContext;

  constructor(context: ProbeContext) {
    this.#context = context;
  }

  status(): ServiceStatus {
    const { engine, owner, host, standing } = this.#context;
    const { lease, monitor, orchestrator } = engine;
    const { started, stopping } = standing();
    return {
      started: started && !stopping,
      stopping,
      owner,
      host,
      lease: { valid: lease.isValid, ageMs: lease.ageMs },
      monitor: monitor.status,
      ...orchestrator.load,
    };
  }

  /**
   * Asks the ledger, and then all buckets at once. What does not answer in time is said to be out of order, whatever it does.
   * @throws InputError `INVALID_OPTION` · the signal's reason
   */
  async probe(options: ProbeOptions): Promise<ServiceHealth> {
    const timeout = wholeNumber("timeout", options.timeout ?? TIMEOUT_MS, 1);
    const { signal } = options;
    signal?.throwIfAborted();
    const { clock } = this.#context;
    const targets: Target[] = [];
    const ask = () => inTime(clock, timeout, signal, (cut) => find(this.#context, targets, cut));
    const store = await healthOf(signal, ask);
    const objects = withDeadlines(this.#context.objects, { clock, baseMs: timeout });
    const check = async ({ bucket, expectedBucketOwner }: Target) => {
      const request = { bucket, expectedBucketOwner, signal };
      const health = await healthOf(signal, () => objects.checkBucket(request));
      return { bucket, ...leniently(health) };
    };
    const buckets = await Promise.all(store.ok ? targets.map(check) : []);
    return { ...this.status(), store, buckets };
  }
}

interface Target {
  readonly bucket: string;
  readonly expectedBucketOwner: string | undefined;
}

/** Collects the buckets that uploads still need. */
async function find({ open, engine }: ProbeContext, found: Target[], signal: AbortSignal): Promise<void> {
  await open();
  for (const states of [UNFINISHED, FINISHED]) {
    let seen = 0;
    for await (const upload of engine.uploads.inStates({ states })) {
      if (signal.aborted || ++seen > UPLOADS_AT_MOST || found.length === BUCKETS_AT_MOST) break;
      const { bucket, object } = upload.spec;
      if (isOver(upload) || found.some((target) => target.bucket === bucket)) continue;
      found.push({ bucket, expectedBucketOwner: object.expectedBucketOwner });
    }
  }
}

function isOver({ spec, state }: UploadRecord): boolean {
  return spec.mode === "once" && FINISHED.includes(state);
}

async function healthOf(signal: AbortSignal | undefined, check: () => Promise<unknown>): Promise<PartHealth> {
  try {
    await check();
    return HEALTHY;
  } catch (error) {
    signal?.throwIfAborted();
    return { ok: false, reason: reasonOf(error) };
  }
}

/** Credentials that may only write are told so by a bucket that is there; `register` takes it as well. */
function leniently(health: PartHealth): PartHealth {
  return health.reason?.code === "ACCESS_DENIED" ? { ...health, ok: true } : health;
}

/** @throws StateStoreError `STATE_UNAVAILABLE` when time is up · the signal's reason */
async function inTime(
  clock: Clock,
  timeout: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = new AbortController();
  const ended = new AbortController();
  const message = `The state store has not answered within ${timeout} ms.`;
  clock.sleep(timeout, ended.signal).then(
    () => late.abort(new StateStoreError("STATE_UNAVAILABLE", message)),
    () => {}, // It has answered.
  );
  const cut = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  try {
    await unlessAborted(work(cut), cut);
  } finally {
    ended.abort();
  }
}
