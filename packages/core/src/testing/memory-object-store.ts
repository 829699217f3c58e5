import { createHash } from "node:crypto";
import { abortable } from "../abortable.ts";
import { crc32Of, formatCrc32 } from "../checksum.ts";
import { type ObjectErrorKind, ObjectStoreError } from "../errors.ts";
import { comparePaths } from "../paths.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  CompleteMultipartRequest,
  CreateMultipartRequest,
  DeleteObjectRequest,
  DeleteOutcome,
  ListedMultipart,
  ListedObject,
  ListedPart,
  ListObjectsRequest,
  ListRequest,
  MultipartAddress,
  ObjectAddress,
  ObjectFacts,
  ObjectSettings,
  ObjectStore,
  ObjectStoreCapabilities,
  PutObjectRequest,
  PutStreamRequest,
  UploadPartRequest,
  WriteCondition,
  WriteReceipt,
} from "../ports/object-store.ts";
import {
  byKey,
  type MemoryBucket,
  MemoryBuckets,
  type MemoryCall,
  type MemoryMultipart,
  type MemoryObject,
  type MemoryPart,
} from "./memory-buckets.ts";

const MIB = 1024 * 1024;
/** Keys per answer to a listing (API reference, ListObjectsV2). */
const PAGE = 1000;

const S3_LIMITS: ObjectStoreCapabilities = {
  checksums: true,
  conditionalWrites: true,
  maxPutSize: 5 * 1024 * MIB,
  minPartSize: 5 * MIB,
  maxPartSize: 5 * 1024 * MIB,
  maxParts: 10_000,
};

/** Settings of a MemoryObjectStore. */
export interface MemoryObjectStoreOptions {
  /** Buckets to create. */
  readonly buckets?: readonly string[];
  /** Buckets shared with other stores; default: fresh ones. */
  readonly state?: MemoryBuckets;
  /** What differs from S3's own limits, such as a small `minPartSize`. */
  readonly capabilities?: Partial<ObjectStoreCapabilities>;
  /** Times of multipart uploads and `delayMs`. Default: the time is always 0. */
  readonly clock?: Clock;
  /** How long every call takes before it has any effect, in milliseconds on `clock`. Default 0. */
  readonly delayMs?: number;
}

type Target = { readonly operation: string; readonly bucket: string; readonly key?: string | undefined };

type Measures = Pick<MemoryCall, "partNumber" | "bytes">;

/**
 * An ObjectStore in memory that is as strict as S3: checksums, part sizes and order, conditions, ETags, metadata limits.
 * A call takes effect all at once, after its delay; an aborted one has none. Writes are never ambiguous.
 */
export class MemoryObjectStore implements ObjectStore {
  readonly capabilities: ObjectStoreCapabilities;
  readonly state: MemoryBuckets;
  readonly #clock: Clock | undefined;
  readonly #delayMs: number;
  #closed = false;

  constructor(options: MemoryObjectStoreOptions = {}) {
    this.capabilities = { ...S3_LIMITS, ...options.capabilities };
    this.state = options.state ?? new MemoryBuckets();
    for (const name of options.buckets ?? []) this.state.create(name);
    this.#clock = options.clock;
    this.#delayMs = options.delayMs ?? 0;
  }

  /** Every call on these buckets, oldest first. */
  get calls(): readonly MemoryCall[] {
    return this.state.calls;
  }

  /** The objects of a bucket in key order. */
  objects(bucket: string): MemoryObject[] {
    return [...(this.state.get(bucket)?.objects.values() ?? [])].sort(byKey);
  }

  object(bucket: string, key: string): MemoryObject | undefined {
    return this.state.get(bucket)?.objects.get(key);
  }

  /** Unfinished multipart uploads of a bucket, oldest first. */
  multiparts(bucket: string): MemoryMultipart[] {
    return [...(this.state.get(bucket)?.multiparts.values() ?? [])];
  }

  async checkBucket(request: Omit<ObjectAddress, "key">): Promise<void> {
    await this.#enter("checkBucket", request);
  }

  async putObject(request: PutObjectRequest): Promise<WriteReceipt> {
    const bucket = await this.#enter("putObject", request, { bytes: request.body.length });
    const target = { ...request, operation: "putObject" };
    this.#checkNames(target, request);
    if (request.body.length > this.capabilities.maxPutSize) {
      throw refusal(target, "rejected", "EntityTooLarge", "the body is larger than one put may be.");
    }
    this.#verify(target, request.body, request.checksum);
    this.#checkCondition(target, bucket.objects.get(request.key), request.condition);
    return this.#store(bucket, request, Uint8Array.from(request.body), md5(request.body).toString("hex"));
  }

  async putStream(request: PutStreamRequest): Promise<WriteReceipt & { size: number }> {
    const measured = { bytes: 0 };
    const bucket = await this.#enter("putStream", request, measured);
    const target = { ...request, operation: "putStream" };
    this.#checkNames(target, request);
    if (request.partSize < this.capabilities.minPartSize || request.partSize > this.capabilities.maxPartSize) {
      throw refusal(target, "rejected", "EntityTooSmall", `parts of ${request.partSize} bytes are not allowed.`);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of abortable(request.body, request.signal)) {
      chunks.push(Uint8Array.from(chunk));
      measured.bytes += chunk.length;
      if (measured.bytes > request.partSize * this.capabilities.maxParts) {
        throw refusal(target, "rejected", "EntityTooLarge", "the stream is longer than its part size allows.");
      }
    }
    request.signal?.throwIfAborted();
    const bytes = new Uint8Array(Buffer.concat(chunks));
    const digests: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += request.partSize)
      digests.push(md5(bytes.subarray(at, at + request.partSize)));
    const etag = digests.length > 1 ? multipartEtag(digests) : md5(bytes).toString("hex");
    return { ...this.#store(bucket, request, bytes, etag), size: bytes.length };
  }

  async deleteObject(request: DeleteObjectRequest): Promise<DeleteOutcome> {
    const { objects } = await this.#enter("deleteObject", request);
    const object = objects.get(request.key);
    if (!object) return "absent";
    if (object.etag !== request.ifMatch) return "changed";
    objects.delete(request.key);
    return "deleted";
  }

  async headObject(request: ObjectAddress): Promise<ObjectFacts | undefined> {
    const bucket = await this.#enter("headObject", request);
    const object = bucket.objects.get(request.key);
    if (!object) return undefined;
    const { size, etag, versionId, token } = object;
    return { size, etag, versionId, checksum: this.capabilities.checksums ? object.checksum : undefined, token };
  }

  /** A call per page of 1,000, as with S3: each shows the bucket as it is at that moment. */
  async *listObjects(request: ListObjectsRequest): AsyncGenerator<ListedObject> {
    for (let after = request.after ?? ""; ; ) {
      const { objects } = await this.#enter("listObjects", request);
      const there = [...objects.values()].filter(
        ({ key }) => key.startsWith(request.prefix) && comparePaths(key, after) > 0,
      );
      const page = there.sort(byKey).slice(0, PAGE);
      for (const { key, size, etag } of page) {
        yield { key, size, etag };
        request.signal?.throwIfAborted();
        after = key;
      }
      if (page.length === there.length) return;
    }
  }

  async createMultipart(request: CreateMultipartRequest): Promise<{ multipartId: string }> {
    const bucket = await this.#enter("createMultipart", request);
    this.#checkNames({ ...request, operation: "createMultipart" }, request);
    const { key, settings, token } = request;
    const multipartId = `multipart-${this.state.serial()}`;
    const initiatedAt = this.#clock?.now() ?? 0;
    bucket.multiparts.set(multipartId, { key, multipartId, initiatedAt, settings, token, parts: new Map() });
    return { multipartId };
  }

  async uploadPart(request: UploadPartRequest): Promise<WriteReceipt> {
    const { body, partNumber, checksum } = request;
    const bucket = await this.#enter("uploadPart", request, { partNumber, bytes: body.length });
    const target = { ...request, operation: "uploadPart" };
    const multipart = multipartOf(bucket, target, request.multipartId);
    if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > this.capabilities.maxParts) {
      throw refusal(target, "rejected", "InvalidArgument", `part number ${partNumber} is out of range.`);
    }
    if (body.length > this.capabilities.maxPartSize) {
      throw refusal(target, "rejected", "EntityTooLarge", "the part is larger than a part may be.");
    }
    this.#verify(target, body, checksum);
    const bytes = Uint8Array.from(body);
    const part = { partNumber, bytes, etag: md5(bytes).toString("hex"), checksum: formatCrc32(crc32Of(bytes)) };
    multipart.parts.set(partNumber, part);
    return { etag: part.etag, checksum: this.capabilities.checksums ? part.checksum : undefined };
  }

  async listParts(request: MultipartAddress): Promise<ListedPart[]> {
    const bucket = await this.#enter("listParts", request);
    const multipart = multipartOf(bucket, { ...request, operation: "listParts" }, request.multipartId);
    const parts = [...multipart.parts.values()].sort((a, b) => a.partNumber - b.partNumber);
    return parts.map(({ partNumber, bytes, etag, checksum }) => ({
      partNumber,
      size: bytes.length,
      etag,
      checksum: this.capabilities.checksums ? checksum : undefined,
    }));
  }

  async completeMultipart(request: CompleteMultipartRequest): Promise<WriteReceipt> {
    const bucket = await this.#enter("completeMultipart", request);
    const target = { ...request, operation: "completeMultipart" };
    const multipart = multipartOf(bucket, target, request.multipartId);
    const parts = this.#checkParts(target, multipart, request.parts);
    const bytes = new Uint8Array(Buffer.concat(parts.map((part) => part.bytes)));
    if (bytes.length !== request.size) {
      throw refusal(
        target,
        "integrity",
        "InvalidRequest",
        `the parts hold ${bytes.length} bytes, not ${request.size}.`,
      );
    }
    this.#verify(target, bytes, request.checksum);
    this.#checkCondition(target, bucket.objects.get(request.key), request.condition);
    bucket.multiparts.delete(request.multipartId);
    return this.#store(bucket, multipart, bytes, multipartEtag(parts.map((part) => md5(part.bytes))));
  }

  async abortMultipart(request: MultipartAddress): Promise<void> {
    const bucket = await this.#enter("abortMultipart", request);
    if (bucket.multiparts.get(request.multipartId)?.key === request.key) bucket.multiparts.delete(request.multipartId);
  }

  async *listMultiparts(request: ListRequest): AsyncGenerator<ListedMultipart> {
    const bucket = await this.#enter("listMultiparts", request);
    const found = [...bucket.multiparts.values()].filter(({ key }) => key.startsWith(request.prefix)).sort(byKey);
    for (const { key, multipartId, initiatedAt } of found) {
      request.signal?.throwIfAborted();
      yield { key, multipartId, initiatedAt };
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #enter(operation: string, request: Omit<ObjectAddress, "key"> & { key?: string }, measured: Measures = {}) {
    const { bucket: name, key, signal, expectedBucketOwner } = request;
    const target = { operation, bucket: name, key };
    if (this.#closed) throw refusal(target, "rejected", "Closed", "the store is closed.");
    signal?.throwIfAborted();
    this.state.calls.push(Object.assign(measured, { method: operation, bucket: name, key }));
    if (this.#delayMs > 0) await this.#clock?.sleep(this.#delayMs, signal);
    const bucket = this.state.get(name);
    if (!bucket) throw refusal(target, "bucketMissing", "NoSuchBucket", "the bucket does not exist.");
    if (bucket.owner !== undefined && expectedBucketOwner !== undefined && bucket.owner !== expectedBucketOwner) {
      throw refusal(target, "denied", "AccessDenied", "the bucket belongs to another account.");
    }
    return bucket;
  }

  /** S3 allows keys of 1,024 bytes and 2 KB of user metadata, names and values together. */
  #checkNames(target: Target, { settings, token }: { settings: ObjectSettings; token: string }): void {
    const length = Buffer.byteLength(target.key ?? "");
    if (length === 0 || length > 1024)
      throw refusal(target, "rejected", "KeyTooLongError", `the key has ${length} bytes.`);
    const metadata = Object.entries(metadataOf(settings, token)).flat().join("");
    if (Buffer.byteLength(metadata) > 2048) {
      throw refusal(target, "rejected", "MetadataTooLarge", "the metadata is larger than 2 KB.");
    }
  }

  #verify(target: Target, bytes: Uint8Array, checksum: string): void {
    if (!this.capabilities.checksums || formatCrc32(crc32Of(bytes)) === checksum) return;
    throw refusal(target, "integrity", "BadDigest", "the bytes do not have the checksum that was sent with them.");
  }

  #checkCondition(target: Target, present: MemoryObject | undefined, condition: WriteCondition | undefined): void {
    if (!condition) return;
    if (!this.capabilities.conditionalWrites) {
      throw refusal(target, "unsupported", "NotImplemented", "conditional writes are not offered.");
    }
    if ("ifNoneMatch" in condition) {
      if (present) throw refusal(target, "precondition", "PreconditionFailed", "an object has the key.");
    } else if (!present) {
      throw refusal(target, "notFound", "NoSuchKey", "there is no object to replace.");
    } else if (present.etag !== condition.ifMatch) {
      throw refusal(target, "precondition", "PreconditionFailed", "the object has another ETag.");
    }
  }

  #checkParts(target: Target, multipart: MemoryMultipart, named: CompleteMultipartRequest["parts"]): MemoryPart[] {
    if (named.length === 0) throw refusal(target, "rejected", "MalformedXML", "no parts were named.");
    return named.map(({ partNumber, etag, checksum }, index) => {
      if (index > 0 && partNumber <= named[index - 1]!.partNumber) {
        throw refusal(target, "rejected", "InvalidPartOrder", "the parts are not in ascending order.");
      }
      const part = multipart.parts.get(partNumber);
      if (!part || part.etag !== etag || (this.capabilities.checksums && part.checksum !== checksum)) {
        throw refusal(target, "integrity", "InvalidPart", `part ${partNumber} is not there as named.`);
      }
      if (index < named.length - 1 && part.bytes.length < this.capabilities.minPartSize) {
        throw refusal(target, "rejected", "EntityTooSmall", `part ${partNumber} is smaller than a part may be.`);
      }
      return part;
    });
  }

  #store(
    bucket: MemoryBucket,
    { key, settings, token }: Pick<CreateMultipartRequest, "key" | "settings" | "token">,
    bytes: Uint8Array,
    etag: string,
  ): WriteReceipt {
    const checksum = formatCrc32(crc32Of(bytes));
    const versionId = bucket.versioned ? `version-${this.state.serial()}` : undefined;
    const metadata = metadataOf(settings, token);
    bucket.objects.set(key, { key, bytes, size: bytes.length, etag, versionId, checksum, token, settings, metadata });
    return { etag, versionId, checksum: this.capabilities.checksums ? checksum : undefined };
  }
}

function multipartOf(bucket: MemoryBucket, target: Target, multipartId: string): MemoryMultipart {
  const multipart = bucket.multiparts.get(multipartId);
  if (multipart?.key === target.key && multipart) return multipart;
  throw refusal(target, "notFound", "NoSuchUpload", `the multipart upload ${multipartId} does not exist.`);
}

function metadataOf(settings: ObjectSettings, token: string): Record<string, string> {
  return { ...settings.metadata, "bucketline-token": token };
}

function md5(bytes: Uint8Array): Buffer {
  return createHash("md5").update(bytes).digest();
}

/** S3 names a multipart object by the MD5 of its parts' MD5s and their number. */
function multipartEtag(digests: readonly Buffer[]): string {
  return `${md5(Buffer.concat(digests)).toString("hex")}-${digests.length}`;
}

function refusal(target: Target, kind: ObjectErrorKind, providerCode: string, message: string): ObjectStoreError {
  const { operation, bucket, key } = target;
  return new ObjectStoreError({ kind, operation, bucket, key, providerCode }, message);
}
