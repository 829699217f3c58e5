import assert from "node:assert/strict";
import type { PutStreamRequest } from "@bucketline/core";
import type { ObjectStoreCases, ObjectStoreHarness } from "./harness.ts";
import { address, checkAbsent, checkObject, checksumOf, openMultiparts, refused, someBytes } from "./objects.ts";

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function streamRequest(harness: ObjectStoreHarness, body: AsyncIterable<Uint8Array>): PutStreamRequest {
  const { minPartSize } = harness.store.capabilities;
  return { ...address(harness, "a"), body, partSize: minPartSize, settings: {}, token: "stream" };
}

async function checkStream(harness: ObjectStoreHarness, bytes: Uint8Array, chunkSize: number): Promise<void> {
  const request = streamRequest(harness, chunks(bytes, chunkSize));
  const receipt = await harness.store.putStream(request);
  assert.equal(receipt.size, bytes.length);
  assert.match(receipt.etag, /^[^"]+$/);
  if (receipt.checksum !== undefined) assert.equal(receipt.checksum, checksumOf(bytes));
  await checkObject(harness, request.key, { bytes, token: "stream", etag: receipt.etag });
  assert.deepEqual(await openMultiparts(harness.store, harness.bucket, request.key), []);
}

export const streamCases: ObjectStoreCases = {
  "a stream may be empty": (harness) => checkStream(harness, new Uint8Array(0), 1),

  "a stream may be smaller than a part": (harness) => checkStream(harness, someBytes(10), 3),

  "a stream may be exactly one part": (harness) => {
    const { minPartSize } = harness.store.capabilities;
    return checkStream(harness, someBytes(minPartSize), Math.ceil(minPartSize / 3));
  },

  "a stream may have several parts": (harness) => {
    const { minPartSize } = harness.store.capabilities;
    return checkStream(harness, someBytes(2 * minPartSize + 5), Math.ceil(minPartSize / 7) + 1);
  },

  "a chunk may be larger than a part": (harness) => {
    const { minPartSize } = harness.store.capabilities;
    return checkStream(harness, someBytes(2 * minPartSize + 5), 3 * minPartSize);
  },

  "a stream that fails gives its own error and leaves nothing": async (harness) => {
    const { minPartSize } = harness.store.capabilities;
    const failure = new Error("the source broke");
    async function* broken() {
      yield someBytes(2 * minPartSize + 1);
      throw failure;
    }
    const request = streamRequest(harness, broken());
    await assert.rejects(harness.store.putStream(request), (error) => error === failure);
    await checkAbsent(harness, request.key);
    assert.deepEqual(await openMultiparts(harness.store, harness.bucket, request.key), []);
  },

  "a stream that is aborted gives the signal's reason and leaves nothing": async (harness) => {
    const { minPartSize } = harness.store.capabilities;
    const stop = new AbortController();
    const reason = new Error("stop");
    let ended = false;
    async function* endless() {
      try {
        yield someBytes(minPartSize + 1);
        stop.abort(reason);
        for (;;) yield someBytes(minPartSize);
      } finally {
        ended = true;
      }
    }
    const request = { ...streamRequest(harness, endless()), signal: stop.signal };
    await assert.rejects(harness.store.putStream(request), (error) => error === reason);
    await checkAbsent(harness, request.key);
    assert.deepEqual(await openMultiparts(harness.store, harness.bucket, request.key), []);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(ended, "the source is told to end");
  },

  "an abort ends the wait for a source that hangs": async (harness) => {
    const { minPartSize } = harness.store.capabilities;
    const stop = new AbortController();
    const reason = new Error("stop");
    async function* hanging() {
      yield someBytes(minPartSize + 1);
      setImmediate(() => stop.abort(reason));
      await new Promise(() => {});
    }
    const request = { ...streamRequest(harness, hanging()), signal: stop.signal };
    await assert.rejects(harness.store.putStream(request), (error) => error === reason);
    await checkAbsent(harness, request.key);
    assert.deepEqual(await openMultiparts(harness.store, harness.bucket, request.key), []);
  },

  "parts that are too small are refused": async (harness) => {
    if (harness.store.capabilities.minPartSize <= 1) return;
    const request = streamRequest(harness, chunks(someBytes(10), 3));
    await refused(harness.store.putStream({ ...request, partSize: request.partSize - 1 }), "rejected");
  },
};
