import assert from "node:assert/strict";
import { type StateStore, StateStoreError } from "@bucketline/core";
import type { StateStoreHarness } from "./harness.ts";
import { aFile, claim, paths, seed } from "./records.ts";

/** Runs the case with a second handle; a store for one owner must refuse it, and stay as it was. */
export function shared(run: (first: StateStore, second: StateStore, harness: StateStoreHarness) => Promise<void>) {
  return async (harness: StateStoreHarness): Promise<void> => {
    const second = await harness.another().catch((error: unknown) => {
      assert.ok(
        error instanceof StateStoreError && error.code === "STATE_BUSY",
        `a second owner is refused as busy: ${error}`,
      );
    });
    if (second) return run(harness.store, second, harness);
    await seed(harness.store, [aFile("a")]);
    assert.deepEqual(paths(await claim(harness.store, "o", 10)), ["a"]);
  };
}
