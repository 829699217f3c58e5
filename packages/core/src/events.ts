import type { Reason } from "./errors.ts";
import type { Evidence, FileAction, FileRecord, FileState } from "./file.ts";
import type { StepTrace } from "./pipeline/trace.ts";
import type { Progress } from "./progress.ts";
import type { AdjustableSettings, ScanSummary, UploadAction, UploadRecord, UploadState } from "./upload.ts";
import type { VerificationReport } from "./verification.ts";

/** What every upload event carries. Payloads are plain JSON. Times in milliseconds since 1970. */
export interface UploadEvent {
  readonly uploadId: string;
  readonly state: UploadState;
  readonly reason: Reason | null;
}

/** What every file event carries. Sizes in bytes. */
export interface FileEvent {
  readonly uploadId: string;
  readonly path: string;
  readonly key: string;
  readonly state: FileState;
  readonly size: number;
  readonly attempts: number;
}

/** A part of a file that has arrived. */
export interface SentPart {
  /** From 1. */
  readonly partNumber: number;
  /** Bytes. */
  readonly partSize: number;
  /** How long it took to send, repetitions of its request included; milliseconds. */
  readonly partMs: number;
}

/** Why an upload that has files to send begins none. */
export interface WaitingEvent {
  readonly uploadId: string;
  readonly cause: "activeHours";
  /** When it goes on by itself. */
  readonly until: number | null;
}

/** A source file that was moved, or deleted. */
export interface MovedEvent {
  readonly uploadId: string;
  /** As in the file's record. */
  readonly path: string;
  /** Absolute. */
  readonly from: string;
  /** Absolute; null: deleted. */
  readonly to: string | null;
}

type FileReasonEvent = FileEvent & { readonly reason: Reason };

/**
 * Everything a service tells. Each event follows the commit of what it says. Listeners observe: one that throws is
 * reported as a `warning` and disturbs nothing.
 */
export type Events = {
  "upload:registered": (event: UploadEvent) => void;
  "upload:started": (event: UploadEvent) => void;
  "upload:scanning": (event: { readonly uploadId: string }) => void;
  "upload:scanned": (event: { readonly uploadId: string; readonly scan: ScanSummary }) => void;
  /** At most one per upload and progress interval (default 500 ms). */
  "upload:progress": (event: Progress) => void;
  "upload:completed": (event: UploadEvent) => void;
  "upload:failed": (event: UploadEvent) => void;
  /** There is work again after COMPLETED or FAILED. */
  "upload:reopened": (event: UploadEvent) => void;
  "upload:paused": (event: UploadEvent) => void;
  "upload:resumed": (event: UploadEvent) => void;
  "upload:cancelled": (event: UploadEvent) => void;
  /** Settings of the running upload were changed. */
  "upload:adjusted": (event: UploadEvent & AdjustableSettings) => void;
  /** It has files to send, and nothing is sent before the hours begin. `until` null: they never do. Told once per wait. */
  "upload:waiting": (event: WaitingEvent) => void;
  /** Another host has changed the upload: started, finished, paused or cancelled it, or seen work in it again. */
  "upload:changed": (event: UploadEvent) => void;
  /** Its files have been compared with the bucket. */
  "upload:verified": (event: VerificationReport) => void;
  "file:queued": (event: FileEvent) => void;
  "file:started": (event: FileEvent) => void;
  /**
   * After each finished part; the part's own fields are there when it was sent just now. `bytes` of the file are finished,
   * `sentBytes` of them were sent just now: none when an attempt goes on with parts that are there already.
   */
  "file:progress": (
    event: FileEvent & { readonly bytes: number; readonly sentBytes: number } & Partial<SentPart>,
  ) => void;
  "file:uploaded": (event: FileEvent & { readonly etag: string; readonly checksum: string }) => void;
  /** The attempt did not succeed; the file is queued again. */
  "file:retrying": (event: FileReasonEvent & { readonly nextAttemptAt: number }) => void;
  "file:failed": (event: FileReasonEvent) => void;
  "file:skipped": (event: FileReasonEvent) => void;
  /** It has been changing for ten minutes and was never quiet, so it was not sent. Told once. */
  "file:unstable": (event: FileReasonEvent) => void;
  /** Known, and other than before: queued again. */
  "file:changed": (event: FileEvent) => void;
  /** Gone from the source folder; its object still stands. */
  "file:removed": (event: FileEvent) => void;
  /** The object of a file that is gone from the source folder is gone, too. */
  "file:deleted": (event: FileEvent) => void;
  /** Taken from incoming/ of a drop folder to working/, from where it is sent. */
  "file:claimed": (event: MovedEvent) => void;
  /** The upload is done with the source file: it was moved where it belongs, or deleted. */
  "file:disposed": (event: MovedEvent) => void;
  /** A step of the file's pipeline begins. */
  "step:started": (event: FileEvent & { readonly step: string }) => void;
  /** It has ended; recorded with whatever the attempt records next. */
  "step:finished": (event: FileEvent & StepTrace) => void;
  /** A periodic check of a watched upload begins. */
  "monitor:check": (event: { readonly uploadId: string }) => void;
  /** File system events of the upload's folder are heard: changes are found without waiting for the next scan. */
  "monitor:live": (event: { readonly uploadId: string }) => void;
  /** They are not, or not all: polling finds everything, one interval later. */
  "monitor:degraded": (event: { readonly uploadId: string; readonly reason: Reason }) => void;
  "monitor:requeued": (event: { readonly uploadId: string; readonly files: number }) => void;
  /** What the start found of earlier runs: files taken back from dead owners, uploads to go on with. */
  "recovery:finished": (event: { readonly files: number; readonly uploads: number; readonly cleaned: number }) => void;
  /** Something an operator may want to know; work goes on. */
  warning: (event: { readonly code: string; readonly message: string; readonly uploadId?: string }) => void;
};

/** The name of an event, such as `file:uploaded`. */
export type EventName = keyof Events;
/** What listeners of an event are handed. */
export type EventPayload<Name extends EventName> = Parameters<Events[Name]>[0];

/**
 * The public face of the emitter: typed `on`, `once`, `off` and their kin. Imported by its type, because the default import of
 * this CommonJS package is another thing for bundlers than for Node.js.
 */
export type BucketlineEmitter = import("typed-emitter").default<Events>;

/** Tells an event. The payload is built only when somebody listens. */
export type Emit = <Name extends EventName>(name: Name, payload: () => EventPayload<Name>) => void;

/** Tells of something that work goes on in spite of. @param uploadId of the upload that it is about, if it is about one */
export function emitWarning(emit: Emit, { code, message }: Reason, uploadId?: string): void {
  emit("warning", () => ({ code, message, ...(uploadId !== undefined && { uploadId }) }));
}

export function uploadEvent(upload: UploadRecord): UploadEvent {
  return { uploadId: upload.id, state: upload.state, reason: upload.reason };
}

const UPLOAD_EVENTS = {
  start: "upload:started",
  complete: "upload:completed",
  fail: "upload:failed",
  reopen: "upload:reopened",
  pause: "upload:paused",
  resume: "upload:resumed",
  cancel: "upload:cancelled",
} as const satisfies Partial<Record<UploadAction["type"], EventName>>;

/** Tells what an action has made of an upload. Call it after the commit. */
export function emitUpload(emit: Emit, action: UploadAction, upload: UploadRecord): void {
  const { id: uploadId } = upload;
  if (action.type === "scan") emit("upload:scanning", () => ({ uploadId }));
  else if (action.type === "scanned") {
    const { scan } = action;
    if (scan) emit("upload:scanned", () => ({ uploadId, scan }));
  } else if (action.type === "adjust") {
    const { priority, schedule, activeHours, bandwidthLimit } = upload.spec;
    emit("upload:adjusted", () => ({ ...uploadEvent(upload), priority, schedule, activeHours, bandwidthLimit }));
  } else if (action.type !== "cleaned" && action.type !== "locate")
    emit(UPLOAD_EVENTS[action.type], () => uploadEvent(upload));
}

export function fileEvent(file: FileRecord): FileEvent {
  const { uploadId, path, state, size, attempts } = file;
  // A removed file has no claim to its key, but its object still stands there.
  return { uploadId, path, key: file.key || (file.evidence?.key ?? ""), state, size, attempts };
}

/** Tells what an action has made of a file. Call it after the commit. */
export function emitFile(emit: Emit, action: FileAction, file: FileRecord): void {
  switch (action.type) {
    case "claim":
      return emit("file:started", () => fileEvent(file));
    case "uploaded":
      return emit("file:uploaded", () => ({ ...fileEvent(file), ...proof(action.evidence) }));
    case "retry":
      return emit("file:retrying", () => ({ ...because(file, action.reason), nextAttemptAt: file.nextAttemptAt }));
    case "fail":
      return emit("file:failed", () => because(file, action.reason));
    case "skip":
      return emit("file:skipped", () => because(file, action.reason));
    case "changed":
      return emit("file:changed", () => fileEvent(file));
    case "disproved":
    case "requeue":
      return emit("file:queued", () => fileEvent(file));
    case "remove":
      return emit("file:removed", () => fileEvent(file));
    default:
      return undefined;
  }
}

function proof(evidence: Evidence) {
  return { etag: evidence.etag, checksum: evidence.checksum };
}

function because(file: FileRecord, reason: Reason): FileReasonEvent {
  return { ...fileEvent(file), reason };
}
