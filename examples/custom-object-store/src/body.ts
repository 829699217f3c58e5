import { crc32 } from "node:zlib";
import type { Checksum } from "@bucketline/core";

export function checksumOf(crc: number): Checksum {
  return `crc32:${crc.toString(16).padStart(8, "0")}`;
}

/** Passes a body on, and knows its size and checksum once it has gone through. */
export class Measured implements AsyncIterable<Uint8Array> {
  size = 0;
  #crc = 0;
  readonly #source: AsyncIterable<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  get checksum(): Checksum {
    return checksumOf(this.#crc);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#source) {
      this.size += chunk.length;
      this.#crc = crc32(chunk, this.#crc);
      yield chunk;
    }
  }
}

/** The same chunks, until the signal aborts: a source that hangs is not waited for. @throws the signal's reason */
export async function* until(
  signal: AbortSignal | undefined,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let stop = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal?.reason);
  });
  aborted.catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await Promise.race([iterator.next(), aborted]);
      if (done) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    // Not awaited: a source that hangs does not answer this either.
    iterator.return?.().catch(() => {});
  }
}
