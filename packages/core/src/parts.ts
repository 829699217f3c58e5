import { InputError } from "./errors.ts";
import type { ObjectStoreCapabilities } from "./ports/object-store.ts";

export const DEFAULT_CHUNK_SIZE = 5 * 1024 * 1024;
const MIB = 1024 * 1024;

type PartLimits = Pick<ObjectStoreCapabilities, "minPartSize" | "maxPartSize" | "maxParts" | "maxPutSize">;

/**
 * How a file of `size` bytes is sent, as a part size in bytes; null: in one put.
 *
 * | size                          | part size                                                      |
 * |-------------------------------|----------------------------------------------------------------|
 * | ≤ chunk size (and one put)    | null                                                           |
 * | ≤ chunk size × max parts      | chunk size, at least the store's minimum                       |
 * | larger                        | size / max parts, rounded up to whole MiB                      |
 *
 * @throws InputError `FILE_TOO_LARGE` when no part size makes the file fit the store's limits
 */
export function planPartSize(size: number, chunkSize: number, limits: PartLimits): number | null {
  if (size <= chunkSize && size <= limits.maxPutSize) return null;
  const wanted = Math.max(chunkSize, limits.minPartSize);
  const needed = Math.ceil(size / limits.maxParts);
  const partSize = needed <= wanted ? wanted : Math.ceil(needed / MIB) * MIB;
  const fitting = Math.min(partSize, limits.maxPartSize);
  if (fitting * limits.maxParts < size) {
    throw new InputError("FILE_TOO_LARGE", `A file of ${size} bytes does not fit one object of this store.`);
  }
  return fitting;
}

export function partCount(size: number, partSize: number): number {
  return Math.max(1, Math.ceil(size / partSize));
}

/** Where part `partNumber` (from 1) lies in the file. Bytes. */
export function partRange(size: number, partSize: number, partNumber: number): { start: number; length: number } {
  const start = (partNumber - 1) * partSize;
  return { start, length: Math.min(partSize, size - start) };
}
