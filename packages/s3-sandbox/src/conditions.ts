import type { Bucket } from "./catalog.ts";
import { S3Error } from "./errors.ts";
import type { ObjectRecord } from "./records.ts";

type Headers = ReadonlyMap<string, string>;

function listsEtag(header: string, etag: string): boolean {
  return header.split(",").some((entry) => {
    const value = entry.trim();
    return value === "*" || value.replace(/^"(.*)"$/, "$1") === etag;
  });
}

function failed(condition: string): S3Error {
  return new S3Error("PreconditionFailed", { details: { Condition: condition } });
}

function httpTime(header: string | undefined): number {
  return Date.parse(header ?? "");
}

export interface ReadConditionNames {
  match: string;
  noneMatch: string;
  modifiedSince: string;
  unmodifiedSince: string;
}

const READ_HEADERS: ReadConditionNames = {
  match: "if-match",
  noneMatch: "if-none-match",
  modifiedSince: "if-modified-since",
  unmodifiedSince: "if-unmodified-since",
};

/**
 * Evaluates the conditions of a read, in the order of RFC 9110 section 13.2.2.
 * @returns whether the answer is 304
 * @throws S3Error PreconditionFailed
 */
export function checkReadConditions(headers: Headers, object: ObjectRecord, names = READ_HEADERS): boolean {
  const match = headers.get(names.match);
  if (match !== undefined) {
    if (!listsEtag(match, object.etag)) throw failed(names.match);
  } else if (object.lastModified > httpTime(headers.get(names.unmodifiedSince))) {
    throw failed(names.unmodifiedSince);
  }
  const noneMatch = headers.get(names.noneMatch);
  if (noneMatch !== undefined) return listsEtag(noneMatch, object.etag);
  return object.lastModified <= httpTime(headers.get(names.modifiedSince));
}

/** The condition of a write, checked when it is committed. */
export interface WriteCondition {
  /**
   * @throws S3Error PreconditionFailed, NoSuchKey (If-Match on nothing) or ConditionalRequestConflict, when the key was
   * deleted while the request was under way
   */
  check(): void;
  /** Stops watching the key. Call it however the write ends. */
  release(): void;
}

/**
 * Reads the condition of a write and begins to watch its key for deletions.
 * Source: "How to prevent object overwrites with conditional writes" in the S3 User Guide.
 */
export function beginConditionalWrite(headers: Headers, bucket: Bucket, key: string): WriteCondition {
  const match = headers.get("if-match");
  const noneMatch = headers.get("if-none-match");
  if (match === undefined && noneMatch === undefined) return { check: () => {}, release: () => {} };
  if (noneMatch !== undefined && noneMatch !== "*") {
    throw new S3Error("NotImplemented", { message: "If-None-Match on a write takes only the value *." });
  }
  if (match !== undefined && noneMatch !== undefined) {
    throw new S3Error("NotImplemented", { message: "A write may carry If-Match or If-None-Match, not both." });
  }
  const watch = watchDeletions(bucket, key);
  return {
    check: () => {
      if (watch.happened()) throw new S3Error("ConditionalRequestConflict", { details: { Key: key } });
      checkWrite(match, bucket.objects.get(key), key);
    },
    release: watch.release,
  };
}

function checkWrite(match: string | undefined, object: ObjectRecord | undefined, key: string): void {
  if (match === undefined) {
    if (object) throw failed("If-None-Match");
    return;
  }
  if (!object) throw new S3Error("NoSuchKey", { details: { Key: key } });
  if (!listsEtag(match, object.etag)) throw failed("If-Match");
}

const watchers = new WeakMap<Bucket, Map<string, number>>();

/** Deletions are counted only for keys that somebody watches, so that the counts do not pile up. */
function watchDeletions(bucket: Bucket, key: string): { happened(): boolean; release(): void } {
  const watched = watchers.get(bucket) ?? new Map<string, number>();
  watchers.set(bucket, watched);
  watched.set(key, (watched.get(key) ?? 0) + 1);
  const before = bucket.deletions.get(key) ?? 0;
  bucket.deletions.set(key, before);
  return {
    happened: () => (bucket.deletions.get(key) ?? 0) !== before,
    release: () => {
      const left = (watched.get(key) ?? 1) - 1;
      if (left > 0) {
        watched.set(key, left);
        return;
      }
      watched.delete(key);
      bucket.deletions.delete(key);
    },
  };
}
