import { isDeepStrictEqual } from "node:util";
import { InputError, UploadError } from "./errors.ts";
import { FILE_STATES, type FileRecord, type FileState, type FinishedPart, reduceFile } from "./file.ts";
import { decodeLedger, type LedgerChunks, type LedgerTotals } from "./ledger-lines.ts";
import type { Notice } from "./notice.ts";
import type { StateStore } from "./ports/state-store.ts";
import { reduceUpload, type UploadRecord } from "./upload.ts";

/** What an import reads and writes. */
export type ImportTarget = Pick<
  StateStore,
  "insertUpload" | "getUpload" | "updateUpload" | "getFile" | "listParts" | "counters" | "commit"
>;

/** Settings of `importLedger`. */
export interface ImportOptions {
  /**
   * What to do about an upload that is there already and has gone on since, or in another way: `refuse` (default) throws
   * `UPLOAD_EXISTS`; `keep` leaves it as it is, provided it was registered as the same upload, and imports the others.
   */
  readonly existing?: "refuse" | "keep";
}

/** What an import has brought into the ledger. */
export interface ImportSummary extends LedgerTotals {
  /** Ids of the uploads that were there already and were left as they are. */
  readonly kept: readonly string[];
}

/** Files and parts written in one transaction, at most (but for a single file's parts). */
const LARGEST_BATCH = 250;
const LARGEST_BATCH_PARTS = 10_000;
/** Notices written in one transaction, at most. */
const LARGEST_BATCH_NOTICES = 1_000;

/**
 * Brings an export into a store, beside what is there. An upload stands there as CANCELLED with the reason
 * `IMPORT_UNFINISHED`, which no service touches, until the last line of the export has been read and everything before
 * it is in. Cut short at any point and begun again, it goes on.
 *
 * Files that were in flight come as files whose owner has died: PENDING, with their transfers and finished parts, so that
 * they go on where they were. Revisions are the store's own. Everything else comes exactly as it was. The notices of an
 * upload, which are kept in memory until then, come with the change that makes it whole: what has been imported and delivered
 * since is not recorded again.
 * @param state open
 * @param source the export; or a function that opens it: then all of it is checked before anything is written
 * @throws InputError `INVALID_OPTION` · ExportError `EXPORT_INVALID`, `EXPORT_NEWER` · UploadError `UPLOAD_EXISTS`, before anything of that upload is
 *   changed · StateStoreError · what the source throws
 */
export async function importLedger(
  state: ImportTarget,
  source: LedgerChunks | (() => LedgerChunks),
  options: ImportOptions = {},
): Promise<ImportSummary> {
  const { existing = "refuse" } = options;
  if (existing !== "refuse" && existing !== "keep")
    throw new InputError("INVALID_OPTION", "existing: give refuse or keep.");
  const importer = new LedgerImporter(state, existing);
  if (typeof source === "function") {
    for await (const entry of decodeLedger(source())) if ("upload" in entry) await importer.look(entry.upload);
  }
  for await (const entry of decodeLedger(typeof source === "function" ? source() : source)) {
    if ("totals" in entry) return await importer.finish(entry.totals);
    if ("upload" in entry) await importer.upload(entry.upload);
    else if ("notice" in entry) importer.notice(entry.notice);
    else await importer.file(entry.file, entry.parts);
  }
  throw new TypeError("decodeLedger ended without totals.");
}

/** `fill`: its files are written · `compare`: it is there, and must be the same · `keep`: it is there, and may differ. */
type Manner = "fill" | "compare" | "keep";

/** An upload of the export, on its way. */
interface Arrival {
  readonly upload: UploadRecord;
  readonly manner: Manner;
  readonly counters: Record<FileState, { files: number; bytes: number }>;
  /** To be recorded: none of an upload that is there. */
  readonly notices: Notice[];
}

interface FileArrival {
  readonly file: FileRecord;
  readonly parts: readonly FinishedPart[];
}

class LedgerImporter {
  readonly #state: ImportTarget;
  readonly #existing: "refuse" | "keep";
  readonly #arrivals = new Map<string, Arrival>();
  #latest: Arrival | undefined;
  #batch: FileArrival[] = [];
  #batchParts = 0;

  constructor(state: ImportTarget, existing: "refuse" | "keep") {
    this.#state = state;
    this.#existing = existing;
  }

  /** Writes nothing. @throws UploadError `UPLOAD_EXISTS` */
  async look(upload: UploadRecord): Promise<void> {
    const stored = await this.#state.getUpload(upload.id);
    if (stored) this.#mannerOf(stored, upload);
  }

  async upload(upload: UploadRecord): Promise<void> {
    await this.#flush();
    const isNew = await this.#state.insertUpload(unfinished(upload));
    const stored = isNew ? undefined : await this.#state.getUpload(upload.id);
    const manner = stored ? this.#mannerOf(stored, upload) : "fill";
    const zeros = FILE_STATES.map((state) => [state, { files: 0, bytes: 0 }]);
    this.#latest = { upload, manner, counters: Object.fromEntries(zeros), notices: [] };
    this.#arrivals.set(upload.id, this.#latest);
  }

  async file(read: FileRecord, parts: readonly FinishedPart[]): Promise<void> {
    const file = released(read);
    const { counters } = this.#current();
    counters[file.state].files++;
    counters[file.state].bytes += file.size;
    this.#batch.push({ file, parts });
    this.#batchParts += parts.length;
    if (this.#batch.length >= LARGEST_BATCH || this.#batchParts >= LARGEST_BATCH_PARTS) await this.#flush();
  }

  notice(notice: Notice): void {
    const arrival = this.#arrivals.get(notice.payload.uploadId);
    if (arrival?.manner === "fill") arrival.notices.push(notice);
  }

  /** The export was whole: makes of each upload what it is. */
  async finish(totals: LedgerTotals): Promise<ImportSummary> {
    await this.#flush();
    const arrivals = [...this.#arrivals.values()];
    for (const { upload, manner, counters } of arrivals) {
      if (manner === "keep" || isDeepStrictEqual({ ...(await this.#state.counters(upload.id)) }, counters)) continue;
      throw differs(
        upload.id,
        "has more files in this store than in the export (go on with the newer export, if there is one)",
      );
    }
    for (const arrival of arrivals) if (arrival.manner === "fill") await this.#complete(arrival);
    const kept = arrivals.filter(({ manner }) => manner === "keep").map(({ upload }) => upload.id);
    return { ...totals, kept };
  }

  /** @throws UploadError `UPLOAD_EXISTS` */
  #mannerOf(stored: UploadRecord, upload: UploadRecord): Manner {
    const isKin = identityOf(stored) === identityOf(upload);
    if (isUnfinished(stored) && isKin) return "fill";
    if (!isUnfinished(stored) && isKin && this.#existing === "keep") return "keep";
    if (same(stored, settled(upload, false)) || same(stored, settled(upload, true))) return "compare";
    throw differs(upload.id, isKin ? "has gone on in this store" : "is another one in this store");
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchParts = 0;
    if (batch.length === 0) return;
    const { upload, manner } = this.#current();
    if (manner === "keep") return;
    if (manner === "compare") {
      const found = await Promise.all(batch.map((arrival) => this.#stored(arrival)));
      const other = found.findIndex(({ isSame }) => !isSame);
      if (other === -1) return;
      throw differs(upload.id, `has another record of the file ${JSON.stringify(batch[other]?.file.path)}`);
    }
    const outcomes = await this.#state.commit(batch.map(({ file, parts }) => ({ before: null, after: file, parts })));
    for (const [index, arrival] of batch.entries()) if (outcomes[index] !== "applied") await this.#rewrite(arrival);
  }

  /** An import that was cut short has left the file, perhaps of an older export. */
  async #rewrite(arrival: FileArrival): Promise<void> {
    for (;;) {
      const { before, isSame } = await this.#stored(arrival);
      if (isSame) return;
      const after = before ? { ...arrival.file, revision: before.revision + 1 } : arrival.file;
      const [outcome] = await this.#state.commit([{ before, after, parts: arrival.parts }]);
      if (outcome === "applied") return;
    }
  }

  /** Parts that are recorded beyond the export's belong to the same transfer, and so do no harm. */
  async #stored({ file, parts }: FileArrival): Promise<{ before: FileRecord | null; isSame: boolean }> {
    const before = (await this.#state.getFile(file.uploadId, file.path)) ?? null;
    if (!before || !same(before, file)) return { before, isSame: false };
    const known = parts.length === 0 ? [] : await this.#state.listParts(file.uploadId, file.path);
    const byNumber = new Map(known.map((part) => [part.partNumber, part]));
    return { before, isSame: parts.every((part) => isDeepStrictEqual(byNumber.get(part.partNumber), part)) };
  }

  /** Restores a record as it was: no transition, so no action leads there. */
  async #complete({ upload, counters, notices }: Arrival): Promise<void> {
    const final = settled(upload, counters.PENDING.files > 0);
    for (let written = 0; ; ) {
      const stored = await this.#state.getUpload(upload.id);
      // Another import of the same export may have been faster.
      if (stored && same(stored, final)) return;
      if (!stored || !isUnfinished(stored)) throw differs(upload.id, "was changed during the import");
      const next = written + LARGEST_BATCH_NOTICES;
      const after = { ...(next < notices.length ? stored : final), revision: stored.revision + 1 };
      if (!(await this.#state.updateUpload(stored, after, notices.slice(written, next)))) continue;
      if (next >= notices.length) return;
      written = next;
    }
  }

  #current(): Arrival {
    return this.#latest as Arrival;
  }
}

/**
 * The upload while it is being imported. CANCELLED, as no service scans, sends, resumes or cleans up such a one; finished
 * long ago, so that none looks for orphaned transfers of files that have not come yet.
 */
function unfinished(upload: UploadRecord): UploadRecord {
  const message = "The import of this upload was not finished. Run it again.";
  return {
    ...upload,
    state: "CANCELLED",
    reason: { code: "IMPORT_UNFINISHED", message },
    scanner: null,
    cleanupDue: false,
    finishedAt: 0,
  };
}

function isUnfinished(upload: UploadRecord): boolean {
  return upload.reason?.code === "IMPORT_UNFINISHED";
}

/** What tells an upload from another one with its id, whatever has been done to either since its registration. */
function identityOf({ createdAt, spec: { sourceFolder, bucket, keyTemplate } }: UploadRecord): string {
  return JSON.stringify([createdAt, sourceFolder, bucket, keyTemplate]);
}

/** Nobody scans it here. An export of a running service may show it finished and, read later, files that are not. */
function settled(upload: UploadRecord, work: boolean): UploadRecord {
  const isDone = upload.state === "COMPLETED" || (upload.state === "FAILED" && upload.reason?.code === "UPLOAD_FAILED");
  const reopened = work && isDone ? reduceUpload(upload, { type: "reopen" }, upload.updatedAt) : upload;
  return { ...reopened, scanner: null };
}

/** The owner is at home in another store. The record depends on nothing else, so that a second import makes the same. */
function released(file: FileRecord): FileRecord {
  if (file.state !== "IN_PROGRESS") return file;
  // What was in its owner's hands more than once lines up behind what was not, as after a crash.
  const nextAttemptAt = file.attempts > 1 ? file.updatedAt : 0;
  return reduceFile(file, { type: "release", burnt: true, nextAttemptAt }, file.updatedAt);
}

/** Revisions tell how often a store has written a record, and so are its own. */
function same<T extends { readonly revision: number }>(a: T, b: T): boolean {
  return isDeepStrictEqual({ ...a, revision: 0 }, { ...b, revision: 0 });
}

function differs(id: string, how: string): UploadError {
  return new UploadError("UPLOAD_EXISTS", `Upload ${JSON.stringify(id)} ${how}. It was left as it is.`);
}
