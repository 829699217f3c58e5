import {
  type CompleteMultipartRequest,
  type ObjectStore,
  ObjectStoreError,
  type PutObjectRequest,
} from "@bucketline/core";
import type { MemoryBuckets } from "@bucketline/core/testing";

export interface BrokenObjectStore {
  readonly breaks: (right: ObjectStore, state: MemoryBuckets) => Partial<ObjectStore>;
  readonly caughtBy: readonly string[];
}

export const broken = (breaks: BrokenObjectStore["breaks"], ...caughtBy: readonly string[]): BrokenObjectStore => ({
  breaks,
  caughtBy,
});

/** An error of another call, as a store throws that has lost its thread. */
export const refusal = (kind: "transient" | "rejected" | "precondition", ambiguous = false) =>
  new ObjectStoreError({ kind, operation: "other", bucket: "other", ambiguous }, "It is broken.");

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export const changingPut =
  (change: (request: PutObjectRequest) => PutObjectRequest): BrokenObjectStore["breaks"] =>
  (right) => ({ putObject: (request) => right.putObject(change(request)) });

export const changingComplete =
  (change: (request: CompleteMultipartRequest) => CompleteMultipartRequest): BrokenObjectStore["breaks"] =>
  (right) => ({ completeMultipart: (request) => right.completeMultipart(change(request)) });
