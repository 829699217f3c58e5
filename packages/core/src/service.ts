import { setMaxListeners } from "node:events";
import { unlessAborted } from "./abortable.ts";
import { cleanUp } from "./cleanup.ts";
import { createEmitter, type GuardedEmitter } from "./emitter.ts";
import { assemble, type Engine } from "./engine.ts";
import { reasonOf, ServiceError, UploadError } from "./errors.ts";
import { type BucketlineEmitter, type Emit, type EventName, uploadEvent } from "./events.ts";
import type { FileRecord, FileState } from "./file.ts";
import type { RegisterOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { registerUpload } from "./registration.ts";
import { requeueFailed } from "./requeue.ts";
import { type ResolvedOptions, resolveOptions, type ServiceOptions } from "./service-options.ts";
import type { ScanSummary, UploadRecord, UploadState } from "./upload.ts";
import { type VerificationReport, type VerifyOptions, verifyUpload } from "./verification.ts";

/** An upload as it stands, with its progress. */
export interface Upload extends UploadRecord {
  readonly progress: Progress;
}

/** Where a call may be cut short. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/**
 * Keeps folders flowing into a bucket. `register` what is to be uploaded, `start`, and listen; kill it at any instant and
 * start it again, it goes on where it was. Everything that resolves, and every event, is durable.
 *
 * Every method but `on` and its kin throws ServiceError `SERVICE_STOPPED` once the service is stopped, StateStoreError
 * when the ledger cannot be used, and UploadError `UPLOAD_NOT_FOUND` for an unknown id.
 */
export class UploadService implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #emitter: GuardedEmitter;
  readonly #emit: Emit;
  readonly #engine: Engine;
  /** Whoever waits for anything listens to it. */
  readonly #cut = new AbortController();
  #opening: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  #begun = false;
  #stopping: Promise<void> | undefined;

  /** @throws InputError `INVALID_OPTION` */
  constructor(options: ServiceOptions) {
    this.#options = resolveOptions(options);
    setMaxListeners(0, this.#cut.signal);
    const { emitter, emit } = createEmitter(this.#options.logger);
    this.#emitter = emitter;
    this.#emit = emit;
    this.#engine = assemble(this.#options, emit, this.#cut.signal);
  }

  /** Listens; see `Events` for what there is to hear. */
  readonly on: BucketlineEmitter["on"] = (...args) => this.#listen("on", args);
  readonly once: BucketlineEmitter["once"] = (...args) => this.#listen("once", args);
  readonly off: BucketlineEmitter["off"] = (...args) => this.#listen("off", args);

  /**
   * Recovers what earlier runs left behind, then works until `stop`. Files that dead owners held are taken back, cancelled
   * uploads are cleaned up, unfinished uploads go on. Calling it again does nothing.
   * @throws StateStoreError when the ledger cannot be used; the service is stopped then
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
   *   ObjectStoreError `BUCKET_NOT_FOUND`, `CREDENTIALS_UNAVAILABLE`, `WRONG_REGION` · UploadError `UPLOAD_EXISTS`;
   *   nothing is changed then. An unreachable store is no error: the upload waits for it.
   */
  async register(options: RegisterOptions, { signal }: CallOptions = {}): Promise<Upload> {
    await this.#open();
    const { state, fileSystem, clock } = this.#options;
    const { objects } = this.#engine.context;
    const onTrouble = (error: unknown) => this.#warn(error);
    const { upload, isNew } = await registerUpload({ state, objects, fileSystem, clock, onTrouble }, options, signal);
    if (isNew) {
      this.#emit("upload:registered", () => uploadEvent(upload));
      if (this.#starting !== undefined) this.#engine.monitor.watch(upload);
    }
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

  /**
   * Stops the upload's transfers and begins none until `resume`. What has been sent stays, and is not sent again.
   * @throws BucketlineError `INVALID_TRANSITION`
   */
  async pause(id: string): Promise<Upload> {
    return await this.#suspend(id, "pause");
  }

  /** Goes on with a paused upload. @throws BucketlineError `INVALID_TRANSITION` */
  async resume(id: string): Promise<Upload> {
    await this.#open();
    const upload = await this.#engine.uploads.apply(id, { type: "resume" });
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
    refuseCancelled(await this.#engine.uploads.get(id));
    const { uploads, context } = this.#engine;
    // Open before it has work, and nobody works on it before it has it: with its files still FAILED it would fail again.
    const reopen = async () => void (await uploads.applyIfAllowed(id, { type: "reopen" }));
    const files = await requeueFailed(context, id, { now: this.#options.clock.now(), onWork: reopen });
    if ((await uploads.get(id)).state === "FAILED") await reopen();
    this.#goOn(await uploads.get(id));
    return files;
  }

  /**
   * Scans the folder now, or joins the scan under way.
   * @returns how the scan went; undefined when the folder could not be read (the upload's reason says why)
   * @throws ServiceError `SERVICE_NOT_STARTED` · UploadError `UPLOAD_CANCELLED` · BucketlineError `INVALID_TRANSITION` when paused
   */
  async check(id: string, { signal }: CallOptions = {}): Promise<ScanSummary | undefined> {
    await this.#open();
    if (!this.#starting)
      throw new ServiceError("SERVICE_NOT_STARTED", `Upload ${id} cannot be checked: call start() first.`);
    await this.#starting;
    const upload = await this.#engine.uploads.get(id);
    refuseCancelled(upload);
    if (upload.state === "PAUSED")
      throw new UploadError("INVALID_TRANSITION", `Upload ${id} is PAUSED: resume it first.`);
    signal?.throwIfAborted();
    return await unlessAborted(this.#engine.monitor.check(id), signal);
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
    const { uploads, context } = this.#engine;
    const upload = await uploads.get(id);
    if (options.repair) refuseCancelled(upload);
    const reopen = async () => {
      const now = await uploads.applyIfAllowed(id, { type: "reopen" });
      refuseCancelled(now);
      return now;
    };
    const onWork = async () => void (await reopen());
    const onQueued = async () => this.#goOn(await reopen());
    const signal = options.signal ? AbortSignal.any([options.signal, this.#cut.signal]) : this.#cut.signal;
    try {
      const report = await verifyUpload({ ...options, signal, context, upload, onWork, onQueued });
      this.#emit("upload:verified", () => report);
      return report;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (this.#cut.signal.aborted) this.#refuseStopped();
      throw error;
    }
  }

  /**
   * Ends the upload for good: aborts its transfers and their multipart uploads. Objects that are in the bucket stay. When
   * the store cannot be reached, the clean-up is tried again until it is done, after a restart too.
   * @throws BucketlineError `INVALID_TRANSITION` when it is cancelled already
   */
  async cancel(id: string): Promise<Upload> {
    const upload = await this.#suspend(id, "cancel");
    await cleanUp(this.#engine.context, this.#engine.uploads, upload).catch((error: unknown) => this.#warn(error, id));
    return await this.get(id);
  }

  /**
   * Waits for the upload to finish.
   * @returns the upload when it is COMPLETED (a watched one may go on afterwards)
   * @throws UploadError `UPLOAD_FAILED`, `UPLOAD_CANCELLED` · the signal's reason
   */
  async finished(id: string, { signal }: CallOptions = {}): Promise<Upload> {
    await this.#open();
    for (;;) {
      // Listens before it looks, or it might miss what happens in between.
      const changed = this.#nextChange(id, signal);
      try {
        const upload = await this.get(id);
        if (upload.state === "COMPLETED") return upload;
        refuseCancelled(upload);
        if (upload.state === "FAILED") {
          throw new UploadError("UPLOAD_FAILED", `Upload ${id} failed: ${upload.reason?.message ?? "no reason"}`);
        }
        await changed.wait();
        signal?.throwIfAborted();
      } finally {
        changed.end();
      }
    }
  }

  async #suspend(id: string, type: "pause" | "cancel"): Promise<Upload> {
    await this.#open();
    const upload = await this.#engine.uploads.apply(id, { type });
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
    const counters = await this.#options.state.counters(upload.id);
    return { ...upload, progress: this.#engine.context.progress.progress(upload, counters) };
  }

  /** The upload may have changed: at its next event, or after a while, as another process may have changed it. */
  #nextChange(id: string, signal: AbortSignal | undefined): { wait(): Promise<void>; end(): void } {
    const over = new AbortController();
    const end = () => over.abort();
    const names = ["upload:completed", "upload:failed", "upload:cancelled"] as const satisfies readonly EventName[];
    const listener = (event: { readonly uploadId: string }) => {
      if (event.uploadId === id) over.abort();
    };
    for (const name of names) this.#emitter.on(name, listener as () => void);
    for (const other of [signal, this.#cut.signal]) other?.addEventListener("abort", end, { once: true });
    if (signal?.aborted || this.#cut.signal.aborted) end();
    return {
      wait: () => this.#options.clock.sleep(this.#engine.lease.beatMs, over.signal).catch(() => {}),
      end: () => {
        over.abort();
        for (const name of names) this.#emitter.off(name, listener as () => void);
        for (const other of [signal, this.#cut.signal]) other?.removeEventListener("abort", end);
      },
    };
  }

  async #open(): Promise<void> {
    if (this.#stopping !== undefined) this.#refuseStopped();
    this.#opening ??= this.#options.state.open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    await this.#opening;
  }

  #refuseStopped(): never {
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
    this.#emit("warning", () => ({ ...reasonOf(error), ...(uploadId === undefined ? {} : { uploadId }) }));
  }

  #listen(how: "on" | "once" | "off", args: Parameters<BucketlineEmitter["on"]>): BucketlineEmitter {
    const [name, listener] = args;
    this.#emitter[how](name, listener as (...args: unknown[]) => unknown);
    return this as unknown as BucketlineEmitter;
  }
}

const DEFAULT_PAGE = 100;

/** @throws UploadError `UPLOAD_CANCELLED` */
function refuseCancelled(upload: UploadRecord): void {
  if (upload.state === "CANCELLED")
    throw new UploadError("UPLOAD_CANCELLED", `Upload ${upload.id} was cancelled, which is final.`);
}
