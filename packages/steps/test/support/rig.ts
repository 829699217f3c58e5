import { Duplex, pipeline, Readable } from "node:stream";
import { TransformStream } from "node:stream/web";
import {
  type ByteTransform,
  type CheckedFile,
  HEAD_LIMIT,
  type ObjectChanges,
  type StepFile,
  type TransformStep,
} from "@bucketline/core";

export interface RigFile {
  readonly path?: string;
  readonly size?: number;
  readonly signal?: AbortSignal;
}

export function stepFile({ path = "in/file.bin", size = 0, signal }: RigFile = {}): StepFile {
  return { uploadId: "u1", path, size, mtimeNs: 1n, signal: signal ?? new AbortController().signal };
}

/** A file as checks see it. Every chunk is overwritten once the next one is asked for, as the contract allows. */
export function checkedFile(content: Uint8Array, options: RigFile = {}, chunkBytes = 16 * 1024): CheckedFile {
  return {
    ...stepFile({ size: content.length, ...options }),
    head: async (bytes) => content.subarray(0, Math.min(bytes, HEAD_LIMIT)),
    stream: async function* reused() {
      for (let at = 0; at < content.length; at += chunkBytes) {
        const chunk = Buffer.from(content.subarray(at, at + chunkBytes));
        yield chunk;
        chunk.fill(0xff);
      }
    },
  };
}

export interface Outcome {
  readonly bytes: Buffer;
  readonly changes: readonly ObjectChanges[];
  readonly messages: readonly (string | undefined)[];
}

/** Runs a file through transforms, and asks for what each has to say when the contract lets it. */
export async function run(
  steps: readonly TransformStep[],
  input: AsyncIterable<Uint8Array>,
  file = stepFile(),
): Promise<Outcome> {
  const transformations = await Promise.all(steps.map((step) => step.transform(file)));
  const early = transformations.map((one, index) => (steps[index]?.late ? undefined : one.changes?.()));
  let bytes = input;
  for (const { stream } of transformations) bytes = through(stream, bytes);
  const collected = await collect(bytes);
  return {
    bytes: collected,
    changes: transformations.map((one, index) => early[index] ?? one.changes?.() ?? {}),
    messages: transformations.map((one) => one.message?.()),
  };
}

function through(stream: ByteTransform, input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (typeof stream === "function") return stream(input);
  if (stream instanceof Duplex) {
    pipeline(Readable.from(input), stream, () => undefined);
    return stream;
  }
  if (stream instanceof TransformStream) return Readable.toWeb(Readable.from(input)).pipeThrough(stream);
  throw new TypeError("No transform.");
}

export async function collect(input: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

/** The bytes in the given sizes, and the rest. */
export async function* inChunks(bytes: Uint8Array, sizes: Iterable<number>): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) return;
    yield bytes.subarray(at, at + size);
    at += size;
  }
  if (at < bytes.length) yield bytes.subarray(at);
}
