import { objectStoreCases } from "@bucketline/conformance";
import { describe, expect, test } from "vitest";
import { formatCrc32 } from "../src/checksum.ts";
import { withDeadlines } from "../src/decorators/deadline.ts";
import { withRetries } from "../src/decorators/retrying.ts";
import type { ObjectStore } from "../src/ports/object-store.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { MemoryBuckets } from "../src/testing/memory-buckets.ts";
import { MemoryObjectStore, type MemoryObjectStoreOptions } from "../src/testing/memory-object-store.ts";

const body = new TextEncoder().encode("body");
const checksum = "crc32:dba80bb2" as const;
const put = { bucket: "b", key: "k", body, checksum, settings: {}, token: "t" };

function conformance(capabilities: MemoryObjectStoreOptions["capabilities"], decorate = (store: ObjectStore) => store) {
  const cases = objectStoreCases({
    open: async () => {
      const options = {
        state: new MemoryBuckets(),
        buckets: ["b"],
        capabilities: { minPartSize: 64, ...capabilities },
      };
      const memory = new MemoryObjectStore(options);
      return {
        store: decorate(memory),
        bucket: "b",
        missingBucket: "missing",
        another: async () => decorate(new MemoryObjectStore(options)),
        read: async (key) => {
          const object = memory.object("b", key);
          return object && { ...object, ...object.settings, metadata: object.metadata };
        },
        close: () => memory.close(),
      };
    },
  });
  for (const { name, run } of cases) test(name, run);
}

describe("MemoryObjectStore", () => conformance({}));
describe("MemoryObjectStore without checksums and conditions", () =>
  conformance({ checksums: false, conditionalWrites: false }));

describe("withRetries", () => {
  conformance({}, (store) => withRetries(store, { clock: new FakeClock(), random: () => 0.5 }));
});

describe("withDeadlines", () => {
  conformance({}, (store) => withDeadlines(store, { clock: new FakeClock() }));
});

describe("what is special to MemoryObjectStore", () => {
  test("several stores share their buckets and their ledger of calls", async () => {
    const first = new MemoryObjectStore({ buckets: ["b"] });
    await first.putObject(put);
    await first.close();
    const second = new MemoryObjectStore({ state: first.state, buckets: ["b"] });
    expect(await second.headObject({ bucket: "b", key: "k" })).toMatchObject({ size: 4, token: "t" });
    expect(second.calls).toEqual([
      { method: "putObject", bucket: "b", key: "k", bytes: 4 },
      { method: "headObject", bucket: "b", key: "k" },
    ]);
    await expect(first.putObject(put)).rejects.toThrow("the store is closed");
  });

  test("ETags are those of S3", async () => {
    const store = new MemoryObjectStore({ buckets: ["b"], capabilities: { minPartSize: 1 } });
    expect(await store.putObject(put)).toEqual({
      etag: "841a2d689ad86bd1611447453c22c6fc",
      checksum,
      versionId: undefined,
    });
    const { multipartId } = await store.createMultipart(put);
    const address = { bucket: "b", key: "k", multipartId };
    const { etag } = await store.uploadPart({ ...address, partNumber: 1, body, checksum });
    const parts = [{ partNumber: 1, etag, checksum }];
    // MD5 of the 16 bytes of the only part's MD5, computed with md5sum
    const expected = { etag: "980d35430001d8835cd38d70e5845a9f-1" };
    expect(await store.completeMultipart({ ...address, parts, size: 4, checksum })).toMatchObject(expected);
  });

  test("a call takes its delay, and an abort meanwhile keeps it from having an effect", async () => {
    const clock = new FakeClock();
    const store = new MemoryObjectStore({ buckets: ["b"], clock, delayMs: 100 });
    const stop = new AbortController();
    const aborted = expect(store.putObject({ ...put, signal: stop.signal })).rejects.toThrow("stop");
    await clock.advance(99);
    stop.abort(new Error("stop"));
    await aborted;
    expect(store.objects("b")).toEqual([]);
    const done = store.putObject(put);
    await clock.advance(100);
    await done;
    expect(store.object("b", "k")).toMatchObject({ key: "k", token: "t", bytes: body });
  });

  test("versioned buckets name a version, owned ones refuse other owners", async () => {
    const store = new MemoryObjectStore();
    store.state.create("b", { owner: "111122223333", versioned: true });
    const { versionId } = await store.putObject({ ...put, expectedBucketOwner: "111122223333" });
    expect(await store.headObject({ bucket: "b", key: "k" })).toMatchObject({ versionId });
    const foreign = { bucket: "b", expectedBucketOwner: "444455556666" };
    await expect(store.checkBucket(foreign)).rejects.toMatchObject({ kind: "denied" });
  });

  test("bodies and parts beyond the limits are refused, and metadata beyond 2 KB", async () => {
    const capabilities = { maxPutSize: 3, maxPartSize: 3, maxParts: 2, minPartSize: 1 };
    const store = new MemoryObjectStore({ buckets: ["b"], capabilities });
    await expect(store.putObject(put)).rejects.toMatchObject({ kind: "rejected", providerCode: "EntityTooLarge" });
    const { multipartId } = await store.createMultipart(put);
    const part = { bucket: "b", key: "k", multipartId, partNumber: 1, body, checksum };
    await expect(store.uploadPart(part)).rejects.toMatchObject({ kind: "rejected", providerCode: "EntityTooLarge" });
    const settings = { metadata: { name: "x".repeat(2048) } };
    const small = { ...put, body: new Uint8Array(0), checksum: formatCrc32(0), settings };
    await expect(store.putObject(small)).rejects.toMatchObject({ kind: "rejected", providerCode: "MetadataTooLarge" });
    async function* seven() {
      yield new Uint8Array(7);
    }
    const stream = { bucket: "b", key: "k", settings: {}, token: "t", body: seven(), partSize: 3 };
    await expect(store.putStream(stream)).rejects.toMatchObject({ kind: "rejected", providerCode: "EntityTooLarge" });
  });

  test("unfinished multipart uploads can be looked at, with their time", async () => {
    const clock = new FakeClock(1_700_000_000_000);
    const store = new MemoryObjectStore({ buckets: ["b"], clock });
    await store.createMultipart(put);
    expect(store.multiparts("b")).toMatchObject([{ key: "k", token: "t", initiatedAt: 1_700_000_000_000 }]);
  });
});
