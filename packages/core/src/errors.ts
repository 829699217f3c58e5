/**
 * The one registry of error codes: what each means and what to do about it. `docs/errors.md` is held against it by a test.
 * Codes are part of the public API: they are added, never renamed.
 */
export const ERRORS = {
  INVALID_OPTION: "An option has the wrong type or value. Correct the option the message names.",
  INVALID_PATTERN: "A glob pattern is empty or cannot be parsed. Correct it; patterns follow picomatch.",
  PATTERN_TOO_EXPENSIVE: "A glob pattern could take very long to match. Use fewer stars or split it into several.",
  INVALID_KEY_TEMPLATE:
    "The key template has an unknown placeholder or names no file. Use {id} {path} {dir} {name} {ext} {yyyy} {mm} {dd}.",
  KEY_TOO_LONG: "The object key is longer than 1,024 UTF-8 bytes. Shorten the path or the key template.",
  KEY_COLLISION: "Two files would get the same object key. Use {path} in the key template.",
  SOURCE_NOT_FOUND: "The file or folder does not exist. Check the path, or whether the volume is mounted.",
  SOURCE_NOT_A_FOLDER: "The source is not a folder. Name the folder that holds the files.",
  SOURCE_NOT_READABLE: "The file or folder may not be read, or reading failed. Check permissions and the disk.",
  SOURCE_NOT_REGULAR: "The entry is no regular file (a FIFO, socket, device or link). Nothing to do: it is skipped.",
  SOURCE_OUTSIDE_ROOT:
    "The file lies outside the source folder (through a link). Copy it inside, or register its own folder.",
  SOURCE_NOT_ALLOWED:
    "The source folder lies outside the folders that may be read. Name one inside them, or extend allowedRoots.",
  SOURCE_NAME_NOT_UTF8: "The name's bytes are not valid UTF-8, so no object key can carry it. Rename the file.",
  SOURCE_CHANGED: "The file changed while it was being sent. It is sent again once it is quiet.",
  SOURCE_UNSTABLE: "The file has been changing for long and was never quiet. Set maxUnstableAge, or exclude it.",
  SOURCE_DOUBTFUL:
    "The source folder is empty, on another device or without its marker although files are known. Check that its disk is mounted.",
  SOURCE_NOT_DISPOSED:
    "A file could not be moved or deleted, so it stays where it is and is tried again with the next scan. Check permissions, space, and that both folders are on one disk.",
  WATCH_DEGRADED: "File system events are not to be had, or not all of them. Polling finds everything all the same.",
  FILE_TOO_LARGE: "The file does not fit one object of this store. Split it; S3 takes up to 48.8 TiB.",
  FILE_FILTERED: "The file is outside the upload's size or age limits. Change the limits to include it.",
  UPLOAD_EXISTS: "An upload with this id exists with other settings. Use another id; ids are never free again.",
  UPLOAD_NOT_FOUND: "There is no upload with this id. List the uploads to see their ids.",
  FILE_NOT_FOUND: "The upload has no file with this path. List its files to see their paths.",
  UPLOAD_CHANGED: "The upload has changed since it was read. Read it again, and decide again.",
  UPLOAD_CANCELLED: "The upload was cancelled, which is final. Register a new one.",
  UPLOAD_ELSEWHERE: "The upload is bound to another host, which alone sees its folder. Ask a service of that host.",
  UPLOAD_OTHER_STORE:
    "The upload's objects are in another object store than the one in use. Use that one's endpoint, or another id. If the store has moved with all its objects, give its old location: storeLocation, or --store-location.",
  UPLOAD_FAILED: "The upload failed; its reason says why. Mend the cause, then retry it.",
  INVALID_TRANSITION: "The upload or file is in a state in which this cannot be done. Look at its state.",
  FENCE_LOST: "Another owner took the file over. Nothing to do: the other owner goes on with it.",
  BUCKET_NOT_FOUND: "The bucket does not exist. Create it, or correct its name.",
  ACCESS_DENIED: "The credentials may not do this. Grant the missing permission, then retry the upload.",
  CREDENTIALS_UNAVAILABLE: "There are no usable credentials, or they were refused. Configure or renew them.",
  WRONG_REGION: "The bucket lives in another region. Configure that region.",
  OBJECT_NOT_FOUND: "The object or multipart upload does not exist (any more).",
  OBJECT_EXISTS: "An object has the key already and overwriting is off. Remove it, or allow overwriting.",
  OBJECT_CONFLICT: "Somebody else is writing the same key at this moment. It is tried again.",
  OBJECT_REJECTED: "The store refused the request for good. The message says why; correct the settings.",
  OBJECT_UNSUPPORTED: "The store does not offer this operation. Use a store that does, or switch the feature off.",
  OBJECT_REPLACED:
    "The object of a removed file has been replaced by somebody else, so it was not deleted. Delete it yourself if it is not wanted.",
  DELETE_REFUSED:
    "More objects were to be deleted than deleteLimit allows, so none was. Look at the folder; check with allowDeletes.",
  STORE_THROTTLED: "The object store asks to slow down. Concurrency is reduced and the request repeated.",
  STORE_UNAVAILABLE: "The object store did not answer, or answered with a server error. It is tried again.",
  INTEGRITY: "What the store holds is not what was sent. It is sent again; if it persists, check network and store.",
  STATE_NOT_WRITABLE: "The state store may not be written. Check the path and its permissions.",
  STATE_CORRUPT: "The state store is damaged and was left untouched. Restore it from a backup.",
  STATE_NEWER: "The state store was written by a newer version. Upgrade Bucketline.",
  STATE_BUSY: "The state store is locked by another process. It is tried again.",
  STATE_FULL: "The disk of the state store is full. Free space; work goes on by itself.",
  STATE_UNAVAILABLE:
    "The server of the state store does not answer. It is tried again; check the server and the network.",
  STATE_CLOSED: "The state store is closed. Open it, or create a new service.",
  EXPORT_INVALID: "The export of a ledger is damaged, cut off, or no export. Export the ledger again.",
  EXPORT_NEWER: "The export of a ledger was made by a newer version. Upgrade Bucketline.",
  IMPORT_UNFINISHED: "The import of this upload was cut short. Run the import again.",
  INVALID_PIPELINE: "A pipeline or step is defined wrongly. Correct what the message names.",
  PIPELINE_UNKNOWN:
    "The service has no pipeline of this name. Register it on the service, or name another; the upload waits until then.",
  FILE_REJECTED:
    "A check of the upload's pipeline refused the file. Change the file, or retry it to have it checked again.",
  STEP_UNAVAILABLE: "A pipeline step cannot do its work at the moment. The file waits, and is tried again.",
  STEP_FAILED: "A pipeline step failed. The message says which and why; it is tried again.",
  STEP_TIMEOUT:
    "A pipeline step stood still for longer than stepTimeout. Find out what it waits for, or raise stepTimeout.",
  DECRYPT_NOT_ENCRYPTED:
    "The file was not made by the step encrypt, or in another format. Check that it is the right file.",
  DECRYPT_KEY_UNKNOWN: "None of the keys opens the encrypted file. Give the key that the message names.",
  DECRYPT_CONTEXT: "The file is encrypted with another context than asked for. Check that it is the right file.",
  DECRYPT_TRUNCATED: "The end of the encrypted file is missing. Fetch it again.",
  DECRYPT_DAMAGED: "The encrypted file is damaged or was altered. Fetch it again, or an older version of it.",
  SPOOL_FULL: "The spool has no room for a transformed file. It is tried again; free space, or raise spool.maxBytes.",
  SPOOL_NOT_WRITABLE: "The spool folder may not be written. Check the path, its permissions and the disk.",
  NOTICE_NOT_FOUND:
    "There is no notice with this id, or not any more: it was delivered or discarded. List the notices to see their ids.",
  NOTICE_UNDELIVERED:
    "A notice could not be delivered. The message says why; mend the receiver, then revive the notice.",
  UNEXPECTED: "Something failed that should not. The message says what; please report it.",
  SERVICE_NOT_STARTED: "The service has not been started. Call start() first.",
  SERVICE_STARTED: "The service has been started, and this can be said only before. Say it before start().",
  SERVICE_STOPPED: "The service is stopped or stopping. Create and start a new one.",
} as const;

/** The stable codes of all errors; each is in `ERRORS` with what to do about it. */
export type ErrorCode = keyof typeof ERRORS;

/** Why a file or upload is in its state; stored, shown and safe to show. */
export interface Reason {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Every error Bucketline throws on purpose. `code` is stable; the message names what happened, to what, and what to do. */
export class BucketlineError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }

  get reason(): Reason {
    return { code: this.code, message: this.message };
  }
}

/** Wrong input: an option, a pattern, a template, an id. Thrown before anything is touched. */
export class InputError extends BucketlineError {}

/** A source file or folder that cannot be read as expected. */
export class SourceError extends BucketlineError {}

/** An upload that is not there, is there already, or is in the wrong state. */
export class UploadError extends BucketlineError {}

/** The state store cannot do what it was asked. */
export class StateStoreError extends BucketlineError {}

/** A pipeline step that refused a file, cannot work at the moment, or failed. */
export class StepError extends BucketlineError {}

/** A notice that is not there. */
export class NoticeError extends BucketlineError {}

/** An export of a ledger that cannot be imported. */
export class ExportError extends BucketlineError {}

/** The service is not in a state to do what it was asked. */
export class ServiceError extends BucketlineError {}

/**
 * What went wrong at the object store, as the retry policy needs to know it:
 * `notFound` the key or multipart upload · `bucketMissing` · `denied` 403 · `credentials` none, expired or refused ·
 * `wrongRegion` · `throttled` slow down · `transient` timeout, reset, 5xx · `integrity` bytes or checksum differ ·
 * `precondition` a write condition does not hold (412) · `conflict` a concurrent write (409) ·
 * `rejected` final for this request (4xx) · `unsupported` the store does not offer it.
 */
export type ObjectErrorKind =
  | "notFound"
  | "bucketMissing"
  | "denied"
  | "credentials"
  | "wrongRegion"
  | "throttled"
  | "transient"
  | "integrity"
  | "precondition"
  | "conflict"
  | "rejected"
  | "unsupported";

const CODE_OF_KIND: Readonly<Record<ObjectErrorKind, ErrorCode>> = {
  notFound: "OBJECT_NOT_FOUND",
  bucketMissing: "BUCKET_NOT_FOUND",
  denied: "ACCESS_DENIED",
  credentials: "CREDENTIALS_UNAVAILABLE",
  wrongRegion: "WRONG_REGION",
  throttled: "STORE_THROTTLED",
  transient: "STORE_UNAVAILABLE",
  integrity: "INTEGRITY",
  precondition: "OBJECT_EXISTS",
  conflict: "OBJECT_CONFLICT",
  rejected: "OBJECT_REJECTED",
  unsupported: "OBJECT_UNSUPPORTED",
};

/** What an ObjectStoreError knows of the call that failed. */
export interface ObjectErrorFacts {
  readonly kind: ObjectErrorKind;
  /** The port's method, such as `putObject`. */
  readonly operation: string;
  readonly bucket: string;
  readonly key?: string | undefined;
  /** The write may have happened although it failed (timeout, reset, 5xx). */
  readonly ambiguous?: boolean | undefined;
  /** HTTP status, when there was an answer. */
  readonly status?: number | undefined;
  /** The provider's own code, such as `SlowDown`. */
  readonly providerCode?: string | undefined;
  readonly requestId?: string | undefined;
  /** How long the store asks to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** A failed call of an ObjectStore. */
export class ObjectStoreError extends BucketlineError {
  readonly kind: ObjectErrorKind;
  readonly operation: string;
  readonly bucket: string;
  readonly key: string | undefined;
  readonly ambiguous: boolean;
  readonly status: number | undefined;
  readonly providerCode: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(facts: ObjectErrorFacts, message: string, options?: ErrorOptions) {
    const target = facts.key === undefined ? facts.bucket : `${facts.bucket}/${facts.key}`;
    super(CODE_OF_KIND[facts.kind], `${facts.operation} ${target}: ${message}`, options);
    this.kind = facts.kind;
    this.operation = facts.operation;
    this.bucket = facts.bucket;
    this.key = facts.key;
    this.ambiguous = facts.ambiguous ?? false;
    this.status = facts.status;
    this.providerCode = facts.providerCode;
    this.requestId = facts.requestId;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** The reason to keep for any thrown value. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof BucketlineError) return error.reason;
  return { code: "UNEXPECTED", message: error instanceof Error ? error.message : String(error) };
}
