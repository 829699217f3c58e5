import { type ConformanceCase, objectStoreCases } from "@bucketline/conformance";
import type { ObjectStore, ObjectStoreCapabilities } from "@bucketline/core";
import { MemoryBuckets, MemoryObjectStore } from "@bucketline/core/testing";
import { describe, expect, test } from "vitest";
import { replaced } from "./broken/memory-harness.ts";
import { brokenDeletes } from "./broken/object-deletes.ts";
import type { BrokenObjectStore } from "./broken/object-harness.ts";
import { brokenListings } from "./broken/object-listings.ts";
import { brokenMultiparts } from "./broken/object-multiparts.ts";
import { brokenPuts } from "./broken/object-puts.ts";
import { brokenRefusals, brokenStreams } from "./broken/object-streams.ts";

const BROKEN = { ...brokenPuts, ...brokenDeletes, ...brokenListings, ...brokenMultiparts, ...brokenStreams };

type Capabilities = Partial<ObjectStoreCapabilities>;

function casesOf(breaks: BrokenObjectStore["breaks"], capabilities: Capabilities = {}): ConformanceCase[] {
  const open = async () => {
    const state = new MemoryBuckets();
    const options = { state, buckets: ["b"], capabilities: { minPartSize: 64, ...capabilities } };
    const openHandle = () => {
      const right = new MemoryObjectStore(options);
      return replaced<ObjectStore>(right, breaks(right, state));
    };
    return {
      store: openHandle(),
      bucket: "b",
      missingBucket: "missing",
      another: async () => openHandle(),
      read: async (key: string) => {
        const object = state.get("b")?.objects.get(key);
        return object && { ...object, ...object.settings, metadata: object.metadata };
      },
      close: async () => {},
    };
  };
  return objectStoreCases({ open });
}

async function expectCaught({ breaks, caughtBy }: BrokenObjectStore, capabilities?: Capabilities): Promise<void> {
  const cases = new Map(casesOf(breaks, capabilities).map((one) => [one.name, one]));
  expect(caughtBy.length).toBeGreaterThan(0);
  for (const name of caughtBy) {
    const one = cases.get(name);
    expect(one, `there is a case "${name}"`).toBeDefined();
    const outcome = await one?.run().then(
      () => "passes",
      () => "fails",
    );
    expect(`${name}: ${outcome}`).toBe(`${name}: fails`);
  }
}

describe("a right store passes", () => {
  for (const { name, run } of casesOf(() => ({}))) test(name, run);
});

describe("a broken store is caught", () => {
  test.each(Object.entries(BROKEN))("%s", (_, store) => expectCaught(store));
  test.each(Object.entries(brokenRefusals))("%s", (_, store) => expectCaught(store, { conditionalWrites: false }));
});

test("every case catches some broken store", () => {
  const all = [...Object.values(BROKEN), ...Object.values(brokenRefusals)];
  const caught = new Set(all.flatMap(({ caughtBy }) => caughtBy));
  const idle = casesOf(() => ({})).filter(({ name }) => !caught.has(name));
  expect(idle.map(({ name }) => name)).toEqual([]);
});
