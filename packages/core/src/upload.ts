import { BucketlineError, type Reason } from "./errors.ts";
import type { ObjectSettings } from "./ports/object-store.ts";

export const UPLOAD_STATES = ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "PAUSED", "CANCELLED"] as const;
export type UploadState = (typeof UPLOAD_STATES)[number];

/** What an upload is, with every default filled in. Plain JSON, and never a secret. */
export interface UploadSpec {
  /** Absolute. */
  readonly sourceFolder: string;
  readonly bucket: string;
  readonly pattern: readonly string[];
  readonly exclude: readonly string[];
  /** Whether patterns match names that start with a dot. */
  readonly dot: boolean;
  readonly keyTemplate: string;
  readonly mode: UploadMode;
  readonly symlinks: "skip" | "follow";
  /** `always` replaces an object that has the key; `never` leaves it and skips the file. */
  readonly overwrite: "always" | "never";
  /** Bytes; null: no limit. */
  readonly minSize: number | null;
  readonly maxSize: number | null;
  /** Milliseconds since the last modification; null: no limit. */
  readonly minAge: number | null;
  readonly maxAge: number | null;
  /** Higher goes first. */
  readonly priority: number;
  readonly object: ObjectSettings;
}

/** `watch`: stays and follows the folder until cancelled. `once`: scan, upload, done. */
export type UploadMode = "watch" | "once";

/** How the last finished scan went. */
export interface ScanSummary {
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly finishedAt: number;
  /** Matching entries seen. */
  readonly seen: number;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly skipped: number;
  /** False when a folder could not be read: what it may hold was left as it was. */
  readonly complete: boolean;
}

export interface UploadRecord {
  readonly id: string;
  readonly spec: UploadSpec;
  readonly state: UploadState;
  /** Goes up by one with every write (compare and set). */
  readonly revision: number;
  /** Why FAILED. */
  readonly reason: Reason | null;
  readonly lastScan: ScanSummary | null;
  /** Cancelled, and multipart uploads may be left that must be aborted. */
  readonly cleanupDue: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When it last became COMPLETED, FAILED or CANCELLED. */
  readonly finishedAt: number | null;
}

export type UploadAction =
  | { readonly type: "start" }
  | { readonly type: "scanned"; readonly scan: ScanSummary }
  | { readonly type: "complete" }
  | { readonly type: "fail"; readonly reason: Reason }
  /** There is work again: new or changed files, a retry, a cause that is mended. */
  | { readonly type: "reopen" }
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  | { readonly type: "cancel" }
  | { readonly type: "cleaned" };

const ALIVE: readonly UploadState[] = ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "PAUSED"];

/** From which states an action may start, and where it leads (null: stays). The only place that knows. */
export const UPLOAD_TRANSITIONS: Readonly<
  Record<UploadAction["type"], { readonly from: readonly UploadState[]; readonly to: UploadState | null }>
> = {
  start: { from: ["PENDING"], to: "IN_PROGRESS" },
  scanned: { from: ALIVE, to: null },
  complete: { from: ["IN_PROGRESS"], to: "COMPLETED" },
  fail: { from: ["PENDING", "IN_PROGRESS", "COMPLETED"], to: "FAILED" },
  reopen: { from: ["COMPLETED", "FAILED"], to: "IN_PROGRESS" },
  pause: { from: ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"], to: "PAUSED" },
  resume: { from: ["PAUSED"], to: "IN_PROGRESS" },
  cancel: { from: ALIVE, to: "CANCELLED" },
  cleaned: { from: ["CANCELLED"], to: null },
};

/** Nothing more happens by itself in these states (a watched upload may leave COMPLETED and FAILED again). */
export const FINISHED_STATES: readonly UploadState[] = ["COMPLETED", "FAILED", "CANCELLED"];

export function canReduceUpload(upload: UploadRecord, action: UploadAction["type"]): boolean {
  return UPLOAD_TRANSITIONS[action].from.includes(upload.state);
}

/**
 * The next record. The only code that changes an upload's state.
 * @param now milliseconds since 1970
 * @throws BucketlineError `INVALID_TRANSITION`
 */
export function reduceUpload(upload: UploadRecord, action: UploadAction, now: number): UploadRecord {
  if (!canReduceUpload(upload, action.type)) {
    throw new BucketlineError("INVALID_TRANSITION", `Upload ${upload.id} is ${upload.state}: cannot ${action.type}.`);
  }
  const state = UPLOAD_TRANSITIONS[action.type].to ?? upload.state;
  const finished = state !== upload.state && FINISHED_STATES.includes(state);
  return {
    ...upload,
    state,
    revision: upload.revision + 1,
    updatedAt: now,
    finishedAt: finished ? now : FINISHED_STATES.includes(state) ? upload.finishedAt : null,
    reason: action.type === "fail" ? action.reason : state === "FAILED" ? upload.reason : null,
    lastScan: action.type === "scanned" ? action.scan : upload.lastScan,
    cleanupDue: action.type === "cancel" || (action.type !== "cleaned" && upload.cleanupDue),
  };
}

export function newUpload(id: string, spec: UploadSpec, now: number): UploadRecord {
  return {
    id,
    spec,
    state: "PENDING",
    revision: 1,
    reason: null,
    lastScan: null,
    cleanupDue: false,
    createdAt: now,
    updatedAt: now,
    finishedAt: null,
  };
}

/** A watched folder is written by others, so its files must be quiet first; `once` takes them as they are. Milliseconds. */
export function quietThreshold(spec: Pick<UploadSpec, "mode">, stabilityThreshold: number): number {
  return spec.mode === "watch" ? stabilityThreshold : 0;
}
