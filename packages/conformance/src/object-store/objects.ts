import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type {
  Checksum,
  CompleteMultipartRequest,
  ObjectErrorKind,
  ObjectStore,
  PutObjectRequest,
  WriteReceipt,
} from "@bucketline/core";
import type { ObjectStoreHarness } from "./harness.ts";

/** Computed here and not by core, so that the suite does not agree with core's mistakes. */
export function checksumOf(bytes: Uint8Array): Checksum {
  return `crc32:${crc32(bytes).toString(16).padStart(8, "0")}`;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes that differ from place to place and from seed to seed. */
export function someBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2_654_435_761;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function address({ bucket, prefix = "" }: ObjectStoreHarness, name: string) {
  return { bucket, key: `${prefix}${name}` };
}

export function putRequest(
  harness: ObjectStoreHarness,
  name: string,
  body: Uint8Array,
  more: Partial<PutObjectRequest> = {},
): PutObjectRequest {
  return {
    ...address(harness, name),
    body,
    checksum: checksumOf(body),
    settings: {},
    token: `token of ${name}`,
    ...more,
  };
}

/** A multipart upload that has begun. */
export interface Begun {
  readonly bucket: string;
  readonly key: string;
  readonly multipartId: string;
}

export async function begin(harness: ObjectStoreHarness, name: string, token = `token of ${name}`): Promise<Begun> {
  const target = address(harness, name);
  return { ...target, ...(await harness.store.createMultipart({ ...target, settings: {}, token })) };
}

export type NamedPart = CompleteMultipartRequest["parts"][number];

export async function sendPart(
  store: ObjectStore,
  begun: Begun,
  partNumber: number,
  body: Uint8Array,
): Promise<NamedPart> {
  const checksum = checksumOf(body);
  const receipt = await store.uploadPart({ ...begun, partNumber, body, checksum });
  checkReceipt(store, receipt, checksum);
  return { partNumber, etag: receipt.etag, checksum };
}

export function completeRequest(
  begun: Begun,
  parts: readonly NamedPart[],
  whole: Uint8Array,
): CompleteMultipartRequest {
  return { ...begun, parts, size: whole.length, checksum: checksumOf(whole) };
}

export function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** A multipart upload of two parts, both sent, that waits to be completed. */
export async function twoParts(harness: ObjectStoreHarness, name: string) {
  const begun = await begin(harness, name);
  const first = someBytes(harness.store.capabilities.minPartSize, 1);
  const second = someBytes(1234, 2);
  const parts = [await sendPart(harness.store, begun, 1, first), await sendPart(harness.store, begun, 2, second)];
  return { begun, parts, first, second, whole: joined(first, second) };
}

/** A receipt names the ETag without quotes; a checksum, when there is one, is ours. */
export function checkReceipt(store: ObjectStore, receipt: WriteReceipt, checksum: Checksum): void {
  assert.match(receipt.etag, /^[^"]+$/, "an ETag comes without quotes");
  if (receipt.checksum !== undefined) assert.equal(receipt.checksum, checksum, "the store echoes another checksum");
  if (!store.capabilities.checksums) assert.equal(receipt.checksum, undefined);
}

/** The object is there, whole, and from the write with this token. */
export async function checkObject(
  harness: ObjectStoreHarness,
  key: string,
  expected: { readonly bytes: Uint8Array; readonly token: string; readonly etag?: string },
): Promise<void> {
  const facts = await harness.store.headObject({ bucket: harness.bucket, key });
  assert.ok(facts, `there is no object ${JSON.stringify(key)}`);
  assert.equal(facts.size, expected.bytes.length);
  assert.equal(facts.token, expected.token);
  if (expected.etag !== undefined) assert.equal(facts.etag, expected.etag);
  if (harness.store.capabilities.checksums) assert.equal(facts.checksum, checksumOf(expected.bytes));
  const stored = await harness.read?.(key);
  if (stored) assert.ok(Buffer.compare(stored.bytes, expected.bytes) === 0, "the store holds other bytes");
}

export async function checkAbsent({ store, bucket }: ObjectStoreHarness, key: string): Promise<void> {
  assert.equal(await store.headObject({ bucket, key }), undefined, `there is an object ${JSON.stringify(key)}`);
}

/** The promise rejects with an ObjectStoreError of one of these kinds. */
export async function refused(promise: Promise<unknown>, ...kinds: readonly ObjectErrorKind[]): Promise<void> {
  const error: unknown = await promise.then(
    () => assert.fail(`was not refused; expected ${kinds.join(" or ")}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error && "kind" in error && "code" in error, `not an ObjectStoreError: ${String(error)}`);
  assert.ok(
    kinds.includes(error.kind as ObjectErrorKind),
    `is ${String(error.kind)}, not ${kinds.join(" or ")}: ${error.message}`,
  );
  assert.equal("ambiguous" in error && error.ambiguous, false, "a refusal is not ambiguous");
}

export async function openMultiparts(store: ObjectStore, bucket: string, prefix: string): Promise<Begun[]> {
  const found: Begun[] = [];
  for await (const { key, multipartId } of store.listMultiparts({ bucket, prefix }))
    found.push({ bucket, key, multipartId });
  return found;
}

const AT_ONCE = 32;

/** Does it for every item, several at a time. */
export async function manyAtOnce<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = [...items].reverse();
  const lane = async () => {
    for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
