import assert from "node:assert/strict";
import type { ObjectStore } from "@bucketline/core";
import type { ObjectStoreCases, ObjectStoreHarness } from "./harness.ts";
import { address, begin, checkAbsent, checksumOf, openMultiparts, refused, textBytes } from "./objects.ts";

type Target = { bucket: string; key: string; multipartId: string; signal?: AbortSignal };

async function* oneChunk() {
  yield textBytes("body");
}

/** Every method that makes a request, on one target. */
function everyCall(store: ObjectStore, target: Target): Record<string, () => Promise<unknown>> {
  const body = textBytes("body");
  const checksum = checksumOf(body);
  const write = { ...target, settings: {}, token: "t" };
  const partSize = store.capabilities.minPartSize;
  const parts = [{ partNumber: 1, etag: "841a2d689ad86bd1611447453c22c6fc", checksum }];
  return {
    checkBucket: () => store.checkBucket(target),
    putObject: () => store.putObject({ ...write, body, checksum }),
    putStream: () => store.putStream({ ...write, body: oneChunk(), partSize }),
    deleteObject: () => store.deleteObject({ ...target, ifMatch: parts[0]?.etag ?? "" }),
    headObject: () => store.headObject(target),
    listObjects: async () => {
      for await (const _ of store.listObjects({ ...target, prefix: target.key }));
    },
    createMultipart: () => store.createMultipart(write),
    uploadPart: () => store.uploadPart({ ...target, partNumber: 1, body, checksum }),
    listParts: () => store.listParts(target),
    completeMultipart: () => store.completeMultipart({ ...target, parts, size: body.length, checksum }),
    abortMultipart: () => store.abortMultipart(target),
    listMultiparts: async () => {
      for await (const _ of store.listMultiparts({ ...target, prefix: target.key }));
    },
  };
}

async function target(harness: ObjectStoreHarness): Promise<Target> {
  const { multipartId } = await begin(harness, "target");
  return { ...address(harness, "a"), multipartId };
}

export const errorCases: ObjectStoreCases = {
  "a bucket that is there passes the check": async ({ store, bucket }) => {
    await store.checkBucket({ bucket });
  },

  "a missing bucket is named as such by every method that can tell": async (harness) => {
    const calls = everyCall(harness.store, { ...(await target(harness)), bucket: harness.missingBucket });
    for (const [method, call] of Object.entries(calls)) {
      // HEAD of an object answers 404 without saying of what.
      if (method !== "headObject") await refused(call(), "bucketMissing");
    }
  },

  "an error names the operation, the bucket and the key": async (harness) => {
    const { key } = address(harness, "a");
    const bucket = harness.missingBucket;
    const calls = everyCall(harness.store, { bucket, key, multipartId: "none" });
    const error: unknown = await calls.putObject!().catch((reason: unknown) => reason);
    assert.ok(error instanceof Error);
    const { operation, bucket: named, key: keyed, code } = error as unknown as Record<string, unknown>;
    assert.deepEqual(
      { operation, named, keyed, code },
      { operation: "putObject", named: bucket, keyed: key, code: "BUCKET_NOT_FOUND" },
    );
    assert.ok(error.message.includes(bucket) && error.message.includes(key));
  },

  "a multipart upload that is not known is not found": async (harness) => {
    const begun = await begin(harness, "a");
    const calls = everyCall(harness.store, { ...begun, multipartId: `${begun.multipartId}x` });
    for (const method of ["uploadPart", "listParts", "completeMultipart"]) await refused(calls[method]!(), "notFound");
  },

  "a signal aborted before the call rejects with its reason, and nothing happens": async (harness) => {
    const reason = new Error("stop");
    const begun = await target(harness);
    const calls = everyCall(harness.store, { ...begun, signal: AbortSignal.abort(reason) });
    for (const [method, call] of Object.entries(calls)) {
      await assert.rejects(call(), (error) => error === reason, `${method} rejects with something else`);
    }
    await checkAbsent(harness, begun.key);
    assert.equal((await openMultiparts(harness.store, harness.bucket, harness.prefix ?? "")).length, 1);
  },

  "a signal that does not abort changes nothing": async (harness) => {
    const { signal } = new AbortController();
    await harness.store.checkBucket({ bucket: harness.bucket, signal });
    await begin(harness, "a");
    const found = [];
    const request = { bucket: harness.bucket, prefix: harness.prefix ?? "", signal };
    for await (const upload of harness.store.listMultiparts(request)) found.push(upload);
    assert.equal(found.length, 1);
    assert.equal(Number.isSafeInteger(found[0]?.initiatedAt), true);
  },
};
