import type { Change, Extent } from "../records.ts";

/** A blob under construction. End it with `finish`, or with `discard`, also after `finish` has failed. */
export interface BlobWriter {
  /** Takes the next bytes; the chunk must not be changed afterwards. Returns a promise when the caller should wait. */
  write(chunk: Buffer): void | Promise<void>;
  /** Makes the blob readable and returns its id. It survives a restart once a change that refers to it is recorded. */
  finish(): Promise<string>;
  /** Throws the bytes away. Never fails. */
  discard(): Promise<void>;
}

/**
 * Where bytes and changes are kept.
 * `record` is atomic: after a kill at any instant a change is there as a whole or not at all, in the order recorded.
 */
export interface Storage {
  createBlob(): BlobWriter;
  /**
   * The bytes `start` (inclusive) to `end` (exclusive) of the concatenated extents. Their blobs must stay until it
   * ends.
   */
  read(extents: readonly Extent[], start: number, end: number): AsyncIterable<Buffer>;
  /** Frees a blob that nothing refers to. */
  removeBlob(id: string): void;
  /** Keeps a change. When it returns, the change survives the death of the process. */
  record(change: Change): void;
  close(): Promise<void>;
}

/** The pieces of blobs that make up a byte range of the concatenated extents. */
export function slices(extents: readonly Extent[], start: number, end: number): Extent[] {
  const result: Extent[] = [];
  let position = 0;
  for (const { blob, offset, length } of extents) {
    const from = Math.max(start, position);
    const to = Math.min(end, position + length);
    if (from < to) result.push({ blob, offset: offset + from - position, length: to - from });
    position += length;
  }
  return result;
}
