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

/** How long sending one part may take where parts grow: that much is sent again when a request fails, or a process. Milliseconds. */
const GROWN_PART_MS = 500;
/** Beyond, fewer requests gain little, while hashing a body in one go would hold up the host's event loop. */
const LARGEST_GROWN_PART = 8 * MIB;

/**
 * How large parts are to be, in bytes: the chunk size, or more of whole MiB where a request carries more within half a
 * second, as long as the parts of one file leave half of the memory to others.
 * @param rate bytes per millisecond that a request carries; undefined: not known yet
 */
export function grownPartSize(
  chunkSize: number,
  rate: number | undefined,
  { memoryLimit, partsAtOnce }: { readonly memoryLimit: number; readonly partsAtOnce: number },
): number {
  const room = memoryLimit / 2 / partsAtOnce;
  const grown = Math.min((rate ?? 0) * GROWN_PART_MS, LARGEST_GROWN_PART, room);
  return Math.max(chunkSize, Math.floor(grown / MIB) * MIB);
}

export function partCount(size: number, partSize: number): number {
  return Math.max(1, Math.ceil(size / partSize));
}

/** Where part `partNumber` (from 1) lies in the file. Bytes. */
export function partRange(size: number, partSize: number, partNumber: number): { start: number; length: number } {
  const start = (partNumber - 1) * partSize;
  return { start, length: Math.min(partSize, size - start) };
}
