import type { DeleteOutcome } from "@bucketline/core";
import { type BrokenObjectStore, broken } from "./object-harness.ts";

const always =
  (outcome: DeleteOutcome): BrokenObjectStore["breaks"] =>
  (right) => ({
    deleteObject: async (request) => {
      await right.deleteObject(request);
      return outcome;
    },
  });

/** Object stores that are wrong about deletes. */
export const brokenDeletes: Readonly<Record<string, BrokenObjectStore>> = {
  "a delete does nothing": broken(
    () => ({ deleteObject: async () => "deleted" }),
    "delete: an object that has the ETag is gone, for another handle too",
    "delete: where there is no object, none is deleted",
    "delete: an object made of parts goes by its own ETag",
  ),
  "a delete ignores its condition": broken(
    (right) => ({
      deleteObject: async (request) => {
        const there = await right.headObject(request);
        return right.deleteObject({ ...request, ifMatch: there?.etag ?? "" });
      },
    }),
    "delete: an object that has another ETag stays",
    "delete: a key that is free again takes a new object",
  ),
  "what was not there counts as deleted": broken(
    always("deleted"),
    "delete: where there is no object, none is deleted",
    "delete: a second delete finds nothing",
  ),
  "a deleted object leaves a mark on its key": broken((right) => {
    const marked = new Set<string>();
    return {
      headObject: async (request) => (marked.has(request.key) ? undefined : await right.headObject(request)),
      deleteObject: async (request) => {
        const outcome = await right.deleteObject(request);
        if (outcome === "deleted") marked.add(request.key);
        return outcome;
      },
    };
  }, "delete: a key that is free again takes a new object"),
  "a delete takes what lies below the key, too": broken(
    (right, state) => ({
      deleteObject: async (request) => {
        const outcome = await right.deleteObject(request);
        const objects = state.get(request.bucket)?.objects;
        for (const key of [...(objects?.keys() ?? [])]) if (key.startsWith(`${request.key}/`)) objects?.delete(key);
        return outcome;
      },
    }),
    "delete: only the key that was named is deleted",
  ),
};
