import type { ObjectStore } from "@bucketline/core";

/** One store, as a case sees it. */
export interface ObjectStoreHarness {
  readonly store: ObjectStore;
  /** A bucket that exists. */
  readonly bucket: string;
  /** A bucket name that is valid but not taken. */
  readonly missingBucket: string;
  /** What every key of the case starts with; nothing else in the bucket does. Default: empty. */
  readonly prefix?: string;
  /** A second handle on the same buckets, as another process has. */
  another(): Promise<ObjectStore>;
  /** Reads an object past the store, where that is possible: bytes and settings are then compared too. */
  read?(key: string): Promise<ReadObject | undefined>;
  /** Closes every handle. */
  close(): Promise<void>;
}

/** An object as another client of the same store reads it. */
export interface ReadObject {
  readonly bytes: Uint8Array;
  readonly contentType?: string | undefined;
  readonly cacheControl?: string | undefined;
  /** User metadata as a client sees it, decoded. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export type ObjectStoreCases = Readonly<Record<string, (harness: ObjectStoreHarness) => Promise<void>>>;
