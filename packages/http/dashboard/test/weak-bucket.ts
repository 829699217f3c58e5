import { ObjectStoreError, systemClock } from "@bucketline/core";
import { faulty, MemoryBuckets, MemoryObjectStore } from "@bucketline/core/testing";
import { BUCKET } from "../../test/support/bed.ts";

/** A bucket in memory that can be made to fail. */
export function weakBucket() {
  const state = new MemoryBuckets();
  state.create(BUCKET);
  const store = new MemoryObjectStore({ state, clock: systemClock, capabilities: { minPartSize: 1 } });
  return faulty(store, [], { clock: systemClock });
}

export function rejected(): ObjectStoreError {
  const facts = { kind: "rejected", operation: "putObject", bucket: BUCKET } as const;
  return new ObjectStoreError(facts, "the store does not take it");
}
