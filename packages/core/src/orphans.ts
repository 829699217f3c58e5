import { ObjectStoreError, reasonOf } from "./errors.ts";
import { emitWarning } from "./events.ts";
import type { FileRecord } from "./file.ts";
import { type KeyTemplate, keyTemplateOf } from "./keys.ts";
import type { ListedMultipart } from "./ports/object-store.ts";
import type { TransferContext } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

/** Between two sweeps. Milliseconds. */
const SWEEP_EVERY = 86_400_000;

/**
 * Finds multipart uploads that the ledger does not know: a request to create one that its store carried out after its
 * sender had died. Only keys of our own are touched, and only what is older than any request on its way can be.
 */
export class OrphanSweeper {
  readonly #context: TransferContext;
  readonly #uploads: Uploads;
  readonly #minAge: number;
  #nextSweep = 0;

  /** @param minAge milliseconds by the store's clock */
  constructor(context: TransferContext, uploads: Uploads, minAge: number) {
    this.#context = context;
    this.#uploads = uploads;
    this.#minAge = minAge;
  }

  /** Sweeps every upload that may have left something, once a day. What fails is tried again the next day. */
  async sweepDue(): Promise<void> {
    const now = this.#context.clock.monotonic();
    if (now < this.#nextSweep) return;
    this.#nextSweep = now + SWEEP_EVERY;
    for await (const upload of this.#uploads.inStates({}))
      if (this.#mayHaveLeft(upload)) await this.#sweepSafely(upload);
  }

  /** One that ended long ago was swept after its end. */
  #mayHaveLeft({ spec, finishedAt, state }: UploadRecord): boolean {
    if (finishedAt === null || (spec.mode === "watch" && state !== "CANCELLED")) return true;
    return this.#context.clock.now() - finishedAt < this.#minAge + 2 * SWEEP_EVERY;
  }

  async #sweepSafely(upload: UploadRecord): Promise<void> {
    try {
      await this.#sweep(upload);
    } catch (error) {
      if (!(error instanceof ObjectStoreError)) throw error;
      // Who may not list can still upload; a lifecycle rule of the bucket does the same work.
      const blind = error.kind === "denied" || error.kind === "unsupported";
      if (!blind) emitWarning(this.#context.emit, reasonOf(error), upload.id);
    }
  }

  async #sweep(upload: UploadRecord): Promise<void> {
    const { objects, clock } = this.#context;
    const { bucket, object } = upload.spec;
    const template = keyTemplateOf(upload);
    const place = { bucket, expectedBucketOwner: object.expectedBucketOwner };
    for await (const found of objects.listMultiparts({ ...place, prefix: template.prefix })) {
      if (clock.now() - found.initiatedAt < this.#minAge) continue;
      if (!isOrphan(template, found, await this.#fileOf(upload.id, template, found.key))) continue;
      await objects.abortMultipart({ ...place, key: found.key, multipartId: found.multipartId });
    }
  }

  #fileOf(uploadId: string, template: KeyTemplate, key: string): Promise<FileRecord | undefined> {
    const { state } = this.#context;
    return template.ordered
      ? state.getFile(uploadId, key.slice(template.prefix.length))
      : state.findFileByKey(uploadId, key);
  }
}

/** Nobody works with it, and it is ours: under our own prefix everything is, elsewhere only keys of our files. */
function isOrphan(template: KeyTemplate, found: ListedMultipart, file: FileRecord | undefined): boolean {
  if (file?.state === "IN_PROGRESS" || file?.transfer?.multipartId === found.multipartId) return false;
  return template.exclusive || file !== undefined;
}
