import { stateStoreCases } from "@bucketline/conformance";
import { describe, test } from "vitest";
import { MapKeyValue } from "../src/map-key-value.ts";
import { KeyValueStateStore } from "../src/store.ts";

async function open() {
  let now = 0;
  const database = new MapKeyValue(() => now);
  const another = async () => {
    const store = new KeyValueStateStore(database);
    await store.open();
    return store;
  };
  const store = await another();
  return {
    store,
    another,
    reopen: async () => {
      await store.close();
      return another();
    },
    pass: async (ms: number) => {
      now += ms;
    },
    close: () => store.close(),
  };
}

describe("conformance", () => {
  for (const { name, slow, run } of stateStoreCases({ open })) test(name, run, slow ? 60_000 : undefined);
});
