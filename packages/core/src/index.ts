export type { Checksum } from "./checksum.ts";
export { systemClock } from "./clock.ts";
export { type DeadlineOptions, withDeadlines } from "./decorators/deadline.ts";
export { type RetryOptions, withRetries } from "./decorators/retrying.ts";
export type { Logger } from "./emitter.ts";
export {
  BucketlineError,
  ERRORS,
  type ErrorCode,
  InputError,
  type ObjectErrorFacts,
  type ObjectErrorKind,
  ObjectStoreError,
  type Reason,
  ServiceError,
  SourceError,
  StateStoreError,
  UploadError,
} from "./errors.ts";
export type { BucketlineEmitter, EventName, EventPayload, Events, FileEvent, UploadEvent } from "./events.ts";
export {
  type Evidence,
  FILE_STATES,
  FILE_TRANSITIONS,
  type FileAction,
  type FileRecord,
  type FileState,
  type FinishedPart,
  newFile,
  reduceFile,
  type SourceFacts,
  type Transfer,
} from "./file.ts";
export { type FsLike, NodeFileSystem } from "./node-file-system.ts";
export type { RegisterOptions } from "./options.ts";
export { comparePaths } from "./paths.ts";
export type * from "./ports/clock.ts";
export type * from "./ports/file-system.ts";
export type * from "./ports/object-store.ts";
export type * from "./ports/state-store.ts";
export type { Progress } from "./progress.ts";
export { systemRandom } from "./random.ts";
export type { RetryPolicy } from "./retry.ts";
export { type CallOptions, type Upload, UploadService } from "./service.ts";
export type { ServiceOptions } from "./service-options.ts";
export {
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
export type { Finding, ObjectView, VerificationReport, VerifyOptions } from "./verification.ts";
