import { UploadError } from "./errors.ts";
import { type Emit, emitUpload, uploadEvent } from "./events.ts";
import type { Outbox } from "./outbox.ts";
import type { Clock } from "./ports/clock.ts";
import type { UploadLedger, WorkLedger } from "./ports/state-store.ts";
import { refuseOtherStore } from "./store-location.ts";
import { canReduceUpload, reduceUpload, type ScanSummary, type UploadAction, type UploadRecord } from "./upload.ts";

export interface UploadsOptions {
  readonly state: UploadLedger & Pick<WorkLedger, "isAlive">;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Default: nothing is recorded but the changes. */
  readonly outbox?: Pick<Outbox, "noticesOfUpload" | "announce"> | undefined;
  /** Where the object store is. Default: nobody has said, and no upload is refused. */
  readonly storeLocation?: string | null;
}

/** On what a change depends. */
export interface ChangeOptions {
  /** It is made only while this is the upload's revision, whichever process changes it. Default: whatever it is. */
  readonly revision?: number | undefined;
}

/** Moves uploads from state to state: read, reduce, compare and set, then tell. */
export class Uploads {
  readonly #options: UploadsOptions;
  /** As each upload was last seen here: a later state that differs has been brought about by somebody else. */
  readonly #seen = new Map<string, Pick<UploadRecord, "state" | "revision">>();

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

  /** As `get`, of an upload whose objects are in this object store. @throws UploadError also `UPLOAD_OTHER_STORE` */
  async claim(id: string): Promise<UploadRecord> {
    const { storeLocation = null } = this.#options;
    const upload = await this.get(id);
    if (storeLocation === null || upload.spec.storeLocation === storeLocation) return upload;
    const isNews = upload.spec.storeLocation === undefined;
    const located = isNews ? await this.applyIfAllowed(id, { type: "locate", location: storeLocation }) : upload;
    return refuseOtherStore(located, storeLocation);
  }

  /**
   * Applies the action to the upload as it stands now, however often somebody else gets in between.
   * @throws BucketlineError `INVALID_TRANSITION` · UploadError `UPLOAD_NOT_FOUND`, `UPLOAD_CHANGED`
   */
  async apply(id: string, action: UploadAction, { revision }: ChangeOptions = {}): Promise<UploadRecord> {
    for (;;) {
      const before = await this.get(id);
      if (revision !== undefined && before.revision !== revision)
        throw new UploadError("UPLOAD_CHANGED", `Upload ${id} is at revision ${before.revision}, not at ${revision}.`);
      const after = await this.#tryApply(before, action);
      if (after) return after;
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

  /**
   * Makes the scan of the upload the owner's.
   * @returns undefined when another living owner is at it, or when the upload's state does not allow a scan
   */
  async beginScan(id: string, owner: string): Promise<UploadRecord | undefined> {
    for (;;) {
      const before = await this.get(id);
      if (!canReduceUpload(before, "scan") || (await this.isScannedByOther(before, owner))) return undefined;
      const after = await this.#tryApply(before, { type: "scan", owner });
      if (after) return after;
    }
  }

  /** Ends the owner's scan; does nothing when another owner has taken it over. `scan` null: it was not finished. */
  async endScan(id: string, owner: string, scan: ScanSummary | null): Promise<void> {
    for (;;) {
      const before = await this.get(id);
      if (before.scanner !== owner || !canReduceUpload(before, "scanned")) return;
      if (await this.#tryApply(before, { type: "scanned", scan })) return;
    }
  }

  /** Whether a living owner other than this one scans the upload. */
  async isScannedByOther({ scanner }: UploadRecord, owner: string): Promise<boolean> {
    return scanner !== null && scanner !== owner && (await this.#options.state.isAlive(scanner));
  }

  /** Remembers the upload's state. @returns whether it is news here: unknown so far, or changed by somebody else */
  see(upload: UploadRecord): boolean {
    const { id, state, revision } = upload;
    const seen = this.#seen.get(id);
    // Read before the change that has been seen already.
    if (seen && revision < seen.revision) return false;
    this.#seen.set(id, { state, revision });
    return seen?.state !== state;
  }

  /** As `see`, and tells what is news. */
  notice(upload: UploadRecord): void {
    if (this.see(upload)) this.#options.emit("upload:changed", () => uploadEvent(upload));
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

  /** @returns undefined when somebody else was faster */
  async #tryApply(before: UploadRecord, action: UploadAction): Promise<UploadRecord | undefined> {
    const { state, clock, emit, outbox } = this.#options;
    const after = reduceUpload(before, action, clock.now());
    const notices = outbox?.noticesOfUpload(before, after) ?? [];
    if (!(await state.updateUpload(before, after, notices))) return undefined;
    this.see(after);
    outbox?.announce(notices);
    emitUpload(emit, action, after);
    return after;
  }
}

const PAGE = 100;
