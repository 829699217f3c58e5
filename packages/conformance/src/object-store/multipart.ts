import assert from "node:assert/strict";
import type { ObjectStoreCases } from "./harness.ts";
import {
  begin,
  checkAbsent,
  checkObject,
  checkReceipt,
  checksumOf,
  completeRequest,
  joined,
  openMultiparts,
  refused,
  sendPart,
  sha256Of,
  someBytes,
  textBytes,
  twoParts,
} from "./objects.ts";

export const multipartCases: ObjectStoreCases = {
  "parts sent in any order make one object, which is there only then": async (harness) => {
    const { store } = harness;
    const begun = await begin(harness, "a");
    const bodies = [1, 2, 3].map((seed) => someBytes(seed === 3 ? 77 : store.capabilities.minPartSize, seed));
    const last = await sendPart(store, begun, 9, bodies[2]!);
    const first = await sendPart(store, begun, 2, bodies[0]!);
    const middle = await sendPart(store, begun, 5, bodies[1]!);
    await checkAbsent(harness, begun.key);
    const receipt = await store.completeMultipart(completeRequest(begun, [first, middle, last], joined(...bodies)));
    assert.match(receipt.etag, /^[^"]+$/);
    await checkObject(harness, begun.key, { bytes: joined(...bodies), token: "token of a", etag: receipt.etag });
  },

  "parts may be sent at the same time": async (harness) => {
    const { store } = harness;
    const begun = await begin(harness, "a");
    const bodies = [1, 2, 3].map((seed) => someBytes(store.capabilities.minPartSize, seed));
    const parts = await Promise.all(bodies.map((body, index) => sendPart(store, begun, index + 1, body)));
    await store.completeMultipart(completeRequest(begun, parts, joined(...bodies)));
    await checkObject(harness, begun.key, { bytes: joined(...bodies), token: "token of a" });
  },

  "a single part may be small": async (harness) => {
    const begun = await begin(harness, "a");
    const part = await sendPart(harness.store, begun, 1, textBytes("small"));
    await harness.store.completeMultipart(completeRequest(begun, [part], textBytes("small")));
    await checkObject(harness, begun.key, { bytes: textBytes("small"), token: "token of a" });
  },

  "the same part number again replaces the part": async (harness) => {
    const { begun, parts, second } = await twoParts(harness, "a");
    const other = someBytes(harness.store.capabilities.minPartSize, 7);
    const replaced = await sendPart(harness.store, begun, 1, other);
    const stale = completeRequest(begun, parts, joined(other, second));
    await refused(harness.store.completeMultipart(stale), "integrity", "rejected");
    await harness.store.completeMultipart(completeRequest(begun, [replaced, parts[1]!], joined(other, second)));
    await checkObject(harness, begun.key, { bytes: joined(other, second), token: "token of a" });
  },

  "parts are listed in order of their numbers, with what is known of them": async (harness) => {
    const { store } = harness;
    const begun = await begin(harness, "a");
    assert.deepEqual(await store.listParts(begun), []);
    const sent = new Map<number, Uint8Array>();
    for (const partNumber of [11, 2, 10_000, 1].map((number) => Math.min(number, store.capabilities.maxParts))) {
      sent.set(partNumber, someBytes(partNumber, partNumber));
      await sendPart(store, begun, partNumber, sent.get(partNumber)!);
    }
    const listed = await store.listParts(begun);
    assert.deepEqual(
      listed.map((part) => part.partNumber),
      [...sent.keys()].sort((a, b) => a - b),
    );
    for (const part of listed) {
      const body = sent.get(part.partNumber)!;
      assert.equal(part.size, body.length);
      assert.match(part.etag, /^[^"]+$/);
      if (store.capabilities.checksums) assert.equal(part.checksum, checksumOf(body));
    }
  },

  "a part's body may be a window of a larger buffer, and be used again": async (harness) => {
    const { store } = harness;
    const begun = await begin(harness, "a");
    const size = store.capabilities.minPartSize;
    const buffer = someBytes(size + 64);
    const first = Uint8Array.from(buffer.subarray(32, 32 + size));
    const parts = [await sendPart(store, begun, 1, buffer.subarray(32, 32 + size))];
    buffer.fill(7);
    parts.push(await sendPart(store, begun, 2, buffer.subarray(1, 9)));
    buffer.fill(0);
    const whole = joined(first, new Uint8Array(8).fill(7));
    await store.completeMultipart(completeRequest(begun, parts, whole));
    await checkObject(harness, begun.key, { bytes: whole, token: "token of a" });
  },

  "a part that does not have its checksum is refused and not stored": async (harness) => {
    if (!harness.store.capabilities.checksums) return;
    const begun = await begin(harness, "a");
    const request = { ...begun, partNumber: 1, body: textBytes("body"), checksum: checksumOf(textBytes("other")) };
    await refused(harness.store.uploadPart(request), "integrity");
    assert.deepEqual(await harness.store.listParts(begun), []);
  },

  "a part's SHA-256 that comes along is believed by no store that uses it": async (harness) => {
    const { store } = harness;
    const begun = await begin(harness, "a");
    const body = textBytes("body");
    const part = { ...begun, partNumber: 1, body, checksum: checksumOf(body) };
    checkReceipt(store, await store.uploadPart({ ...part, sha256: sha256Of(body) }), part.checksum);
    if (store.usesSha256?.(harness.bucket))
      await assert.rejects(store.uploadPart({ ...part, partNumber: 2, sha256: sha256Of(textBytes("other")) }));
    assert.deepEqual(
      (await store.listParts(begun)).map(({ partNumber }) => partNumber),
      [1],
    );
  },

  "part numbers out of range are refused": async (harness) => {
    const begun = await begin(harness, "a");
    const body = textBytes("body");
    for (const partNumber of [0, harness.store.capabilities.maxParts + 1]) {
      await refused(harness.store.uploadPart({ ...begun, partNumber, body, checksum: checksumOf(body) }), "rejected");
    }
  },

  "a wrong size, checksum, order or part is not completed, and the right one still is": async (harness) => {
    const { store } = harness;
    const { begun, parts, whole } = await twoParts(harness, "a");
    const right = completeRequest(begun, parts, whole);
    await refused(store.completeMultipart({ ...right, size: whole.length + 1 }), "integrity", "rejected");
    if (store.capabilities.checksums) {
      const checksum = checksumOf(textBytes("other"));
      await refused(store.completeMultipart({ ...right, checksum }), "integrity", "rejected");
    }
    await refused(store.completeMultipart({ ...right, parts: parts.toReversed() }), "rejected", "integrity");
    await refused(store.completeMultipart({ ...right, parts: [] }), "rejected");
    const unknown = { ...parts[1]!, partNumber: 3 };
    await refused(store.completeMultipart({ ...right, parts: [parts[0]!, unknown] }), "integrity", "rejected");
    await checkAbsent(harness, begun.key);
    await store.completeMultipart(right);
    await checkObject(harness, begun.key, { bytes: whole, token: "token of a" });
  },

  "only the last part may be smaller than the smallest part": async (harness) => {
    const { store } = harness;
    if (store.capabilities.minPartSize <= 1) return;
    const begun = await begin(harness, "a");
    const body = someBytes(store.capabilities.minPartSize - 1);
    const parts = [await sendPart(store, begun, 1, body), await sendPart(store, begun, 2, textBytes("end"))];
    await refused(store.completeMultipart(completeRequest(begun, parts, joined(body, textBytes("end")))), "rejected");
    await checkAbsent(harness, begun.key);
  },

  "an aborted multipart upload is gone for good": async (harness) => {
    const { store, bucket } = harness;
    const { begun, parts, whole, first } = await twoParts(harness, "a");
    await store.abortMultipart(begun);
    await refused(store.listParts(begun), "notFound");
    await refused(sendPart(store, begun, 1, first), "notFound");
    await refused(store.completeMultipart(completeRequest(begun, parts, whole)), "notFound");
    assert.deepEqual(await openMultiparts(store, bucket, begun.key), []);
    await checkAbsent(harness, begun.key);
    await store.abortMultipart(begun);
  },

  "aborting what never was resolves": async (harness) => {
    const begun = await begin(harness, "a");
    await harness.store.abortMultipart({ ...begun, multipartId: `${begun.multipartId}x` });
    assert.deepEqual(await openMultiparts(harness.store, harness.bucket, begun.key), [begun]);
  },

  "a completed multipart upload is not known any more": async (harness) => {
    const { store, bucket } = harness;
    const { begun, parts, whole } = await twoParts(harness, "a");
    await store.completeMultipart(completeRequest(begun, parts, whole));
    await refused(store.listParts(begun), "notFound");
    assert.deepEqual(await openMultiparts(store, bucket, begun.key), []);
    await store.abortMultipart(begun);
    await checkObject(harness, begun.key, { bytes: whole, token: "token of a" });
  },

  "unfinished multipart uploads are listed by prefix, in key order": async (harness) => {
    const prefix = harness.prefix ?? "";
    const begun = [];
    for (const name of ["p/b", "p/a", "p/\u{1f5fb}", "p/\u{ffff}", "q/a", "p"]) begun.push(await begin(harness, name));
    const listed = await openMultiparts(harness.store, harness.bucket, `${prefix}p/`);
    assert.deepEqual(
      listed.map(({ key }) => key.slice(prefix.length)),
      ["p/a", "p/b", "p/\u{ffff}", "p/\u{1f5fb}"],
    );
    for (const upload of listed) assert.ok(begun.some(({ multipartId }) => multipartId === upload.multipartId));
    assert.deepEqual(await openMultiparts(harness.store, harness.bucket, `${prefix}none`), []);
  },

  "one key may have several multipart uploads": async (harness) => {
    const { store, bucket } = harness;
    const one = await begin(harness, "a", "1");
    const two = await begin(harness, "a", "2");
    assert.notEqual(one.multipartId, two.multipartId);
    await sendPart(store, one, 1, textBytes("one"));
    const part = await sendPart(store, two, 1, textBytes("two"));
    assert.equal((await openMultiparts(store, bucket, one.key)).length, 2);
    await store.completeMultipart(completeRequest(two, [part], textBytes("two")));
    assert.equal((await store.listParts(one)).length, 1);
    await checkObject(harness, one.key, { bytes: textBytes("two"), token: "2" });
  },

  "another handle goes on where the first one stopped": async (harness) => {
    const { begun, parts, whole, second } = await twoParts(harness, "a");
    const other = await harness.another();
    const listed = await other.listParts(begun);
    assert.deepEqual(
      listed.map(({ partNumber, etag }) => ({ partNumber, etag })),
      parts.map(({ partNumber, etag }) => ({ partNumber, etag })),
    );
    const again = await sendPart(other, begun, 2, second);
    await other.completeMultipart(completeRequest(begun, [parts[0]!, again], whole));
    await checkObject(harness, begun.key, { bytes: whole, token: "token of a" });
    await refused(harness.store.listParts(begun), "notFound");
  },
};
