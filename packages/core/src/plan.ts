import { InputError } from "./errors.ts";
import type { PlanItem } from "./forecast.ts";
import type { RegisterOptions } from "./options.ts";
import type { Pipelines } from "./pipeline/pipelines.ts";
import { type PassContext, type PassOptions, PlanPass, type PlanTotals } from "./plan-pass.ts";
import type { FileSystem } from "./ports/file-system.ts";
import { refuseCancelled, refuseElsewhere } from "./refusals.ts";
import { registerUpload } from "./registration.ts";
import { openSource } from "./source.ts";
import type { UploadRecord } from "./upload.ts";

/** What `check` would be asked with, and how closely to look. */
export interface PlanOptions extends PassOptions {
  readonly signal?: AbortSignal;
}

/**
 * What the next scan, and the work that follows from it, would do. Each iteration looks anew, and may be left at any time.
 * It throws SourceError when the folder cannot be read any more, StateStoreError, ServiceError `SERVICE_STOPPED`,
 * ObjectStoreError (with `askBucket` only) and the signal's reason.
 */
export interface Plan extends AsyncIterable<PlanItem> {
  readonly uploadId: string;
  /** Of the last iteration that came to its end; if none did, of one of its own. Throws as an iteration. */
  totals(): Promise<PlanTotals>;
}

export interface PlanContext extends PassContext {
  readonly fileSystem: FileSystem;
  readonly host: string;
  readonly pipelines: Pipelines;
  /** Aborts when the service is stopped for good. */
  readonly cut: AbortSignal;
  /** @throws ServiceError `SERVICE_STOPPED` */
  readonly refuseIfStopped: () => void;
}

/**
 * @param what options as for `register`, or the id of an upload that is registered
 * @throws as `UploadService.plan`
 */
export async function planUpload(
  context: PlanContext,
  what: RegisterOptions | string,
  options: PlanOptions,
): Promise<Plan> {
  options.signal?.throwIfAborted();
  const upload = typeof what === "string" ? await context.uploads.get(what) : await asIfRegistered(context, what);
  refuseCancelled(upload);
  refuseElsewhere(upload, context.host);
  await openSource(context.fileSystem, upload.spec);
  return new PlanOfUpload(context, upload, options);
}

/** Checks the options as `register` does, with a ledger and a bucket that only pretend. */
async function asIfRegistered(context: PlanContext, options: RegisterOptions): Promise<UploadRecord> {
  // Its folders are only made by the registration.
  if (options.drop)
    throw new InputError("INVALID_OPTION", "A drop folder can be planned by its id, once it is registered.");
  const { state, objects, fileSystem, clock, host, pipelines } = context;
  const ledger = { getUpload: (id: string) => state.getUpload(id), insertUpload: () => Promise.resolve(true) };
  const bucket = { capabilities: objects.capabilities, checkBucket: () => Promise.resolve() };
  const pretended = { state: ledger, objects: bucket, fileSystem, clock, host, pipelines, onTrouble: () => {} };
  return (await registerUpload(pretended, options, undefined)).upload;
}

class PlanOfUpload implements Plan {
  readonly uploadId: string;
  readonly #context: PlanContext;
  readonly #upload: UploadRecord;
  readonly #options: PlanOptions;
  #totals: PlanTotals | undefined;

  constructor(context: PlanContext, upload: UploadRecord, options: PlanOptions) {
    this.uploadId = upload.id;
    this.#context = context;
    this.#upload = upload;
    this.#options = options;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PlanItem, void, void> {
    const { state, fileSystem, cut, refuseIfStopped } = this.#context;
    const { signal: wish, ...options } = this.#options;
    const signal = wish ? AbortSignal.any([wish, cut]) : cut;
    try {
      signal.throwIfAborted();
      // Another scan may have ended since.
      const upload = (await state.getUpload(this.uploadId)) ?? this.#upload;
      const root = await openSource(fileSystem, upload.spec);
      const pass = new PlanPass(this.#context, options, { upload, root, signal });
      yield* pass.items();
      this.#totals = pass.totals();
    } catch (error) {
      wish?.throwIfAborted();
      refuseIfStopped();
      throw error;
    }
  }

  async totals(): Promise<PlanTotals> {
    while (!this.#totals) for await (const _ of this);
    return this.#totals;
  }
}
