import { SandboxError } from "./errors.ts";
import { KeyIndex } from "./keys.ts";
import type { Change, Completion, Extent, ObjectRecord, PartRecord, UploadRecord } from "./records.ts";

export interface OpenUpload {
  record: UploadRecord;
  parts: Map<number, PartRecord>;
}

export interface Bucket {
  name: string;
  createdAt: number;
  objects: Map<string, ObjectRecord>;
  keys: KeyIndex;
  uploads: Map<string, OpenUpload>;
  completions: Map<string, Completion>;
  /** How often each key was deleted while a conditional write to it was under way. */
  deletions: Map<string, number>;
}

/** How long a completed upload is remembered, in milliseconds. */
export const COMPLETION_MEMORY_MS = 60 * 60_000;
const MAX_COMPLETIONS = 10_000;

/** Buckets, objects and uploads in memory; a pure function of the changes applied to it. */
export class Catalog {
  readonly buckets = new Map<string, Bucket>();
  /** How many records refer to each blob. */
  readonly #references = new Map<string, number>();

  /** Applies one change and returns the blobs that nothing refers to any more. */
  apply(change: Change): string[] {
    const retained: Extent[] = [];
    const dropped: Extent[] = [];
    if (change.type === "bucketCreated") {
      this.buckets.set(change.bucket, createBucket(change.bucket, change.at));
      return [];
    }
    const bucket = this.buckets.get(change.bucket);
    if (!bucket) throw new SandboxError("SANDBOX_UNKNOWN_BUCKET", `There is no bucket "${change.bucket}".`);
    switch (change.type) {
      case "bucketDeleted":
        this.buckets.delete(change.bucket);
        break;
      case "objectPut":
        putObject(bucket, change.object, retained, dropped);
        break;
      case "objectTagged": {
        const object = bucket.objects.get(change.key);
        if (object) bucket.objects.set(change.key, { ...object, tags: change.tags });
        break;
      }
      case "objectDeleted":
        deleteObject(bucket, change.key, dropped);
        break;
      case "uploadCreated":
        bucket.uploads.set(change.upload.uploadId, { record: change.upload, parts: new Map() });
        break;
      case "partPut":
        putPart(bucket, change.uploadId, change.part, retained, dropped);
        break;
      case "uploadAborted":
        endUpload(bucket, change.uploadId, dropped);
        break;
      case "uploadCompleted":
        putObject(bucket, change.object, retained, dropped);
        endUpload(bucket, change.completion.uploadId, dropped);
        rememberCompletion(bucket, change.completion);
        break;
      case "completionRemembered":
        rememberCompletion(bucket, change.completion);
        break;
    }
    return this.#count(retained, dropped);
  }

  /** Keeps blobs from being released while they are read. Undo with `release`. */
  hold(extents: readonly Extent[]): void {
    this.#count(extents, []);
  }

  /** Ends a hold and returns the blobs that nothing refers to any more. */
  release(extents: readonly Extent[]): string[] {
    return this.#count([], extents);
  }

  /** Whether any record refers to the blob. */
  refers(blob: string): boolean {
    return this.#references.has(blob);
  }

  /** The changes that would rebuild the present contents. */
  *snapshot(): Generator<Change> {
    for (const bucket of this.buckets.values()) {
      yield { type: "bucketCreated", bucket: bucket.name, at: bucket.createdAt };
      for (const object of bucket.objects.values()) yield { type: "objectPut", bucket: bucket.name, object };
      for (const { record, parts } of bucket.uploads.values()) {
        yield { type: "uploadCreated", bucket: bucket.name, upload: record };
        for (const part of parts.values()) {
          yield { type: "partPut", bucket: bucket.name, uploadId: record.uploadId, part };
        }
      }
      for (const completion of bucket.completions.values()) {
        yield { type: "completionRemembered", bucket: bucket.name, completion };
      }
    }
  }

  #count(retained: readonly Extent[], dropped: readonly Extent[]): string[] {
    for (const { blob } of retained) this.#references.set(blob, (this.#references.get(blob) ?? 0) + 1);
    const released: string[] = [];
    for (const { blob } of dropped) {
      const left = (this.#references.get(blob) ?? 0) - 1;
      if (left > 0) this.#references.set(blob, left);
      else if (this.#references.delete(blob)) released.push(blob);
    }
    return released;
  }
}

function createBucket(name: string, createdAt: number): Bucket {
  return {
    name,
    createdAt,
    objects: new Map(),
    keys: new KeyIndex(),
    uploads: new Map(),
    completions: new Map(),
    deletions: new Map(),
  };
}

function putObject(bucket: Bucket, object: ObjectRecord, retained: Extent[], dropped: Extent[]): void {
  const previous = bucket.objects.get(object.key);
  if (previous) dropped.push(...previous.extents);
  retained.push(...object.extents);
  bucket.objects.set(object.key, object);
  bucket.keys.add(object.key);
}

function deleteObject(bucket: Bucket, key: string, dropped: Extent[]): void {
  const previous = bucket.objects.get(key);
  if (!previous) return;
  dropped.push(...previous.extents);
  bucket.objects.delete(key);
  bucket.keys.delete(key);
  const watched = bucket.deletions.get(key);
  if (watched !== undefined) bucket.deletions.set(key, watched + 1);
}

function putPart(bucket: Bucket, uploadId: string, part: PartRecord, retained: Extent[], dropped: Extent[]): void {
  const upload = bucket.uploads.get(uploadId);
  if (!upload) return;
  const previous = upload.parts.get(part.partNumber);
  if (previous) dropped.push(...previous.extents);
  retained.push(...part.extents);
  upload.parts.set(part.partNumber, part);
}

function endUpload(bucket: Bucket, uploadId: string, dropped: Extent[]): void {
  for (const part of bucket.uploads.get(uploadId)?.parts.values() ?? []) dropped.push(...part.extents);
  bucket.uploads.delete(uploadId);
}

function rememberCompletion(bucket: Bucket, completion: Completion): void {
  for (const [uploadId, { at }] of bucket.completions) {
    if (completion.at - at < COMPLETION_MEMORY_MS && bucket.completions.size < MAX_COMPLETIONS) break;
    bucket.completions.delete(uploadId);
  }
  bucket.completions.set(completion.uploadId, completion);
}
