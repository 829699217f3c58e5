import type { Checksum } from "../checksum.ts";

/** What a store can do. The engine asks the store, not the user. Sizes in bytes. */
export interface ObjectStoreCapabilities {
  /** The store checks the checksums we send and reports them back (echo or HEAD). */
  readonly checksums: boolean;
  /** `WriteCondition` is honoured on put and complete. */
  readonly conditionalWrites: boolean;
  /** Largest body of one put. S3: 5 GiB. */
  readonly maxPutSize: number;
  /** Smallest part but the last. S3: 5 MiB. */
  readonly minPartSize: number;
  /** Largest part. S3: 5 GiB. */
  readonly maxPartSize: number;
  /** Most parts of one object. S3: 10,000. */
  readonly maxParts: number;
}

/** How an object is stored. Everything optional; the store's own default applies. */
export interface ObjectSettings {
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  /** S3 storage class, such as `STANDARD_IA`. */
  readonly storageClass?: string;
  /** `AES256` (SSE-S3), `aws:kms` or `aws:kms:dsse`. */
  readonly serverSideEncryption?: string;
  readonly kmsKeyId?: string;
  /** Canned ACL, such as `bucket-owner-full-control`. */
  readonly acl?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** User metadata. Names starting with `bucketline-` are ours. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Account id that must own the bucket; S3 answers 403 otherwise. */
  readonly expectedBucketOwner?: string;
}

/** Write only when no object has the key (`ifNoneMatch`), or only over the object with this ETag (`ifMatch`). */
export type WriteCondition = { readonly ifNoneMatch: "*" } | { readonly ifMatch: string };

/** One object, and on what terms it is asked for. */
export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
  readonly expectedBucketOwner?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One multipart upload of one object. */
export interface MultipartAddress extends ObjectAddress {
  readonly multipartId: string;
}

interface ObjectWrite extends ObjectAddress {
  readonly settings: ObjectSettings;
  /** Kept in the object's metadata; HEAD gives it back. Tells our own write from anybody else's. */
  readonly token: string;
}

/** Writes an object of which all bytes are at hand. */
export interface PutObjectRequest extends ObjectWrite {
  readonly body: Uint8Array;
  readonly checksum: Checksum;
  /** Of the body, in hex, for a store that `usesSha256`; it computes one itself where there is none. */
  readonly sha256?: string | undefined;
  readonly condition?: WriteCondition | undefined;
}

/** Writes an object of unknown length, in parts of `partSize` bytes. */
export interface PutStreamRequest extends ObjectWrite {
  readonly body: AsyncIterable<Uint8Array>;
  readonly partSize: number;
}

/** Deletes one object, provided it is the one that was written. */
export interface DeleteObjectRequest extends ObjectAddress {
  /** The object is deleted only while it has this ETag. */
  readonly ifMatch: string;
}

/** `deleted` it had the ETag and is gone · `absent` there is no object · `changed` it has another ETag and stays. */
export type DeleteOutcome = "deleted" | "absent" | "changed";

/** Begins a multipart upload. */
export type CreateMultipartRequest = ObjectWrite;

/** Sends one part of a multipart upload. */
export interface UploadPartRequest extends MultipartAddress {
  /** 1 … `maxParts`. */
  readonly partNumber: number;
  readonly body: Uint8Array;
  readonly checksum: Checksum;
  /** As in PutObjectRequest. */
  readonly sha256?: string | undefined;
}

/** Makes the object of a multipart upload's parts. */
export interface CompleteMultipartRequest extends MultipartAddress {
  /** Every part, in ascending order of number. */
  readonly parts: readonly { readonly partNumber: number; readonly etag: string; readonly checksum: Checksum }[];
  /** Bytes of the whole object; the store refuses to complete anything else. */
  readonly size: number;
  /** Of the whole object. */
  readonly checksum: Checksum;
  readonly condition?: WriteCondition | undefined;
}

/** What the answer to a write said. `checksum` is missing when the store did not echo one. */
export interface WriteReceipt {
  readonly etag: string;
  readonly versionId?: string | undefined;
  readonly checksum?: Checksum | undefined;
}

/** What a store says of an object that is there. Size in bytes. */
export interface ObjectFacts {
  readonly size: number;
  readonly etag: string;
  readonly versionId?: string | undefined;
  /** Of the whole object, when the store knows one of that kind. */
  readonly checksum?: Checksum | undefined;
  /** The token of the write that made the object, when it was one of ours. */
  readonly token?: string | undefined;
}

/** A part that the store has received. Size in bytes. */
export interface ListedPart {
  readonly partNumber: number;
  readonly size: number;
  readonly etag: string;
  readonly checksum?: Checksum | undefined;
}

/** A multipart upload that is neither completed nor aborted, as a listing tells it. */
export interface ListedMultipart {
  readonly key: string;
  readonly multipartId: string;
  /** Milliseconds since 1970 on the store's clock. */
  readonly initiatedAt: number;
}

/** An object, as a listing tells it. Size in bytes. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

/** What a listing is asked for. Prefixes are compared as strings; "/" means nothing to them. */
export interface ListRequest {
  readonly bucket: string;
  readonly prefix: string;
  readonly expectedBucketOwner?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ListObjectsRequest extends ListRequest {
  /** Only keys greater than this, byte by byte in UTF-8. */
  readonly after?: string | undefined;
}

/** Looks, and changes nothing. */
export interface ObjectReads {
  /**
   * Asks whether the bucket is there and may be used.
   * @throws ObjectStoreError `bucketMissing`, `denied`, `credentials`, `wrongRegion`, `transient` …
   */
  checkBucket(request: {
    readonly bucket: string;
    readonly expectedBucketOwner?: string | undefined;
    readonly signal?: AbortSignal | undefined;
  }): Promise<void>;

  /** Facts of an object, or undefined when there is none. */
  headObject(request: ObjectAddress): Promise<ObjectFacts | undefined>;

  /**
   * Objects whose key starts with `prefix`, in key order (bytes of the UTF-8 form, ascending), all pages. Memory does not
   * grow with their number: the next page is asked for when the last one has been taken.
   */
  listObjects(request: ListObjectsRequest): AsyncIterable<ListedObject>;
}

/** Stores whole objects, and deletes them. */
export interface ObjectWrites {
  /** Stores one object of known bytes in one request. */
  putObject(request: PutObjectRequest): Promise<WriteReceipt>;

  /** Stores a stream of unknown length; not resumable. Rejects without leaving a multipart upload behind where it can. */
  putStream(request: PutStreamRequest): Promise<WriteReceipt & { readonly size: number }>;

  /**
   * Deletes the object while it has the ETag; where versions are kept, older ones stay. A failure that is ambiguous is
   * settled by calling again. An adapter whose store does not know the condition compares by itself, right before.
   */
  deleteObject(request: DeleteObjectRequest): Promise<DeleteOutcome>;
}

/** Stores objects part by part. */
export interface MultipartUploads {
  /** Begins a multipart upload. The whole-object checksum is of kind "full object". */
  createMultipart(request: CreateMultipartRequest): Promise<{ readonly multipartId: string }>;

  /** Stores one part; storing the same number again replaces it. */
  uploadPart(request: UploadPartRequest): Promise<WriteReceipt>;

  /**
   * Every part the store holds, ascending by number, all pages.
   * @throws ObjectStoreError `notFound` when the multipart upload is not known (any more)
   */
  listParts(request: MultipartAddress): Promise<ListedPart[]>;

  /**
   * Makes the object from its parts. An answer of 200 that carries an error is a rejection.
   * @throws ObjectStoreError `notFound` when the multipart upload is not known (any more)
   */
  completeMultipart(request: CompleteMultipartRequest): Promise<WriteReceipt>;

  /** Resolves once the store no longer knows the multipart upload, also when it never did. */
  abortMultipart(request: MultipartAddress): Promise<void>;

  /** Unfinished multipart uploads whose key starts with `prefix`, in key order, all pages. */
  listMultiparts(request: ListRequest): AsyncIterable<ListedMultipart>;
}

/**
 * Where objects go: S3 or anything that can play its part.
 *
 * Guarantees an adapter gives:
 * - A resolved write is durable and readable (read-after-write), by HEAD and in listings.
 * - `checksum` in a request is verified by the store before the write becomes visible, when `capabilities.checksums`.
 * - A request body is not read any more once its promise has settled; the caller may reuse the buffer.
 * - Every failure is an `ObjectStoreError` with a `kind`; `ambiguous` is true when the write may have happened all the
 *   same. An aborted signal rejects with the signal's reason. The adapter classifies and never retries.
 * - Nothing is kept between calls but connections: any method may be called in any order after a crash.
 */
export interface ObjectStore extends ObjectReads, ObjectWrites, MultipartUploads {
  readonly capabilities: ObjectStoreCapabilities;

  /**
   * Optional, for speed: whether it needs the SHA-256 of every body it writes to the bucket, so that whoever reads the
   * bytes may compute it on the way. May be asked before it is known, and says false then.
   */
  usesSha256?(bucket: string): boolean;

  /** Closes connections. No other method may be called afterwards. */
  close(): Promise<void>;
}
