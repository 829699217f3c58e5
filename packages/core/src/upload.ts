import { BucketlineError, type Reason } from "./errors.ts";
import type { ObjectSettings } from "./ports/object-store.ts";

/** Every state that an upload can be in. */
export const UPLOAD_STATES = ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "PAUSED", "CANCELLED"] as const;
/** The state of an upload. */
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
  /** `stat`: another size, time or inode is another file. `hash`: when only times differ, its checksum decides. */
  readonly compare: "stat" | "hash";
  /** What becomes of the object of a file that is gone from the folder. */
  readonly onSourceDelete: "keep" | "delete";
  /** What becomes of the source file once the bucket holds it. */
  readonly afterUpload: AfterUpload;
  /** Not null: the source folder has the folders incoming, working, done and failed, and files pass through them. */
  readonly drop: DropSettings | null;
  /** One scan deletes no more objects than this; from ten on, no more than this share of all. Else none, with a warning. */
  readonly deleteLimit: { readonly files: number; readonly share: number };
  /** A file, relative to the source folder, without which the folder counts as missing; null: none. */
  readonly rootMarker: string | null;
  /** When it is scanned: every so many milliseconds, by a cron expression, or `manual`; null: the service's interval. */
  readonly schedule: number | string | null;
  /** After so many milliseconds a file that never becomes quiet is tried all the same; null: never. */
  readonly maxUnstableAge: number | null;
  /** Hours of the day in which it is sent, such as `22:00-06:00`; null: always. */
  readonly activeHours: string | null;
  /** Bytes per second on each host; null: no limit. */
  readonly bandwidthLimit: number | null;
  /** The only host whose services scan and send; null: every host sees the same folder, and any may. */
  readonly host: string | null;
  /** The pipeline of the service that every file goes through; null: none. */
  readonly pipeline: string | null;
  /** What the pipeline appended to every key when the upload was registered, such as `.gz`. */
  readonly keySuffix: string;
  readonly object: ObjectSettings;
  /** Where the object store is that has the objects, as the service called it; missing: nobody has said. */
  readonly storeLocation?: string;
}

/** `moveTo`: an absolute folder, in which the relative path is kept. */
export type AfterUpload = "keep" | "delete" | { readonly moveTo: string };

/** How a drop folder is kept. */
export interface DropSettings {
  /** Files in done/ are deleted so many milliseconds after they were moved there; null: never. */
  readonly retention: number | null;
}

/** What may be changed while an upload runs. */
export type AdjustableSettings = Pick<UploadSpec, "priority" | "schedule" | "activeHours" | "bandwidthLimit">;

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
  /** Files that are changing, and wait until they are quiet. */
  readonly unstable: number;
  /** Device number of the source folder. */
  readonly device: string;
  /** Why absence was not believed, although every folder could be read. */
  readonly doubt: Reason | null;
}

/** One upload: a row of the ledger. */
export interface UploadRecord {
  readonly id: string;
  readonly spec: UploadSpec;
  readonly state: UploadState;
  /** Goes up by one with every write (compare and set). */
  readonly revision: number;
  /** Why FAILED. */
  readonly reason: Reason | null;
  readonly lastScan: ScanSummary | null;
  /** The owner that scans it, or has died scanning it: two never scan one upload at once. */
  readonly scanner: string | null;
  /** Cancelled, and multipart uploads may be left that must be aborted. */
  readonly cleanupDue: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When it last became COMPLETED, FAILED or CANCELLED. */
  readonly finishedAt: number | null;
}

/** What may happen to an upload; see `UPLOAD_TRANSITIONS`. */
export type UploadAction =
  | { readonly type: "start" }
  | { readonly type: "adjust"; readonly settings: Partial<AdjustableSettings> }
  /** Says where its objects are, unless somebody has. */
  | { readonly type: "locate"; readonly location: string }
  /** An owner begins to scan the folder. */
  | { readonly type: "scan"; readonly owner: string }
  /** The scan is over; null: the folder could not be read to its end. */
  | { readonly type: "scanned"; readonly scan: ScanSummary | null }
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
  adjust: { from: ALIVE, to: null },
  locate: { from: [...ALIVE, "CANCELLED"], to: null },
  scan: { from: ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"], to: null },
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
    spec: nextSpec(upload.spec, action),
    state,
    revision: upload.revision + 1,
    updatedAt: now,
    finishedAt: finished ? now : FINISHED_STATES.includes(state) ? upload.finishedAt : null,
    reason: action.type === "fail" ? action.reason : state === "FAILED" ? upload.reason : null,
    lastScan: (action.type === "scanned" ? action.scan : null) ?? upload.lastScan,
    scanner: action.type === "scan" ? action.owner : action.type === "scanned" ? null : upload.scanner,
    cleanupDue: action.type === "cancel" || (action.type !== "cleaned" && upload.cleanupDue),
  };
}

function nextSpec(spec: UploadSpec, action: UploadAction): UploadSpec {
  if (action.type === "adjust") return { ...spec, ...action.settings };
  return action.type === "locate" ? { storeLocation: action.location, ...spec } : spec;
}

/** The record of an upload at its registration, PENDING. `now` in milliseconds since 1970. */
export function newUpload(id: string, spec: UploadSpec, now: number): UploadRecord {
  return {
    id,
    spec,
    state: "PENDING",
    revision: 1,
    reason: null,
    lastScan: null,
    scanner: null,
    cleanupDue: false,
    createdAt: now,
    updatedAt: now,
    finishedAt: null,
  };
}

/** Whether nobody scans its folder or sends its files: not before it is resumed, or never again. */
export function isResting({ state }: Pick<UploadRecord, "state">): boolean {
  return state === "PAUSED" || state === "CANCELLED";
}

/** Whether services of this host may scan the folder and send its files. */
export function isAtHome({ spec }: UploadRecord, host: string): boolean {
  return spec.host === null || spec.host === host;
}
