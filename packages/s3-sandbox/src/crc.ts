import { crc32 as zlibCrc32 } from "node:zlib";

/** A reflected CRC with all-ones start value and final inversion, as S3 uses them. */
export interface Crc {
  readonly bits: 32 | 64;
  readonly polynomial: bigint;
}

export const CRC32: Crc = { bits: 32, polynomial: 0xedb88320n };
export const CRC32C: Crc = { bits: 32, polynomial: 0x82f63b78n };
export const CRC64NVME: Crc = { bits: 64, polynomial: 0x9a6c9329ac4bc9b5n };

/** CRC-32 of `previous` data followed by `data`. */
export function crc32(data: Uint8Array, previous = 0): number {
  return zlibCrc32(data, previous);
}

/** Eight tables of 256 entries, so that eight bytes are folded in one step ("slicing by 8"). */
function buildTables(crc: Crc): { low: Uint32Array; high: Uint32Array } {
  const low = new Uint32Array(8 * 256);
  const high = new Uint32Array(8 * 256);
  const polynomialLow = Number(crc.polynomial & 0xffffffffn);
  const polynomialHigh = Number(crc.polynomial >> 32n);
  for (let byte = 0; byte < 256; byte++) {
    let l = byte;
    let h = 0;
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = (l >>> 1) | (h << 31);
      h = h >>> 1;
      if (odd) {
        l ^= polynomialLow;
        h ^= polynomialHigh;
      }
    }
    low[byte] = l >>> 0;
    high[byte] = h >>> 0;
  }
  for (let slice = 1; slice < 8; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = (slice - 1) * 256 + byte;
      const l = low[before] as number;
      const h = high[before] as number;
      const folded = l & 0xff;
      low[slice * 256 + byte] = (((l >>> 8) | (h << 24)) ^ (low[folded] as number)) >>> 0;
      high[slice * 256 + byte] = ((h >>> 8) ^ (high[folded] as number)) >>> 0;
    }
  }
  return { low, high };
}

let tables32c: Uint32Array | undefined;

/** CRC-32C (Castagnoli) of `previous` data followed by `data`. */
export function crc32c(data: Uint8Array, previous = 0): number {
  tables32c ??= buildTables(CRC32C).low;
  const t = tables32c as unknown as number[];
  let crc = ~previous;
  let at = 0;
  for (const end = data.length - 7; at < end; at += 8) {
    crc ^= get32(data, at);
    crc =
      t[1792 + (crc & 0xff)]! ^
      t[1536 + ((crc >>> 8) & 0xff)]! ^
      t[1280 + ((crc >>> 16) & 0xff)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + data[at + 4]!]! ^
      t[512 + data[at + 5]!]! ^
      t[256 + data[at + 6]!]! ^
      t[data[at + 7]!]!;
  }
  for (; at < data.length; at++) crc = (crc >>> 8) ^ t[(crc ^ data[at]!) & 0xff]!;
  return ~crc >>> 0;
}

function get32(data: Uint8Array, at: number): number {
  return data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
}

let tables64: { low: Uint32Array; high: Uint32Array } | undefined;

/** CRC-64/NVME state: the two halves of the 64-bit value. */
export interface Crc64 {
  high: number;
  low: number;
}

/** CRC-64/NVME of `previous` data followed by `data`. */
export function crc64nvme(data: Uint8Array, previous: Crc64 = { high: 0, low: 0 }): Crc64 {
  tables64 ??= buildTables(CRC64NVME);
  const tl = tables64.low as unknown as number[];
  const th = tables64.high as unknown as number[];
  let low = ~previous.low;
  let high = ~previous.high;
  let at = 0;
  for (const end = data.length - 7; at < end; at += 8) {
    const l = low ^ get32(data, at);
    const h = high ^ get32(data, at + 4);
    const a = 1792 + (l & 0xff);
    const b = 1536 + ((l >>> 8) & 0xff);
    const c = 1280 + ((l >>> 16) & 0xff);
    const d = 1024 + (l >>> 24);
    const e = 768 + (h & 0xff);
    const f = 512 + ((h >>> 8) & 0xff);
    const g = 256 + ((h >>> 16) & 0xff);
    const i = h >>> 24;
    low = tl[a]! ^ tl[b]! ^ tl[c]! ^ tl[d]! ^ tl[e]! ^ tl[f]! ^ tl[g]! ^ tl[i]!;
    high = th[a]! ^ th[b]! ^ th[c]! ^ th[d]! ^ th[e]! ^ th[f]! ^ th[g]! ^ th[i]!;
  }
  for (; at < data.length; at++) {
    const index = (low ^ data[at]!) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ tl[index]!;
    high = (high >>> 8) ^ th[index]!;
  }
  return { high: ~high >>> 0, low: ~low >>> 0 };
}

/** Product of two polynomials modulo the CRC's; bit `bits - 1` is the coefficient of x⁰. */
function multiply(crc: Crc, a: bigint, b: bigint): bigint {
  let product = 0n;
  let factor = b;
  for (let mask = 1n << BigInt(crc.bits - 1); mask > 0n; mask >>= 1n) {
    if (a & mask) product ^= factor;
    factor = factor & 1n ? (factor >> 1n) ^ crc.polynomial : factor >> 1n;
  }
  return product;
}

/** x^(8·bytes) modulo the CRC's polynomial: what appending that many zero bytes multiplies a CRC by. */
function shiftFactor(crc: Crc, bytes: number): bigint {
  let result = 1n << BigInt(crc.bits - 1);
  let square = result >> 1n;
  for (let exponent = BigInt(bytes) * 8n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = multiply(crc, result, square);
    square = multiply(crc, square, square);
  }
  return result;
}

/** The CRC of a concatenation, from the CRCs and lengths of its pieces in order. */
export function combineCrcs(crc: Crc, pieces: Iterable<{ value: bigint; length: number }>): bigint {
  const factors = new Map<number, bigint>();
  let combined = 0n;
  for (const { value, length } of pieces) {
    let factor = factors.get(length);
    if (factor === undefined) {
      factor = shiftFactor(crc, length);
      factors.set(length, factor);
    }
    combined = multiply(crc, factor, combined) ^ value;
  }
  return combined;
}
