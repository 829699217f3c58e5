import type { Extent } from "../records.ts";
import { type BlobWriter, type Storage, slices } from "./storage.ts";

/** Keeps everything in the process; nothing survives it. */
export class MemoryStorage implements Storage {
  readonly #blobs = new Map<string, Buffer>();
  #next = 0;

  createBlob(): BlobWriter {
    const chunks: Buffer[] = [];
    return {
      write: (chunk) => void chunks.push(chunk),
      finish: async () => {
        const id = String(this.#next++);
        // Copied, because the chunks are views of larger network buffers.
        this.#blobs.set(id, Buffer.concat(chunks));
        return id;
      },
      discard: async () => {
        chunks.length = 0;
      },
    };
  }

  read(extents: readonly Extent[], start: number, end: number): AsyncIterable<Buffer> {
    const pieces = slices(extents, start, end).map(({ blob, offset, length }) =>
      (this.#blobs.get(blob) as Buffer).subarray(offset, offset + length),
    );
    return (async function* () {
      yield* pieces;
    })();
  }

  removeBlob(id: string): void {
    this.#blobs.delete(id);
  }

  record(): void {
    // The catalog itself is the only copy.
  }

  async close(): Promise<void> {
    this.#blobs.clear();
  }
}
