import assert from "node:assert/strict";
import type { ListedObject, ListObjectsRequest } from "@bucketline/core";
import type { ObjectStoreCases, ObjectStoreHarness } from "./harness.ts";
import { HOSTILE } from "./keys.ts";
import { address, begin, completeRequest, manyAtOnce, putRequest, sendPart, textBytes } from "./objects.ts";

async function put(harness: ObjectStoreHarness, names: readonly string[]): Promise<void> {
  await manyAtOnce(names, (name) =>
    harness.store.putObject(putRequest(harness, name, textBytes(name), { token: "t" })),
  );
}

export async function list(
  harness: ObjectStoreHarness,
  request: Partial<ListObjectsRequest> = {},
): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  const { store, bucket, prefix = "" } = harness;
  for await (const object of store.listObjects({ bucket, prefix, ...request })) found.push(object);
  return found;
}

/** Keys without what every key of the case starts with. */
async function names(harness: ObjectStoreHarness, request: Partial<ListObjectsRequest> = {}): Promise<string[]> {
  return (await list(harness, request)).map(({ key }) => key.slice((harness.prefix ?? "").length));
}

export function sorted(keys: readonly string[]): string[] {
  return [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

export const listingCases: ObjectStoreCases = {
  "no objects make an empty listing": async (harness) => {
    await begin(harness, "unfinished");
    assert.deepEqual(await list(harness), []);
  },

  "each object is listed with its size and the ETag that HEAD shows": async (harness) => {
    const { store } = harness;
    await put(harness, ["a", "longer name"]);
    await store.putObject(putRequest(harness, "empty", new Uint8Array(0)));
    const begun = await begin(harness, "parts");
    const part = await sendPart(store, begun, 1, textBytes("small"));
    await store.completeMultipart(completeRequest(begun, [part], textBytes("small")));
    const found = await list(harness);
    assert.deepEqual(
      found.map(({ size }) => size),
      [1, 0, 11, 5],
    );
    for (const { key, size, etag } of found) {
      const facts = await store.headObject({ bucket: harness.bucket, key });
      assert.deepEqual({ size, etag }, { size: facts?.size, etag: facts?.etag });
      assert.match(etag, /^[^"]+$/, "an ETag comes without quotes");
    }
  },

  "a replaced object is listed as it is now, by another handle too": async (harness) => {
    await put(harness, ["a"]);
    const { etag } = await harness.store.putObject(putRequest(harness, "a", textBytes("other")));
    const store = await harness.another();
    assert.deepEqual(await list({ ...harness, store }), [{ key: address(harness, "a").key, size: 5, etag }]);
  },

  "keys come in the order of their bytes": async (harness) => {
    // The last two stand the other way round in UTF-16.
    const keys = ["B", "a", "a!", "a-b", "a/b", "a/c/d", "a0", "aa", "é", "\uff5e", "\u{1f5fb}"];
    await put(harness, [...keys].reverse());
    assert.deepEqual(await names(harness), keys);
  },

  "hostile keys are listed as they are": async (harness) => {
    await put(harness, HOSTILE);
    assert.deepEqual(await names(harness), sorted(HOSTILE));
  },

  "a prefix is the beginning of a key, no folder": async (harness) => {
    await put(harness, ["a", "a/b", "a/b/c", "ab", "b/a", "A"]);
    const under = (prefix: string) => names(harness, { prefix: `${harness.prefix ?? ""}${prefix}` });
    assert.deepEqual(await under("a"), ["a", "a/b", "a/b/c", "ab"]);
    assert.deepEqual(await under("a/"), ["a/b", "a/b/c"]);
    assert.deepEqual(await under("a/b/c"), ["a/b/c"]);
    assert.deepEqual(await under("c"), []);
  },

  "hostile prefixes are taken literally": async (harness) => {
    await put(harness, HOSTILE);
    for (const prefix of HOSTILE) {
      const expected = HOSTILE.filter((name) => name.startsWith(prefix));
      const found = await names(harness, { prefix: address(harness, prefix).key });
      assert.deepEqual(found, sorted(expected), `below ${JSON.stringify(prefix)}`);
    }
  },

  "only keys after a given one, which need not exist": async (harness) => {
    const keys = ["a", "a b", "a+b", "a/b", "b", "\u{1f5fb}"];
    await put(harness, keys);
    for (const [index, key] of keys.entries()) {
      assert.deepEqual(await names(harness, { after: address(harness, key).key }), keys.slice(index + 1));
      assert.deepEqual(await names(harness, { after: `${address(harness, key).key}\u0001` }), keys.slice(index + 1));
    }
  },

  "a signal that aborts in the middle ends the listing with its reason": async (harness) => {
    await put(harness, ["a", "b", "c"]);
    const stop = new AbortController();
    const reason = new Error("stop");
    const { bucket, prefix = "" } = harness;
    const seen: string[] = [];
    const listing = async () => {
      for await (const { key } of harness.store.listObjects({ bucket, prefix, signal: stop.signal })) {
        seen.push(key);
        stop.abort(reason);
      }
    };
    await assert.rejects(listing(), (error) => error === reason);
    assert.deepEqual(seen, [address(harness, "a").key]);
  },
};
