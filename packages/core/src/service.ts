import { setMaxListeners } from "node:events";
import { unlessAborted } from "./abortable.ts";
import { cleanUp } from "./cleanup.ts";
import { Deliveries, type NoticeOutbox } from "./deliveries.ts";
import { createEmitter, type GuardedEmitter } from "./emitter.ts";
import { assemble, type Engine } from "./engine.ts";
import { reasonOf, ServiceError } from "./errors.ts";
import { type BucketlineEmitter, type Emit, emitWarning, uploadEvent } from "./events.ts";
import type { FileRecord, FileState } from "./file.ts";
import { type FileDetails, type FindOptions, type FoundFiles, findFiles, readFile } from "./find-files.ts";
import { untilFinished } from "./finish.ts";
import { exportLedger } from "./ledger-export.ts";
import { checkAdjustments, checkLimits, type ServiceLimits } from "./limits.ts";
import type { RegisterOptions } from "./options.ts";
import { type Plan, type PlanOptions, planUpload } from "./plan.ts";
import { type ProbeOptions, Prober, type ServiceHealth, type ServiceStatus } from "./probe.ts";
import { refuseCancelled, refuseElsewhere, refusePaused } from "./refusals.ts";
import { registerUpload } from "./registration.ts";
import { retryFailed } from "./retry-failed.ts";
import type { ScanRequest } from "./scan-run.ts";
import { type ResolvedOptions, resolveOptions, type ServiceOptions } from "./service-options.ts";
import type { AdjustableSettings, ScanSummary, UploadRecord, UploadState } from "./upload.ts";
import { type Upload, viewUpload } from "./upload-view.ts";
import type { ChangeOptions } from "./uploads.ts";
import type { VerificationReport, VerifyOptions } from "./verification.ts";
import { runVerification } from "./verification-run.ts";

export type { Upload } from "./upload-view.ts";

/** Where a call may be cut short. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface CheckOptions extends CallOptions, ScanRequest {}

/**
 * Keeps folders flowing into a bucket. `register` what is to be uploaded, `start`, and listen; kill it at any instant and
 * start it again, it goes on where it was. Everything that resolves, and every event, is durable.
 *
 * Every method but `on` and its kin throws ServiceError `SERVICE_STOPPED` once the service is stopped, StateStoreError
 * when the ledger cannot be used, and UploadError `UPLOAD_NOT_FOUND` for an unknown id.
 */
export class UploadService implements AsyncDisposable {
  /** What is kept for subscribers until it is delivered. */
  readonly outbox: NoticeOutbox;
  /** Folders outside which nothing is read, as absolute paths; null: source folders may lie anywhere. */
  readonly allowedRoots: readonly string[] | null;
  /** The pipelines that uploads may name. */
  readonly pipelines: ResolvedOptions["pipelines"]["list"];
  readonly #options: ResolvedOptions;
  readonly #emitter: GuardedEmitter;
  readonly #emit: Emit;
  readonly #engine: Engine;
  readonly #prober: Prober;
  /** Whoever waits for anything listens to it. */
  readonly #cut = new AbortController();
  #opening: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  #begun = false;
  #started = false;
  #stopping: Promise<void> | undefined;

  /** @throws InputError `INVALID_OPTION` */
  constructor(options: ServiceOptions) {
    this.#options = resolveOptions(options);
    this.allowedRoots = this.#options.allowedRoots;
    this.pipelines = this.#options.pipelines.list;
    setMaxListeners(0, this.#cut.signal);
    const { emitter, emit } = createEmitter(this.#options.logger);
    this.#emitter = emitter;
    this.#emit = emit;
    this.#engine = assemble(this.#options, emit, this.#cut.signal);
    const standing = () => ({ started: this.#started, stopping: this.#stopping !== undefined });
    const gate = { open: () => this.#open(), refuseIfStopped: () => this.#refuseIfStopped() };
    this.outbox = new Deliveries({ ...this.#options, ...gate, outbox: this.#engine.outbox });
    this.#prober = new Prober({ ...this.#options, ...gate, engine: this.#engine, standing });
  }

  /** Listens; see `Events` for what there is to hear. */
  readonly on: BucketlineEmitter["on"] = (...args) => this.#listen("on", args);
  readonly once: BucketlineEmitter["once"] = (...args) => this.#listen("once", args);
  readonly off: BucketlineEmitter["off"] = (...args) => this.#listen("off", args);

  /**
   * Recovers what earlier runs left behind, then works until `stop`. Files that dead owners held are taken back, cancelled
   * uploads are cleaned up, unfinished uploads go on. Calling it again does nothing.
   * @throws StateStoreError when the ledger cannot be used · UploadError `UPLOAD_OTHER_STORE`; the service is stopped then
   */
  async start(options: CallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    await this.#open();
    this.#begun = true;
    this.#starting ??= this.#engine.start().catch(async (error: unknown) => {
      this.#starting = undefined;
      await this.stop();
      throw error;
    });
    await this.#starting;
    this.#started = true;
  }

  /**
   * Stops: begins nothing new, lets requests in flight finish and be recorded, gives everything else back. A second call,
   * or the signal, stops at once. Nothing is lost either way.
   */
  async stop(options: CallOptions = {}): Promise<void> {
    if (this.#stopping !== undefined) this.#cut.abort();
    const cut = () => this.#cut.abort();
    if (options.signal?.aborted) cut();
    options.signal?.addEventListener("abort", cut, { once: true });
    this.#stopping ??= this.#shutDown();
    await this.#stopping.finally(() => options.signal?.removeEventListener("abort", cut));
  }

  /** Stops the service. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * Registers an upload; durable when it resolves, begun at once when the service is started. The same id with the same
   * settings returns the upload that is there.
   * @throws InputError for wrong options · SourceError when the folder is missing, no folder or not readable ·
   *   ObjectStoreError `BUCKET_NOT_FOUND`, `CREDENTIALS_UNAVAILABLE`, `WRONG_REGION` · UploadError `UPLOAD_EXISTS`, `UPLOAD_OTHER_STORE`;
   *   nothing is changed then. An unreachable store is no error: the upload waits for it.
   */
  async register(options: RegisterOptions, { signal }: CallOptions = {}): Promise<Upload> {
    await this.#open();
    const { objects } = this.#engine.context;
    const onTrouble = (error: unknown) => this.#warn(error);
    const { upload, isNew } = await registerUpload({ ...this.#options, objects, onTrouble }, options, signal);
    if (!isNew) return await this.#view(await this.#engine.uploads.claim(upload.id));
    this.#engine.uploads.see(upload);
    this.#emit("upload:registered", () => uploadEvent(upload));
    if (this.#starting !== undefined) this.#engine.monitor.watch(upload);
    return await this.#view(upload);
  }

  async get(id: string): Promise<Upload> {
    await this.#open();
    return await this.#view(await this.#engine.uploads.get(id));
  }

  /**
   * Uploads in order of registration.
   * @param page.after id of the last one of the page before
   * @param page.limit at most so many; default 100
   */
  async list(
    page: { readonly after?: string; readonly limit?: number; readonly states?: readonly UploadState[] } = {},
  ): Promise<Upload[]> {
    await this.#open();
    const uploads = await this.#options.state.listUploads({ limit: DEFAULT_PAGE, ...page });
    return await Promise.all(uploads.map((upload) => this.#view(upload)));
  }

  /**
   * Files of an upload in path order.
   * @param page.after path of the last one of the page before
   * @param page.limit at most so many; default 100
   */
  async files(
    id: string,
    page: { readonly after?: string; readonly limit?: number; readonly states?: readonly FileState[] } = {},
  ): Promise<FileRecord[]> {
    await this.#open();
    await this.#engine.uploads.get(id);
    return await this.#options.state.listFiles(id, { limit: DEFAULT_PAGE, ...page });
  }

  /** One file, with the finished parts of the transfer under way. @throws UploadError `FILE_NOT_FOUND` */
  async file(id: string, path: string): Promise<FileDetails> {
    await this.#open();
    await this.#engine.uploads.get(id);
    return await readFile(this.#options, id, path);
  }

  /**
   * Files whose path contains something. However many there are, a call looks at no more than `examine` of them; `next`
   * says where to go on. @throws InputError `INVALID_OPTION`
   */
  async findFiles(id: string, options: FindOptions = {}): Promise<FoundFiles> {
    await this.#open();
    await this.#engine.uploads.get(id);
    return await findFiles(this.#options, id, options);
  }

  /** The service as it knows itself, at once and without asking anybody. Works before `start` and after `stop`, too. */
  status(): ServiceStatus {
    return this.#prober.status();
  }

  /**
   * As `status`, and whether the ledger and the buckets answer; what does not, in time, is no error but what it says. Works
   * before `start` (then it opens the ledger) and after `stop`. @throws InputError `INVALID_OPTION` · the signal's reason
   */
  async probe(options: ProbeOptions = {}): Promise<ServiceHealth> {
    return await this.#prober.probe(options);
  }

  /**
   * Stops the upload's transfers and begins none until `resume`. What has been sent stays, and is not sent again.
   * @throws BucketlineError `INVALID_TRANSITION` · UploadError `UPLOAD_CHANGED`
   */
  async pause(id: string, options: ChangeOptions = {}): Promise<Upload> {
    return await this.#suspend(id, "pause", options);
  }

  /** Goes on with a paused upload. @throws BucketlineError `INVALID_TRANSITION` · UploadError `UPLOAD_CHANGED` */
  async resume(id: string, options: ChangeOptions = {}): Promise<Upload> {
    await this.#open();
    const upload = await this.#engine.uploads.apply(id, { type: "resume" }, options);
    this.#goOn(upload);
    return await this.#view(upload);
  }

  /**
   * Queues every failed file again, and reopens an upload that failed.
   * @returns how many files
   * @throws UploadError `UPLOAD_CANCELLED`
   */
  async retry(id: string): Promise<number> {
    await this.#open();
    const files = await retryFailed(this.#engine, id, this.#options.clock.now());
    this.#goOn(await this.#engine.uploads.get(id));
    return files;
  }

  /**
   * Scans the folder now, or joins the scan under way.
   * @returns how the scan went; undefined when the folder could not be read (the upload's reason says why)
   * @throws ServiceError `SERVICE_NOT_STARTED` · UploadError `UPLOAD_CANCELLED`, `UPLOAD_ELSEWHERE` · BucketlineError `INVALID_TRANSITION` when paused
   */
  async check(id: string, { signal, ...request }: CheckOptions = {}): Promise<ScanSummary | undefined> {
    await this.#open();
    if (!this.#starting)
      throw new ServiceError("SERVICE_NOT_STARTED", `Upload ${id} cannot be checked: call start() first.`);
    await this.#starting;
    const upload = refuseCancelled(await this.#engine.uploads.claim(id));
    refusePaused(upload);
    refuseElsewhere(upload, this.#options.host);
    signal?.throwIfAborted();
    return await unlessAborted(this.#engine.monitor.check(id, request), signal);
  }

  /**
   * Compares the ledger with the bucket: whether every UPLOADED file's object is there, as it was when it was sent, and
   * which objects nobody accounts for. One request for 1,000 objects, and one for each that the listing does not settle;
   * with `deep` one for each. With `repair`, missing and different files are queued and sent again; nothing is ever
   * deleted. May run while the service works, and before `start`.
   * @throws UploadError `UPLOAD_CANCELLED` when it is to be repaired · ObjectStoreError · the signal's reason
   */
  async verify(id: string, options: VerifyOptions = {}): Promise<VerificationReport> {
    await this.#open();
    const goOn = (upload: UploadRecord) => this.#goOn(upload);
    const refuseIfStopped = () => this.#refuseIfStopped();
    const shared = { engine: this.#engine, emit: this.#emit, cut: this.#cut.signal };
    return await runVerification({ ...shared, goOn, refuseIfStopped }, id, options);
  }

  /**
   * What a scan now, and the work that follows from it, would do: of an upload by its id, or as if it were registered with
   * these options. Reads the folder and the ledger and changes nothing. May run while the service works, and before `start`.
   * @throws as `register` for wrong options or folder · UploadError `UPLOAD_CANCELLED`, `UPLOAD_ELSEWHERE` · the signal's reason
   */
  async plan(what: RegisterOptions | string, options: PlanOptions = {}): Promise<Plan> {
    await this.#open();
    const refuseIfStopped = () => this.#refuseIfStopped();
    const { uploads, context } = this.#engine;
    const shared = { uploads, objects: context.objects, cut: this.#cut.signal, refuseIfStopped };
    return await planUpload({ ...this.#options, ...shared }, what, options);
  }

  /**
   * The whole ledger as lines of JSON, each with its line end, to be moved into another store with `importLedger`. Costs
   * the same memory for ten files and for ten million. May run while the service works, and before `start`; for a copy of
   * one instant, export before `start`.
   */
  async *export(): AsyncGenerator<string, void> {
    await this.#open();
    const { state, clock } = this.#options;
    try {
      yield* exportLedger(state, { clock });
    } catch (error) {
      this.#refuseIfStopped();
      throw error;
    }
  }

  /**
   * Ends the upload for good: aborts its transfers and their multipart uploads. Objects that are in the bucket stay. When
   * the store cannot be reached, the clean-up is tried again until it is done, after a restart too.
   * @throws BucketlineError `INVALID_TRANSITION` when it is cancelled already · UploadError `UPLOAD_CHANGED`
   */
  async cancel(id: string, options: ChangeOptions = {}): Promise<Upload> {
    const upload = await this.#suspend(id, "cancel", options);
    await cleanUp(this.#engine.context, this.#engine.uploads, upload).catch((error: unknown) => this.#warn(error, id));
    return await this.get(id);
  }

  /**
   * Changes settings of the upload, at once here, and on other hosts as soon as they see it. What is in flight goes on.
   * @param settings null stands for the default; what is left out stays as it is
   * @throws InputError `INVALID_OPTION`, for unknown names, too · UploadError `UPLOAD_CANCELLED`, `UPLOAD_CHANGED`
   */
  async adjust(id: string, settings: Partial<AdjustableSettings>, options: ChangeOptions = {}): Promise<Upload> {
    const checked = checkAdjustments(settings);
    await this.#open();
    refuseCancelled(await this.#engine.uploads.get(id));
    const upload = await this.#engine.uploads.apply(id, { type: "adjust", settings: checked }, options);
    if (this.#starting !== undefined) await this.#engine.follow(upload);
    return await this.#view(upload);
  }

  /**
   * Changes what this process may send; until it ends. Works before `start`, too.
   * @throws InputError `INVALID_OPTION`, for unknown names, too; nothing is changed then
   */
  setLimits(limits: ServiceLimits): void {
    this.#refuseIfStopped();
    const { bandwidthLimit, activeHours } = checkLimits(limits);
    if (bandwidthLimit !== undefined) this.#engine.bandwidth.setLimit(bandwidthLimit);
    if (activeHours !== undefined) this.#engine.orchestrator.setHours(activeHours);
  }

  /** What bounds this process as a whole, as it is now. */
  get limits(): Required<ServiceLimits> {
    return { bandwidthLimit: this.#engine.bandwidth.limit, activeHours: this.#engine.orchestrator.hours };
  }

  /**
   * Waits for the upload to finish.
   * @returns the upload when it is COMPLETED (a watched one may go on afterwards)
   * @throws UploadError `UPLOAD_FAILED`, `UPLOAD_CANCELLED` · the signal's reason
   */
  async finished(id: string, { signal }: CallOptions = {}): Promise<Upload> {
    await this.#open();
    const longest = this.#engine.lease.beatMs;
    const listening = { emitter: this.#emitter, clock: this.#options.clock, longest, signals: [this.#cut.signal] };
    return await untilFinished(id, () => this.get(id), signal, listening);
  }

  async #suspend(id: string, type: "pause" | "cancel", options: ChangeOptions): Promise<Upload> {
    await this.#open();
    if (type === "cancel") await this.#engine.uploads.claim(id);
    const upload = await this.#engine.uploads.apply(id, { type }, options);
    this.#engine.monitor.forget(id);
    await this.#engine.orchestrator.dismiss(id);
    return await this.#view(upload);
  }

  #goOn(upload: UploadRecord): void {
    if (!this.#starting) return;
    this.#engine.orchestrator.admit(upload);
    if (upload.spec.mode === "watch" || !upload.lastScan?.complete) this.#engine.monitor.watch(upload);
  }

  async #view(upload: UploadRecord): Promise<Upload> {
    return await viewUpload(this.#engine, upload);
  }

  async #open(): Promise<void> {
    this.#refuseIfStopped();
    this.#opening ??= this.#options.state.open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    await this.#opening;
  }

  /** @throws ServiceError `SERVICE_STOPPED` */
  #refuseIfStopped(): void {
    if (this.#stopping === undefined) return;
    throw new ServiceError("SERVICE_STOPPED", "The service is stopped or stopping. Create and start a new one.");
  }

  async #shutDown(): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.#starting?.catch(() => {});
    // What cannot be given back now is taken back from a dead owner later; the stores are closed all the same.
    if (this.#begun) await this.#engine.stop(this.#cut.signal).catch((error: unknown) => this.#warn(error));
    this.#cut.abort();
    await this.#engine.context.ledger.drain();
    await this.#options.state.close();
    await this.#options.objects.close();
  }

  #warn(error: unknown, uploadId?: string): void {
    emitWarning(this.#emit, reasonOf(error), uploadId);
  }

  #listen(how: "on" | "once" | "off", args: Parameters<BucketlineEmitter["on"]>): BucketlineEmitter {
    const [name, listener] = args;
    this.#emitter[how](name, listener as (...args: unknown[]) => unknown);
    return this as unknown as BucketlineEmitter;
  }
}

const DEFAULT_PAGE = 100;
