import type { Checksum } from "../checksum.ts";
import type { ObjectFacts, ObjectSettings } from "../ports/object-store.ts";

/** One object as the memory store holds it. */
export interface MemoryObject extends ObjectFacts {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly checksum: Checksum;
  readonly token: string;
  readonly settings: ObjectSettings;
  /** User metadata, the token included. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A part of an unfinished multipart upload, with its bytes. */
export interface MemoryPart {
  readonly partNumber: number;
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly checksum: Checksum;
}

/** One multipart upload that is neither completed nor aborted. */
export interface MemoryMultipart {
  readonly key: string;
  readonly multipartId: string;
  /** Milliseconds since 1970. */
  readonly initiatedAt: number;
  readonly settings: ObjectSettings;
  readonly token: string;
  readonly parts: Map<number, MemoryPart>;
}

/** One call of a port method, recorded when it arrives, whatever becomes of it. */
export interface MemoryCall {
  readonly method: string;
  readonly bucket: string;
  readonly key?: string | undefined;
  readonly partNumber?: number | undefined;
  /** Size of the body in bytes; of a stream, what was read of it. */
  bytes?: number | undefined;
}

/** How a bucket in memory behaves. */
export interface MemoryBucketOptions {
  /** Account id that `expectedBucketOwner` must equal. Default: any account passes. */
  readonly owner?: string;
  /** Whether writes get a version id. Default false. */
  readonly versioned?: boolean;
}

/** A bucket with everything in it. */
export interface MemoryBucket extends MemoryBucketOptions {
  readonly objects: Map<string, MemoryObject>;
  readonly multiparts: Map<string, MemoryMultipart>;
}

/**
 * What outlives a MemoryObjectStore: hand one to several stores, at once or one after the other, and they see the same
 * buckets, as processes see one S3.
 */
export class MemoryBuckets {
  /** Every call of every store on these buckets, oldest first. */
  readonly calls: MemoryCall[] = [];
  readonly #buckets = new Map<string, MemoryBucket>();
  #serial = 0;

  /** Adds an empty bucket; does nothing when there is one of that name. */
  create(name: string, options: MemoryBucketOptions = {}): void {
    if (this.#buckets.has(name)) return;
    this.#buckets.set(name, { ...options, objects: new Map(), multiparts: new Map() });
  }

  /** Removes a bucket with all that is in it. */
  remove(name: string): void {
    this.#buckets.delete(name);
  }

  get(name: string): MemoryBucket | undefined {
    return this.#buckets.get(name);
  }

  /** A number nobody had before: for ids of multipart uploads and versions. */
  serial(): number {
    this.#serial += 1;
    return this.#serial;
  }
}

/** The order in which S3 lists: by the bytes of the UTF-8 form. */
export function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}
