import { type ObjectStore, type StateStore, systemClock } from "@bucketline/core";
import {
  type Faulty,
  faulty,
  MemoryBuckets,
  MemoryObjectStore,
  MemoryState,
  MemoryStateStore,
} from "@bucketline/core/testing";
import { Bed, type BedOptions, BUCKET } from "./bed.ts";

/** A bed whose ledger and object store can be told to fail; the bed's own are not in use. */
export interface FallibleBed {
  readonly bed: Bed;
  readonly buckets: MemoryBuckets;
  readonly state: Faulty<StateStore>;
  readonly objects: Faulty<ObjectStore>;
}

export async function fallibleBed({ service, ...options }: BedOptions = {}): Promise<FallibleBed> {
  const buckets = new MemoryBuckets();
  buckets.create(BUCKET);
  const clock = systemClock;
  const state = faulty<StateStore>(new MemoryStateStore({ clock, state: new MemoryState() }), [], { clock });
  const store = new MemoryObjectStore({ state: buckets, clock, capabilities: { minPartSize: 1 } });
  const objects = faulty<ObjectStore>(store, [], { clock });
  const bed = await Bed.open({ ...options, service: { state: state.port, objects: objects.port, ...service } });
  return { bed, buckets, state, objects };
}
