import type { ObjectStore, PutStreamRequest, WriteReceipt } from "@bucketline/core";
import { type BrokenObjectStore, broken, collect, refusal } from "./object-harness.ts";

type Receipt = WriteReceipt & { readonly size: number };

const streaming =
  (put: (right: ObjectStore, request: PutStreamRequest) => Promise<Receipt>): BrokenObjectStore["breaks"] =>
  (right) => ({ putStream: (request) => put(right, request) });

async function* only(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

const read = async (body: AsyncIterable<Uint8Array>) => new Uint8Array(Buffer.concat(await collect(body)));

/** Object stores that are wrong about streams. */
export const brokenStreams: Readonly<Record<string, BrokenObjectStore>> = {
  "an empty stream is refused": broken(
    streaming(async (right, request) => {
      const bytes = await read(request.body);
      if (bytes.length === 0) throw refusal("rejected");
      return right.putStream({ ...request, body: only([bytes]) });
    }),
    "stream: a stream may be empty",
  ),
  "of a stream whole parts are stored": broken(
    streaming(async (right, request) => {
      const bytes = await read(request.body);
      const whole = bytes.length - (bytes.length % request.partSize);
      return right.putStream({ ...request, body: only([bytes.subarray(0, whole)]) });
    }),
    "stream: a stream may be smaller than a part",
    "stream: a stream may have several parts",
    "settings: a stream keeps its settings, whether it has one part or several",
  ),
  "the size of a stream is in whole parts": broken(
    streaming(async (right, request) => {
      const receipt = await right.putStream(request);
      return { ...receipt, size: (Math.floor(receipt.size / request.partSize) + 1) * request.partSize };
    }),
    "stream: a stream may be exactly one part",
    "stream: a chunk may be larger than a part",
  ),
  "the beginning of a stream that fails is stored": broken(
    streaming(async (right, request) => {
      const chunks: Uint8Array[] = [];
      try {
        for await (const chunk of request.body) chunks.push(chunk);
      } catch (error) {
        await right.putStream({ ...request, body: only(chunks) });
        throw error;
      }
      return right.putStream({ ...request, body: only(chunks) });
    }),
    "stream: a stream that fails gives its own error and leaves nothing",
  ),
  "a stream that is aborted leaves its parts": broken(
    streaming(async (right, request) => {
      const { body: _, signal: __, ...target } = request;
      return right.putStream(request).catch(async (error: unknown) => {
        await right.createMultipart(target);
        throw error;
      });
    }),
    "stream: a stream that is aborted gives the signal's reason and leaves nothing",
    "stream: an abort ends the wait for a source that hangs",
    "stream: a stream that fails gives its own error and leaves nothing",
  ),
  "any part size will do": broken(
    streaming((right, request) =>
      right.putStream({ ...request, partSize: Math.max(request.partSize, right.capabilities.minPartSize) }),
    ),
    "stream: parts that are too small are refused",
  ),
};

/** Object stores without conditional writes that take a condition and do not keep it. */
export const brokenRefusals: Readonly<Record<string, BrokenObjectStore>> = {
  "a condition is ignored": broken(
    (right) => ({
      putObject: ({ condition: _, ...request }) => right.putObject(request),
      completeMultipart: ({ condition: _, ...request }) => right.completeMultipart(request),
    }),
    "put: a store without conditional writes refuses a condition",
    "conditions: a store without conditional writes refuses a condition at completion",
  ),
};
