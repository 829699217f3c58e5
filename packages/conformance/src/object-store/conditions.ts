import assert from "node:assert/strict";
import type { ObjectStoreCases } from "./harness.ts";
import { checkAbsent, checkObject, completeRequest, putRequest, refused, textBytes, twoParts } from "./objects.ts";

const NONE = { ifNoneMatch: "*" } as const;

/** Of completions; those of puts stand with the puts. */
export const conditionCases: ObjectStoreCases = {
  "If-None-Match at completion passes while no object has the key": async (harness) => {
    if (!harness.store.capabilities.conditionalWrites) return;
    const { begun, parts, whole } = await twoParts(harness, "a");
    await harness.store.completeMultipart({ ...completeRequest(begun, parts, whole), condition: NONE });
    await checkObject(harness, begun.key, { bytes: whole, token: "token of a" });
  },

  "If-None-Match at completion leaves a standing object alone": async (harness) => {
    if (!harness.store.capabilities.conditionalWrites) return;
    const { begun, parts, whole } = await twoParts(harness, "a");
    const standing = putRequest(harness, "a", textBytes("standing"), { token: "standing" });
    const { etag } = await harness.store.putObject(standing);
    const request = completeRequest(begun, parts, whole);
    await refused(harness.store.completeMultipart({ ...request, condition: { ifNoneMatch: "*" } }), "precondition");
    await refused(harness.store.completeMultipart({ ...request, condition: { ifMatch: `${etag}x` } }), "precondition");
    await checkObject(harness, begun.key, { bytes: standing.body, token: "standing" });
  },

  "If-Match at completion replaces the object it names": async (harness) => {
    if (!harness.store.capabilities.conditionalWrites) return;
    const { begun, parts, whole } = await twoParts(harness, "a");
    const { etag } = await harness.store.putObject(putRequest(harness, "a", textBytes("standing")));
    await harness.store.completeMultipart({ ...completeRequest(begun, parts, whole), condition: { ifMatch: etag } });
    await checkObject(harness, begun.key, { bytes: whole, token: "token of a" });
  },

  "If-Match at completion where there is no object makes none": async (harness) => {
    if (!harness.store.capabilities.conditionalWrites) return;
    const { begun, parts, whole } = await twoParts(harness, "a");
    const { etag } = await harness.store.putObject(putRequest(harness, "b", textBytes("b")));
    const request = { ...completeRequest(begun, parts, whole), condition: { ifMatch: etag } };
    await refused(harness.store.completeMultipart(request), "notFound", "precondition");
    await checkAbsent(harness, begun.key);
  },

  "of a put and completions at the same time under If-None-Match one passes": async (harness) => {
    if (!harness.store.capabilities.conditionalWrites) return;
    const rivals = [await twoParts(harness, "a"), await twoParts(harness, "a")];
    const put = putRequest(harness, "a", textBytes("put"), { condition: NONE, token: "put" });
    const writes = [
      ...rivals.map(({ begun, parts, whole }) =>
        harness.store.completeMultipart({ ...completeRequest(begun, parts, whole), condition: NONE }),
      ),
      harness.store.putObject(put),
    ];
    const outcomes = await Promise.allSettled(writes);
    const passed = outcomes.findIndex(({ status }) => status === "fulfilled");
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") await refused(Promise.reject(outcome.reason), "precondition", "conflict");
    }
    const winner = rivals[passed];
    const expected = winner ? { bytes: winner.whole, token: "token of a" } : { bytes: put.body, token: "put" };
    await checkObject(harness, put.key, expected);
  },

  "a store without conditional writes refuses a condition at completion": async (harness) => {
    if (harness.store.capabilities.conditionalWrites) return;
    const { begun, parts, whole } = await twoParts(harness, "a");
    const request = completeRequest(begun, parts, whole);
    await refused(harness.store.completeMultipart({ ...request, condition: NONE }), "unsupported");
    await checkAbsent(harness, begun.key);
    await harness.store.completeMultipart(request);
    await checkObject(harness, begun.key, { bytes: whole, token: "token of a" });
  },
};
