import assert from "node:assert/strict";
import type { ObjectStoreCases, ObjectStoreHarness } from "./harness.ts";
import { address, checkAbsent, checkObject, completeRequest, putRequest, textBytes, twoParts } from "./objects.ts";

async function put(harness: ObjectStoreHarness, name: string, text = name): Promise<string> {
  return (await harness.store.putObject(putRequest(harness, name, textBytes(text)))).etag;
}

export const deleteCases: ObjectStoreCases = {
  "an object that has the ETag is gone, for another handle too": async (harness) => {
    const ifMatch = await put(harness, "a");
    const target = address(harness, "a");
    assert.equal(await harness.store.deleteObject({ ...target, ifMatch }), "deleted");
    await checkAbsent(harness, target.key);
    assert.equal(await (await harness.another()).headObject(target), undefined);
    const listed: string[] = [];
    for await (const { key } of harness.store.listObjects({ ...target, prefix: harness.prefix ?? "" }))
      listed.push(key);
    assert.deepEqual(listed, []);
  },

  "an object that has another ETag stays": async (harness) => {
    const ifMatch = await put(harness, "a", "first");
    await put(harness, "a", "second");
    const target = address(harness, "a");
    assert.equal(await harness.store.deleteObject({ ...target, ifMatch }), "changed");
    await checkObject(harness, target.key, { bytes: textBytes("second"), token: "token of a" });
  },

  "where there is no object, none is deleted": async (harness) => {
    const ifMatch = await put(harness, "b");
    const target = address(harness, "a");
    assert.equal(await harness.store.deleteObject({ ...target, ifMatch }), "absent");
  },

  "a second delete finds nothing": async (harness) => {
    const ifMatch = await put(harness, "a");
    const target = address(harness, "a");
    await harness.store.deleteObject({ ...target, ifMatch });
    assert.equal(await harness.store.deleteObject({ ...target, ifMatch }), "absent");
  },

  "a key that is free again takes a new object": async (harness) => {
    const ifMatch = await put(harness, "a", "first");
    const target = address(harness, "a");
    await harness.store.deleteObject({ ...target, ifMatch });
    await put(harness, "a", "second");
    await checkObject(harness, target.key, { bytes: textBytes("second"), token: "token of a" });
    assert.equal(await harness.store.deleteObject({ ...target, ifMatch }), "changed");
  },

  "an object made of parts goes by its own ETag": async (harness) => {
    const { begun, parts, whole } = await twoParts(harness, "a");
    const { etag } = await harness.store.completeMultipart(completeRequest(begun, parts, whole));
    assert.equal(await harness.store.deleteObject({ ...address(harness, "a"), ifMatch: etag }), "deleted");
    await checkAbsent(harness, begun.key);
  },

  "only the key that was named is deleted": async (harness) => {
    const names = ["a", "a/b", "a b", "A", "a%20b", "a+b", "ä"];
    const etags = new Map<string, string>();
    for (const name of names) etags.set(name, await put(harness, name));
    for (const [index, name] of names.entries()) {
      const target = address(harness, name);
      assert.equal(await harness.store.deleteObject({ ...target, ifMatch: etags.get(name) ?? "" }), "deleted", name);
      await checkAbsent(harness, target.key);
      for (const other of names.slice(index + 1)) {
        const expected = { bytes: textBytes(other), token: `token of ${other}` };
        await checkObject(harness, address(harness, other).key, expected);
      }
    }
  },
};
