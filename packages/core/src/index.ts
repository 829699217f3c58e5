export type { Checksum } from "./checksum.ts";
export { systemClock } from "./clock.ts";
export { type DeadlineOptions, withDeadlines } from "./decorators/deadline.ts";
export { type RetryOptions, withRetries } from "./decorators/retrying.ts";
export type { NoticeOutbox, NoticeQuery, TakeRequest } from "./deliveries.ts";
export type { Logger } from "./emitter.ts";
export {
  BucketlineError,
  ERRORS,
  type ErrorCode,
  ExportError,
  InputError,
  NoticeError,
  type ObjectErrorFacts,
  type ObjectErrorKind,
  ObjectStoreError,
  type Reason,
  ServiceError,
  SourceError,
  StateStoreError,
  StepError,
  UploadError,
} from "./errors.ts";
export type {
  BucketlineEmitter,
  EventName,
  EventPayload,
  Events,
  FileEvent,
  SentPart,
  UploadEvent,
  WaitingEvent,
} from "./events.ts";
export {
  type Evidence,
  FILE_STATES,
  FILE_TRANSITIONS,
  type FileAction,
  type FileRecord,
  type FileState,
  type FinishedPart,
  isCurrent,
  NEVER,
  newFile,
  reduceFile,
  type SourceFacts,
  type Transfer,
} from "./file.ts";
export type { FileDetails, FindOptions, FoundFiles } from "./find-files.ts";
export type { PlanAction, PlanCause, PlanItem } from "./forecast.ts";
export { HISTORY_KINDS, HISTORY_LIMIT, type HistoryEntry } from "./history.ts";
export { type ExportOptions, type ExportSource, exportLedger } from "./ledger-export.ts";
export { type ImportOptions, type ImportSummary, type ImportTarget, importLedger } from "./ledger-import.ts";
export type { LedgerChunks, LedgerTotals } from "./ledger-lines.ts";
export type { ServiceLimits } from "./limits.ts";
export type { WatchStatus } from "./live-watches.ts";
export { type FsLike, NodeFileSystem } from "./node-file-system.ts";
export { NodeFolderWatcher } from "./node-folder-watcher.ts";
export {
  NOTICE_EVENTS,
  NOTICE_STATES,
  NOTICE_TRANSITIONS,
  type Notice,
  type NoticeAction,
  type NoticeEvent,
  type NoticePayload,
  type NoticeState,
  newNotice,
  reduceNotice,
} from "./notice.ts";
export type { RegisterOptions } from "./options.ts";
export { comparePaths } from "./paths.ts";
export type { PipelineDefinition, PipelineSummary } from "./pipeline/pipelines.ts";
export {
  type ByteTransform,
  type CheckDefinition,
  type CheckedFile,
  type CheckResult,
  type CheckStep,
  defineStep,
  HEAD_LIMIT,
  type ObjectChanges,
  type Step,
  type StepFile,
  type Transformation,
  type TransformDefinition,
  type TransformStep,
} from "./pipeline/step.ts";
export { STEP_OUTCOMES, type StepOutcome, type StepTrace, TRACE_LIMIT } from "./pipeline/trace.ts";
export type { Plan, PlanOptions } from "./plan.ts";
export type { PlanCount, PlanTotals } from "./plan-pass.ts";
export type * from "./ports/clock.ts";
export type * from "./ports/file-system.ts";
export type * from "./ports/folder-changes.ts";
export type * from "./ports/folder-watcher.ts";
export type * from "./ports/object-store.ts";
export type * from "./ports/spool-folder.ts";
export type * from "./ports/state-store.ts";
export type { PartHealth, ProbeOptions, ServiceHealth, ServiceStatus } from "./probe.ts";
export type { Progress } from "./progress.ts";
export { systemRandom } from "./random.ts";
export type { RetryPolicy } from "./retry.ts";
export { type CallOptions, type CheckOptions, type Upload, UploadService } from "./service.ts";
export type { ServiceOptions, SpoolOptions } from "./service-options.ts";
export { type TimelineEntry, timelineOf } from "./timeline.ts";
export {
  type AdjustableSettings,
  type AfterUpload,
  type DropSettings,
  newUpload,
  reduceUpload,
  type ScanSummary,
  UPLOAD_STATES,
  UPLOAD_TRANSITIONS,
  type UploadAction,
  type UploadMode,
  type UploadRecord,
  type UploadSpec,
  type UploadState,
} from "./upload.ts";
export type { ChangeOptions } from "./uploads.ts";
export type { Finding, ObjectView, VerificationReport, VerifyOptions } from "./verification.ts";
