import type { Checksum } from "./checksum.ts";
import { BucketlineError, type Reason } from "./errors.ts";
import { type HistoryEntry, historyAfter } from "./history.ts";
import { type StepTrace, stepsAfter } from "./pipeline/trace.ts";
import type { FileFacts } from "./ports/file-system.ts";

/** Every state that a file can be in. */
export const FILE_STATES = ["PENDING", "IN_PROGRESS", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"] as const;
/** The state of a file. */
export type FileState = (typeof FILE_STATES)[number];

/** What the scanner or an open descriptor says of a source file. */
export interface SourceFacts {
  /** Bytes. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** `dev:ino:size:mtimeNs:ctimeNs`; two equal fingerprints mean the same, untouched file. */
  readonly fingerprint: string;
}

export function sourceFacts(facts: FileFacts): SourceFacts {
  const { dev, ino, size, mtimeNs, ctimeNs } = facts;
  return { size, mtimeNs, fingerprint: `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}` };
}

/** The fingerprint without the device number, which may differ after a reboot or a remount. */
export function withoutDevice(fingerprint: string): string {
  return fingerprint.slice(fingerprint.indexOf(":") + 1);
}

/** Whether two fingerprints are of one file that was renamed at most: same inode, size and mtime. */
export function isSameContent(one: string, other: string): boolean {
  const lasting = (fingerprint: string) => fingerprint.split(":").slice(1, 4).join(":");
  return lasting(one) === lasting(other);
}

/** `nextAttemptAt` of a FAILED file that is not tried again by itself: the latest time that a Date can hold. */
export const NEVER = 8_640_000_000_000_000;

/** One transfer in flight, pinned to one fingerprint and one part size from its first byte to its last. */
export interface Transfer {
  /** Goes into the object's metadata and tells our write of just these bytes from any other. */
  readonly token: string;
  readonly key: string;
  readonly fingerprint: string;
  /** Bytes per part but the last. */
  readonly partSize: number;
  /** Null from the moment we intend to begin until the store has told us the id. */
  readonly multipartId: string | null;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** One part the store has acknowledged. */
export interface FinishedPart {
  /** 1 … 10,000 */
  readonly partNumber: number;
  readonly size: number;
  readonly etag: string;
  readonly checksum: Checksum;
}

/** What proves that the bucket holds the file: written in the same transaction as UPLOADED. */
export interface Evidence {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly versionId: string | null;
  readonly checksum: Checksum;
  /** Of the source, when its bytes were read. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly uploadedAt: number;
  /** Of the file's own bytes, where a pipeline has made other ones of them: `size` and `checksum` are the object's. */
  readonly sourceChecksum?: Checksum;
}

/** One file of one upload: a row of the ledger. Identity: `uploadId` and `path`. */
export interface FileRecord extends SourceFacts {
  readonly uploadId: string;
  /** Relative to the source folder, with "/". */
  readonly path: string;
  readonly state: FileState;
  /** Goes up by one with every write; a write names the revision that it read (compare and set). */
  readonly revision: number;
  /** Of the object that the file is, or will be; empty for SKIPPED and REMOVED ones, which have no claim to it. */
  readonly key: string;
  /** Transfers begun since the file was last queued afresh. */
  readonly attempts: number;
  /** Milliseconds since 1970 before which nobody takes a PENDING file; for FAILED ones, when it is queued again (`NEVER`: not by itself). 0: at once. */
  readonly nextAttemptAt: number;
  /** Milliseconds since 1970 since when it has been changing again and again, never quiet; null when it is quiet. */
  readonly unstableSince: number | null;
  /** Who holds an IN_PROGRESS file. */
  readonly owner: string | null;
  /** Goes up by one with every claim. */
  readonly fence: number;
  /** Why FAILED or SKIPPED; for PENDING, why the last attempt did not succeed. */
  readonly reason: Reason | null;
  readonly transfer: Transfer | null;
  /** The object that stands in the bucket, from the last success; kept while a newer version is on its way. */
  readonly evidence: Evidence | null;
  /** What befell it and is told by no other field, newest last; bounded, and empty for most files. */
  readonly history: readonly HistoryEntry[];
  /** What the steps of its pipeline did, newest last; bounded, and empty without a pipeline. */
  readonly steps: readonly StepTrace[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What may happen to a file; see `FILE_TRANSITIONS`. */
export type FileAction =
  | { readonly type: "claim"; readonly owner: string }
  /** The transfer that is about to begin; null when the last one was given up and nothing of it remains. */
  | { readonly type: "transfer"; readonly transfer: Transfer | null; readonly facts?: SourceFacts }
  | { readonly type: "parts" }
  /** What was left of a transfer nobody works on has been aborted. */
  | { readonly type: "cleaned" }
  | { readonly type: "uploaded"; readonly evidence: Evidence; readonly facts: SourceFacts }
  /** The owner gives the file back, or is dead. `burnt`: the attempt counts. */
  | { readonly type: "release"; readonly burnt: boolean; readonly nextAttemptAt?: number }
  | {
      readonly type: "retry";
      readonly reason: Reason;
      readonly nextAttemptAt: number;
      readonly facts?: SourceFacts;
      readonly burnt: boolean;
    }
  | { readonly type: "fail"; readonly reason: Reason; readonly nextAttemptAt: number }
  /** The scan saw other facts than the record has. */
  | { readonly type: "changed"; readonly facts: SourceFacts; readonly key: string; readonly nextAttemptAt: number }
  /** The bucket does not hold what the evidence says, so the evidence is void. */
  | { readonly type: "disproved"; readonly reason: Reason }
  | { readonly type: "requeue" }
  | { readonly type: "skip"; readonly reason: Reason; readonly facts?: SourceFacts }
  | { readonly type: "remove" }
  /** The object of a file that is gone is gone, too: the recorded one, or then one whose write was never recorded. */
  | { readonly type: "deleted" }
  /** What stands there, if anything, is not its object: another file's, or a stranger's. */
  | { readonly type: "disowned" };

/** From which states an action may start, and where it leads (null: stays). The only place that knows. */
export const FILE_TRANSITIONS: Readonly<
  Record<FileAction["type"], { readonly from: readonly FileState[]; readonly to: FileState | null }>
> = {
  claim: { from: ["PENDING"], to: "IN_PROGRESS" },
  transfer: { from: ["IN_PROGRESS"], to: "IN_PROGRESS" },
  parts: { from: ["IN_PROGRESS"], to: "IN_PROGRESS" },
  cleaned: { from: ["PENDING", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"], to: null },
  uploaded: { from: ["IN_PROGRESS"], to: "UPLOADED" },
  release: { from: ["IN_PROGRESS"], to: "PENDING" },
  retry: { from: ["IN_PROGRESS"], to: "PENDING" },
  fail: { from: ["IN_PROGRESS"], to: "FAILED" },
  changed: { from: ["PENDING", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"], to: "PENDING" },
  disproved: { from: ["UPLOADED"], to: "PENDING" },
  requeue: { from: ["PENDING", "FAILED"], to: "PENDING" },
  skip: { from: ["PENDING", "IN_PROGRESS", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"], to: "SKIPPED" },
  remove: { from: ["PENDING", "IN_PROGRESS", "UPLOADED", "FAILED", "SKIPPED"], to: "REMOVED" },
  deleted: { from: ["REMOVED"], to: null },
  disowned: { from: ["REMOVED"], to: null },
};

/**
 * The next record. The only code that changes a file's state.
 * @param now milliseconds since 1970
 * @param traces what steps of its pipeline have done since the last write
 * @throws BucketlineError `INVALID_TRANSITION`
 */
export function reduceFile(
  file: FileRecord,
  action: FileAction,
  now: number,
  traces: readonly StepTrace[] = [],
): FileRecord {
  const { from, to } = FILE_TRANSITIONS[action.type];
  if (!from.includes(file.state)) {
    throw new BucketlineError("INVALID_TRANSITION", `File ${file.path} is ${file.state}: cannot ${action.type}.`);
  }
  const history = historyAfter(file, action, now);
  const steps = stepsAfter(file.steps, traces);
  const moved = { ...file, state: to ?? file.state, revision: file.revision + 1, history, steps, updatedAt: now };
  return { ...moved, ...fileChange(file, action, now) };
}

function fileChange(file: FileRecord, action: FileAction, now: number): Partial<FileRecord> {
  switch (action.type) {
    case "claim":
      return { owner: action.owner, fence: file.fence + 1, attempts: file.attempts + 1 };
    case "transfer":
      return { transfer: action.transfer, ...factsOf(action.facts) };
    case "parts":
      return {};
    case "cleaned":
      return { transfer: null };
    case "uploaded":
      return {
        ...FREE,
        ...factsOf(action.facts),
        evidence: action.evidence,
        transfer: null,
        reason: null,
        attempts: 0,
        unstableSince: null,
      };
    case "release":
      return {
        ...FREE,
        nextAttemptAt: action.nextAttemptAt ?? 0,
        attempts: action.burnt ? file.attempts : Math.max(0, file.attempts - 1),
      };
    case "retry":
      return {
        ...FREE,
        ...factsOf(action.facts),
        reason: action.reason,
        nextAttemptAt: action.nextAttemptAt,
        attempts: action.burnt ? file.attempts : Math.max(0, file.attempts - 1),
        unstableSince: action.reason.code === "SOURCE_CHANGED" ? (file.unstableSince ?? now) : file.unstableSince,
      };
    case "fail":
      return { ...FREE, reason: action.reason, nextAttemptAt: action.nextAttemptAt };
    case "changed":
      return {
        ...factsOf(action.facts),
        key: action.key,
        nextAttemptAt: action.nextAttemptAt,
        unstableSince: action.nextAttemptAt > 0 ? (file.unstableSince ?? now) : null,
        // An attempt that died may have sent these very bytes: the next one has to look first.
        attempts: file.state === "PENDING" ? Math.min(file.attempts, 1) : 0,
        reason: null,
      };
    case "disproved":
      return {
        // An attempt that died may have sent these very bytes: the next one has to look first.
        attempts: file.state === "PENDING" ? Math.min(file.attempts, 1) : 0,
        nextAttemptAt: 0,
        reason: action.reason,
        evidence: null,
      };
    case "requeue":
      return { attempts: 0, nextAttemptAt: 0, reason: null };
    case "skip":
      return { ...FREE, ...factsOf(action.facts), key: "", reason: action.reason, unstableSince: null };
    case "remove":
      return { ...FREE, key: "", reason: null, unstableSince: null };
    case "deleted":
    case "disowned":
      // First the object of the evidence, then what attempts may have left.
      return file.evidence ? { evidence: null } : { attempts: 0 };
  }
}

const FREE = { owner: null, nextAttemptAt: 0 } as const;

function factsOf(facts: SourceFacts | undefined): Partial<SourceFacts> {
  return facts ? { size: facts.size, mtimeNs: facts.mtimeNs, fingerprint: facts.fingerprint } : {};
}

/**
 * Whether a write that starts from `before` may be applied to what is stored: the compare of compare and set, for stores
 * that read before they write. Null and undefined: no record.
 */
export function isCurrent(before: FileRecord | null, stored: FileRecord | undefined): boolean {
  if (before === null || stored === undefined) return before === null && stored === undefined;
  return stored.revision === before.revision && stored.state === before.state && stored.fence === before.fence;
}

/** The record of a file seen for the first time. */
export function newFile(
  init: SourceFacts & Pick<FileRecord, "uploadId" | "path" | "key"> & { nextAttemptAt?: number; skip?: Reason },
  now: number,
): FileRecord {
  return {
    uploadId: init.uploadId,
    path: init.path,
    key: init.key,
    size: init.size,
    mtimeNs: init.mtimeNs,
    fingerprint: init.fingerprint,
    state: init.skip ? "SKIPPED" : "PENDING",
    revision: 1,
    attempts: 0,
    nextAttemptAt: init.nextAttemptAt ?? 0,
    unstableSince: init.nextAttemptAt && !init.skip ? now : null,
    owner: null,
    fence: 0,
    reason: init.skip ?? null,
    transfer: null,
    evidence: null,
    history: [],
    steps: [],
    createdAt: now,
    updatedAt: now,
  };
}
