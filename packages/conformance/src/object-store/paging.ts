import assert from "node:assert/strict";
import type { ObjectStoreCases } from "./harness.ts";
import { list, sorted } from "./listing.ts";
import {
  address,
  begin,
  checksumOf,
  manyAtOnce,
  openMultiparts,
  putRequest,
  sendPart,
  someBytes,
  textBytes,
} from "./objects.ts";

/** More than S3 puts into one answer. */
const MANY = 1_030;

export const pagingCases: ObjectStoreCases = {
  "more objects than one answer holds are listed completely, each once": async (harness) => {
    const names = Array.from({ length: MANY }, (_, index) => `many/${index} + ü`);
    await manyAtOnce(names, (name) => harness.store.putObject(putRequest(harness, name, textBytes(name))));
    assert.deepEqual(
      (await list(harness)).map(({ key }) => key),
      sorted(names.map((name) => address(harness, name).key)),
    );
  },

  "more parts than one answer holds are listed completely, each once": async (harness) => {
    const { store } = harness;
    const begun = await begin(harness, "a");
    const numbers = Array.from({ length: Math.min(MANY, store.capabilities.maxParts) }, (_, index) => index + 1);
    const body = (partNumber: number) => someBytes(1 + (partNumber % 7), partNumber);
    await manyAtOnce(numbers.toReversed(), (number) => sendPart(store, begun, number, body(number)));
    const listed = await store.listParts(begun);
    assert.deepEqual(
      listed.map(({ partNumber, size }) => ({ partNumber, size })),
      numbers.map((partNumber) => ({ partNumber, size: body(partNumber).length })),
    );
    if (!store.capabilities.checksums) return;
    assert.deepEqual(
      listed.map(({ checksum }) => checksum),
      numbers.map((number) => checksumOf(body(number))),
    );
  },

  "more multipart uploads than one answer holds are listed completely, each once": async (harness) => {
    const { store, bucket, prefix = "" } = harness;
    // Four of each key, so that a page also ends between uploads of one key.
    const names = Array.from({ length: MANY }, (_, index) => `${Math.floor(index / 4)} + ü`);
    const begun = new Map<string, string>();
    await manyAtOnce(names, async (name) => {
      const { key, multipartId } = await begin(harness, name);
      begun.set(multipartId, key);
    });
    const listed = await openMultiparts(store, bucket, prefix);
    assert.deepEqual(
      listed.map(({ key }) => key),
      sorted([...begun.values()]),
    );
    assert.deepEqual(new Map(listed.map(({ multipartId, key }) => [multipartId, key])), begun);
  },
};
