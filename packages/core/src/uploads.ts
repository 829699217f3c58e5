import { UploadError } from "./errors.ts";
import { type Emit, emitUpload } from "./events.ts";
import type { Clock } from "./ports/clock.ts";
import type { UploadLedger } from "./ports/state-store.ts";
import { canReduceUpload, reduceUpload, type UploadAction, type UploadRecord } from "./upload.ts";

export interface UploadsOptions {
  readonly state: UploadLedger;
  readonly clock: Clock;
  readonly emit: Emit;
}

/** Moves uploads from state to state: read, reduce, compare and set, then tell. */
export class Uploads {
  readonly #options: UploadsOptions;

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /** @throws UploadError `UPLOAD_NOT_FOUND` */
  async get(id: string): Promise<UploadRecord> {
    const upload = await this.#options.state.getUpload(id);
    if (!upload)
      throw new UploadError(
        "UPLOAD_NOT_FOUND",
        `There is no upload ${JSON.stringify(id)}. List the uploads to see their ids.`,
      );
    return upload;
  }

  /**
   * Applies the action to the upload as it stands now, however often somebody else gets in between.
   * @throws BucketlineError `INVALID_TRANSITION` · UploadError `UPLOAD_NOT_FOUND`
   */
  async apply(id: string, action: UploadAction): Promise<UploadRecord> {
    for (;;) {
      const before = await this.get(id);
      const after = reduceUpload(before, action, this.#options.clock.now());
      if (await this.#options.state.updateUpload(before, after)) {
        emitUpload(this.#options.emit, action, after);
        return after;
      }
    }
  }

  /** As `apply`, but leaves an upload alone whose state does not allow the action. */
  async applyIfAllowed(id: string, action: UploadAction): Promise<UploadRecord> {
    const upload = await this.get(id);
    if (!canReduceUpload(upload, action.type)) return upload;
    return await this.apply(id, action).catch(async (error: unknown) => {
      const now = await this.get(id);
      if (canReduceUpload(now, action.type)) throw error;
      return now;
    });
  }

  /** Every upload in one of the states, page by page, in order of registration. */
  async *inStates(page: {
    readonly states?: readonly UploadRecord["state"][];
    readonly cleanupDue?: boolean;
  }): AsyncGenerator<UploadRecord> {
    for (let after: string | undefined; ; ) {
      const uploads = await this.#options.state.listUploads({ ...page, after, limit: PAGE });
      yield* uploads;
      after = uploads.at(-1)?.id;
      if (uploads.length < PAGE) return;
    }
  }
}

const PAGE = 100;
