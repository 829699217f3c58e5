import type { FileRecord, FileState, FinishedPart } from "../file.ts";
import type { Notice, NoticeState } from "../notice.ts";
import type { UploadRecord, UploadState } from "../upload.ts";

/** Files and bytes per state, of one upload. `bytes` sums the records' sizes. */
export type Counters = Readonly<Record<FileState, { readonly files: number; readonly bytes: number }>>;

/**
 * One file's write: applied only when the stored revision, state and fence are those of `before` (`before` null: only when
 * there is no record). The revision alone is not enough: an owner writes chains of changes ahead of their outcomes, and
 * once it has been overtaken one of them may meet the revision that its heir has reached.
 */
export interface FileChange {
  readonly before: FileRecord | null;
  /** Same upload and path as `before`; revision one higher, or any for a new record. */
  readonly after: FileRecord;
  /** Parts the store has acknowledged since `before`; the same number again replaces. */
  readonly parts?: readonly FinishedPart[];
  /** Recorded in the same transaction, if and only if the change is applied. */
  readonly notices?: readonly Notice[];
}

/** Whether a change was applied, or had been overtaken by another write. */
export type ChangeOutcome = "applied" | "conflict";

/** Which files of an upload are asked for, in path order. */
export interface FilePage {
  /** Only files whose path is greater than this, byte by byte in UTF-8. */
  readonly after?: string | undefined;
  readonly limit: number;
  readonly states?: readonly FileState[] | undefined;
  /** Only files with a transfer in flight or left behind. */
  readonly withTransfer?: boolean | undefined;
  /** Only files whose `nextAttemptAt` is at most this, in milliseconds since 1970. */
  readonly dueBy?: number | undefined;
}

/** Which uploads are asked for, in the order of their registration. */
export interface UploadPage {
  /** Id of the last upload of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
  readonly states?: readonly UploadState[] | undefined;
  /** Only cancelled uploads that still have multipart uploads to abort. */
  readonly cleanupDue?: boolean | undefined;
}

/** Which files an owner takes in hand, in one transaction. */
export interface ClaimRequest {
  readonly uploadId: string;
  /** Nothing is claimed unless the upload is in this state, checked in the same transaction. */
  readonly uploadState: UploadState;
  readonly limit: number;
  /** A PENDING file is due when `nextAttemptAt` ≤ `now` or > `horizon` (the clock was set back). Milliseconds since 1970. */
  readonly now: number;
  readonly horizon: number;
  /** The claimed record; pure. Called once per file, inside the transaction. */
  readonly take: (file: FileRecord) => FileRecord;
}

/** How many files of dead owners are taken back at once, and what becomes of each. */
export interface RescueRequest {
  readonly limit: number;
  /** The released record; pure. Called once per file, inside the transaction. */
  readonly release: (file: FileRecord) => FileRecord;
}

/** Uploads: few, small, changed one at a time. */
export interface UploadLedger {
  /** Adds an upload. @returns false, changing nothing, when the id is taken */
  insertUpload(upload: UploadRecord): Promise<boolean>;
  getUpload(id: string): Promise<UploadRecord | undefined>;
  /** In order of registration. */
  listUploads(page: UploadPage): Promise<UploadRecord[]>;
  /**
   * Compare and set on `before.revision`. The notices are recorded in the same transaction.
   * @returns false, changing nothing, when it was overtaken
   */
  updateUpload(before: UploadRecord, after: UploadRecord, notices?: readonly Notice[]): Promise<boolean>;
}

/** Files: many. */
export interface FileLedger {
  getFile(uploadId: string, path: string): Promise<FileRecord | undefined>;
  /** In path order: bytes of the UTF-8 form, ascending. */
  listFiles(uploadId: string, page: FilePage): Promise<FileRecord[]>;
  /** The file of this upload that has this key, if any: of several, any one. */
  findFileByKey(uploadId: string, key: string): Promise<FileRecord | undefined>;
  /** Finished parts of the file's current transfer, ascending by number. */
  listParts(uploadId: string, path: string): Promise<FinishedPart[]>;
  /** Costs the same for ten files and for ten million. */
  counters(uploadId: string): Promise<Counters>;
  /**
   * Applies each change that has not been overtaken, in order, all in one transaction: when the promise resolves, they
   * survive a power cut. Outcomes stand in the order of the changes. Counters change in the same transaction. A file's
   * parts are dropped when the transfer of its record becomes null or gets another token.
   *
   * A commit that threw `STATE_UNAVAILABLE` may have happened. Called again with the same array, the store finds out: what
   * did happen is "applied", and is not done twice.
   */
  commit(changes: readonly FileChange[]): Promise<ChangeOutcome[]>;
}

/** Who works on what. Owners are names of running services; leases are kept on the store's clock. */
export interface WorkLedger {
  /**
   * Takes up to `limit` due PENDING files, earliest `nextAttemptAt` first, then in path order, and writes what `take`
   * makes of them. No file goes to two callers. Durable like a commit.
   */
  claim(request: ClaimRequest): Promise<FileRecord[]>;
  /** The earliest `nextAttemptAt` of the upload's PENDING files, in milliseconds since 1970. */
  nextDue(uploadId: string): Promise<number | undefined>;
  /** Says that the owner lives, for `leaseMs` milliseconds from now. Call it before the first claim. */
  heartbeat(owner: string, leaseMs: number): Promise<void>;
  /**
   * Gives back up to `limit` IN_PROGRESS files whose owner's lease has run out, who is known to be dead, or whom nobody
   * knows. Staleness is checked again inside the writing transaction.
   */
  rescue(request: RescueRequest): Promise<FileRecord[]>;
  /** Forgets an owner that has stopped: what it still holds may be rescued at once. */
  retire(owner: string): Promise<void>;
  /** Whether the owner is known and its lease holds. One that is known to be dead, or was retired, does not live. */
  isAlive(owner: string): Promise<boolean>;
}

/** Which notices are asked for, in the order of their ids. */
export interface NoticePage {
  /** Id of the last notice of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
  readonly subscriber?: string | undefined;
  readonly states?: readonly NoticeState[] | undefined;
}

/** Which notices of a subscriber a delivery round takes. */
export interface DueNotices {
  readonly subscriber: string;
  /**
   * A DUE notice is given out when `nextAttemptAt` ≤ `dueBy` or > `horizon` (the clock was set back). Milliseconds since
   * 1970.
   */
  readonly dueBy: number;
  readonly horizon: number;
  readonly limit: number;
}

/** Notices: written by `commit` and `updateUpload`, taken out by whoever delivers them. */
export interface NoticeLedger {
  getNotice(id: string): Promise<Notice | undefined>;
  /** In order of their ids, as ASCII. */
  listNotices(page: NoticePage): Promise<Notice[]>;
  /** Earliest `nextAttemptAt` first, then in order of their ids; those beyond the horizon come behind all others. */
  dueNotices(request: DueNotices): Promise<Notice[]>;
  /** The earliest `nextAttemptAt` of the subscriber's DUE notices, in milliseconds since 1970. */
  nextNotice(subscriber: string): Promise<number | undefined>;
  /**
   * Compare and set on `before.revision`; `after` null removes it. Durable like a commit. Id and subscriber never change.
   * @returns false, changing nothing, when it was overtaken or is gone
   */
  updateNotice(before: Notice, after: Notice | null): Promise<boolean>;
}

/** What another handle has done: to one upload, or, without an id, perhaps to any. */
export interface ChangeHint {
  readonly uploadId?: string | undefined;
}

/** Stops the hints. */
export type Unsubscribe = () => void;

/**
 * The ledger: where every step is recorded before it counts.
 *
 * Guarantees a store gives:
 * - **Durable**: a resolved write survives the death of the process and of the machine.
 * - **Atomic**: a call writes all it says or nothing; counters never disagree with the rows.
 * - **Compare and set**: a write whose `before` does not stand any more (revision; of files state and fence, too) changes
 *   nothing and says so.
 * - **Shared**: several handles, in one process or several, see one state. A store that allows only one owner refuses the
 *   second with `STATE_BUSY`.
 * - **Exact**: any path, 64-bit sizes (up to 2^53) and nanosecond times come back as they went in.
 * - **No policy**: it never decides a state, a delay or a retry; records come from `reduceFile` and `reduceUpload`.
 * - **Fails closed**: a damaged or newer state is refused with `STATE_CORRUPT` or `STATE_NEWER` and left untouched.
 *
 * Every method but `open` throws StateStoreError `STATE_CLOSED` when the store is not open; writes throw
 * `STATE_NOT_WRITABLE`, `STATE_BUSY`, `STATE_FULL` or, when a server is out of reach, `STATE_UNAVAILABLE`.
 */
export interface StateStore extends UploadLedger, FileLedger, WorkLedger, NoticeLedger {
  /** Opens or creates the state and brings it to this version's form. Calling it again does nothing. */
  open(): Promise<void>;
  /** Calling it again does nothing. */
  close(): Promise<void>;
  /**
   * Only stores that several hosts share offer it: calls `listener` soon after another handle has changed an upload or its
   * files. Hints, never the truth: they may be late, repeated, lost, or about nothing. Whoever follows them polls as well.
   */
  subscribe?(listener: (hint: ChangeHint) => void): Unsubscribe;
}
