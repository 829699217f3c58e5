import type { Checksum } from "./checksum.ts";
import { ERRORS, type ErrorCode, type Reason } from "./errors.ts";
import type { FileEvent, UploadEvent } from "./events.ts";
import { type Evidence, FILE_STATES, type FileRecord, type FinishedPart, type Transfer } from "./file.ts";
import { HISTORY_KINDS, type HistoryEntry } from "./history.ts";
import { NOTICE_EVENTS, NOTICE_STATES, type Notice } from "./notice.ts";
import { STEP_OUTCOMES, type StepTrace } from "./pipeline/trace.ts";
import type { ObjectSettings } from "./ports/object-store.ts";
import {
  type AfterUpload,
  type DropSettings,
  type ScanSummary,
  UPLOAD_STATES,
  type UploadRecord,
  type UploadSpec,
} from "./upload.ts";

/** What a value of an export is not. Thrown by checks; whoever reads the line knows its number. */
export class ShapeError extends Error {}

/** Gives back the value as the type it was checked to have. @throws ShapeError naming the place */
export type Check<T> = (value: unknown, place: string) => T;

function refuse(place: string, wanted: string, value: unknown): never {
  const shown = typeof value === "object" ? (value === null ? "null" : "an object") : JSON.stringify(value);
  throw new ShapeError(`${place} must be ${wanted}, not ${shown?.slice(0, 100) ?? "missing"}`);
}

function fieldsOf(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(place, "an object", value);
  return value as Record<string, unknown>;
}

/** An object with just these fields. The type demands a check for every field that a record has, or will have. */
export function shape<T extends object>(checks: { readonly [K in keyof Required<T>]: Check<T[K]> }): Check<T> {
  return (value, place) => {
    const fields = fieldsOf(value, place);
    for (const name of Object.keys(fields))
      if (!Object.hasOwn(checks, name)) throw new ShapeError(`${place}.${name} is unknown`);
    const entries = Object.entries<Check<unknown>>(checks).map(
      ([name, check]) => [name, check(fields[name], `${place}.${name}`)] as const,
    );
    return Object.fromEntries(entries.filter(([, checked]) => checked !== undefined)) as T;
  };
}

function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, place) => (value === undefined ? undefined : check(value, place));
}

/** Records that were written before there was such a field lack it, and arrive as they are. */
function later<T>(check: Check<T>): Check<T> {
  return (value, place) => optional(check)(value, place) as T;
}

/** As `later`, of fields that older records are given as new ones have them. */
export function defaulted<T>(fallback: T, check: Check<T>): Check<T> {
  return (value, place) => (value === undefined ? fallback : check(value, place));
}

function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, place) => (value === null ? null : check(value, place));
}

function list<T>(check: Check<T>): Check<T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) refuse(place, "a list", value);
    return value.map((item, index) => check(item, `${place}[${index}]`));
  };
}

function oneOf<T extends string>(choices: readonly T[]): Check<T> {
  return (value, place) => choices.find((choice) => choice === value) ?? refuse(place, choices.join(" or "), value);
}

/** Text maps keep any name, `__proto__` included. */
const texts: Check<Readonly<Record<string, string>>> = (value, place) =>
  Object.fromEntries(
    Object.entries(fieldsOf(value, place)).map(([name, item]) => [name, text(item, `${place}.${name}`)]),
  );

export const text: Check<string> = (value, place) =>
  typeof value === "string" ? value : refuse(place, "a text", value);

const named: Check<string> = (value, place) => text(value, place) || refuse(place, "a text that is not empty", value);

const flag: Check<boolean> = (value, place) =>
  typeof value === "boolean" ? value : refuse(place, "true or false", value);

const whole: Check<number> = (value, place) =>
  typeof value === "number" && Number.isSafeInteger(value) ? value : refuse(place, "a whole number", value);

export const count: Check<number> = (value, place) =>
  whole(value, place) >= 0 ? (value as number) : refuse(place, "0 or more", value);

const partNumber: Check<number> = (value, place) =>
  count(value, place) >= 1 && (value as number) <= 10_000 ? (value as number) : refuse(place, "1 to 10,000", value);

const number: Check<number> = (value, place) => (typeof value === "number" ? value : refuse(place, "a number", value));

/** Milliseconds since 1970. */
export const time: Check<number> = number;

const numberOrText: Check<number | string> = (value, place) => (typeof value === "number" ? value : text(value, place));

const nanoseconds: Check<bigint> = (value, place) =>
  /^-?\d{1,25}$/.test(text(value, place)) ? BigInt(value as string) : refuse(place, "a whole number as text", value);

const checksum: Check<Checksum> = (value, place) =>
  /^crc32:[0-9a-f]{8}$/.test(text(value, place)) ? (value as Checksum) : refuse(place, "a checksum", value);

const reason = shape<Reason>({ code: oneOf(Object.keys(ERRORS) as ErrorCode[]), message: text });

const scanSummary = shape<ScanSummary>({
  startedAt: time,
  finishedAt: time,
  seen: count,
  added: count,
  changed: count,
  removed: count,
  skipped: count,
  complete: flag,
  unstable: later(count),
  device: later(text),
  doubt: later(nullable(reason)),
});

const objectSettings = shape<ObjectSettings>({
  contentType: optional(text),
  cacheControl: optional(text),
  contentDisposition: optional(text),
  contentEncoding: optional(text),
  contentLanguage: optional(text),
  storageClass: optional(text),
  serverSideEncryption: optional(text),
  kmsKeyId: optional(text),
  acl: optional(text),
  tags: optional(texts),
  metadata: optional(texts),
  expectedBucketOwner: optional(text),
});

const afterUpload: Check<AfterUpload> = (value, place) =>
  typeof value === "object" && value !== null
    ? shape<{ readonly moveTo: string }>({ moveTo: named })(value, place)
    : oneOf(["keep", "delete"])(value, place);

const spec = shape<UploadSpec>({
  sourceFolder: named,
  bucket: named,
  pattern: list(text),
  exclude: list(text),
  dot: flag,
  keyTemplate: named,
  mode: oneOf(["watch", "once"]),
  symlinks: oneOf(["skip", "follow"]),
  overwrite: oneOf(["always", "never"]),
  minSize: nullable(count),
  maxSize: nullable(count),
  minAge: nullable(count),
  maxAge: nullable(count),
  priority: whole,
  compare: later(oneOf(["stat", "hash"])),
  onSourceDelete: later(oneOf(["keep", "delete"])),
  afterUpload: later(afterUpload),
  drop: later(nullable(shape<DropSettings>({ retention: nullable(count) }))),
  deleteLimit: later(shape<UploadSpec["deleteLimit"]>({ files: count, share: number })),
  rootMarker: later(nullable(text)),
  schedule: later(nullable(numberOrText)),
  maxUnstableAge: later(nullable(count)),
  activeHours: later(nullable(text)),
  bandwidthLimit: later(nullable(count)),
  host: later(nullable(text)),
  pipeline: later(nullable(text)),
  keySuffix: later(text),
  object: objectSettings,
  storeLocation: optional(text),
});

export const uploadShape = shape<UploadRecord>({
  id: named,
  spec,
  state: oneOf(UPLOAD_STATES),
  revision: count,
  reason: nullable(reason),
  lastScan: nullable(scanSummary),
  scanner: nullable(text),
  cleanupDue: flag,
  createdAt: time,
  updatedAt: time,
  finishedAt: nullable(time),
});

const transfer = shape<Transfer>({
  token: named,
  key: text,
  fingerprint: text,
  partSize: count,
  multipartId: nullable(text),
  startedAt: time,
});

const evidence = shape<Evidence>({
  key: text,
  size: count,
  etag: text,
  versionId: nullable(text),
  checksum,
  fingerprint: text,
  uploadedAt: time,
  sourceChecksum: optional(checksum),
});

const historyEntry = shape<HistoryEntry>({
  at: time,
  what: oneOf(HISTORY_KINDS),
  attempt: count,
  reason: nullable(reason),
});

const stepTrace = shape<StepTrace>({
  step: named,
  startedAt: time,
  endedAt: time,
  outcome: oneOf(STEP_OUTCOMES),
  bytesIn: count,
  bytesOut: count,
  message: nullable(text),
});

/** A file without its upload's id, which stands in the line of the upload. */
export const fileShape = shape<Omit<FileRecord, "uploadId">>({
  path: named,
  size: count,
  mtimeNs: nanoseconds,
  fingerprint: text,
  state: oneOf(FILE_STATES),
  revision: count,
  key: text,
  attempts: count,
  nextAttemptAt: time,
  unstableSince: nullable(time),
  owner: nullable(text),
  fence: count,
  reason: nullable(reason),
  transfer: nullable(transfer),
  evidence: nullable(evidence),
  history: defaulted([], list(historyEntry)),
  steps: defaulted([], list(stepTrace)),
  createdAt: time,
  updatedAt: time,
});

export const partsShape = list(shape<FinishedPart>({ partNumber, size: count, etag: text, checksum }));

const noticeId: Check<string> = (value, place) =>
  /^[!-~]+$/.test(text(value, place)) ? (value as string) : refuse(place, "printable ASCII without spaces", value);

const subscriber: Check<string> = (value, place) =>
  /^[A-Za-z0-9._-]{1,64}$/.test(text(value, place)) ? (value as string) : refuse(place, "a subscriber's name", value);

const uploadPayload = shape<UploadEvent>({ uploadId: named, state: oneOf(UPLOAD_STATES), reason: nullable(reason) });

const filePayload = shape<FileEvent & { readonly reason: Reason }>({
  uploadId: named,
  path: named,
  key: text,
  state: oneOf(FILE_STATES),
  size: count,
  attempts: count,
  reason,
});

const noticeFields = shape<Omit<Notice, "payload"> & { readonly payload: unknown }>({
  id: noticeId,
  subscriber,
  event: oneOf(NOTICE_EVENTS),
  payload: (value) => value,
  state: oneOf(NOTICE_STATES),
  revision: count,
  attempts: count,
  nextAttemptAt: time,
  reason: nullable(reason),
  createdAt: time,
  updatedAt: time,
});

export const noticeShape: Check<Notice> = (value, place) => {
  const fields = noticeFields(value, place);
  const payload = fields.event === "file:failed" ? filePayload : uploadPayload;
  return { ...fields, payload: payload(fields.payload, `${place}.payload`) };
};
