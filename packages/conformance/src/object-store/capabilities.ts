import assert from "node:assert/strict";
import type { ObjectStoreCases } from "./harness.ts";

export const capabilityCases: ObjectStoreCases = {
  "limits are whole numbers that fit together": async ({ store }) => {
    const { maxPutSize, minPartSize, maxPartSize, maxParts } = store.capabilities;
    for (const [name, limit] of Object.entries({ maxPutSize, minPartSize, maxPartSize, maxParts }))
      assert.ok(Number.isSafeInteger(limit) && limit >= 1, `${name} is ${limit}`);
    assert.ok(minPartSize <= maxPartSize, "the smallest part is no larger than the largest");
  },

  "two handles offer the same": async ({ store, another }) => {
    assert.deepEqual((await another()).capabilities, store.capabilities);
  },
};
