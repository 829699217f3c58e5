import { crc32 } from "node:zlib";

/** A checksum as `algorithm:lower-case hex`. CRC32 is the only algorithm in use; the form leaves room for others. */
export type Checksum = `crc32:${string}`;

/** CRC32 (ISO-HDLC, as zlib and S3 use it) of `bytes`, continuing from `previous`. */
export function crc32Of(bytes: Uint8Array, previous = 0): number {
  return crc32(bytes, previous);
}

export function formatCrc32(value: number): Checksum {
  return `crc32:${value.toString(16).padStart(8, "0")}`;
}

export function parseCrc32(checksum: Checksum): number {
  return Number.parseInt(checksum.slice("crc32:".length), 16);
}

/** The form S3 headers carry: base64 of the four bytes, most significant first. */
export function crc32ToBase64(checksum: Checksum): string {
  return Buffer.from(checksum.slice("crc32:".length), "hex").toString("base64");
}

/** @returns undefined when `text` is not the base64 of four bytes (a composite checksum ends in `-N`) */
export function crc32FromBase64(text: string): Checksum | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.length === 4 && bytes.toString("base64") === text ? `crc32:${bytes.toString("hex")}` : undefined;
}

const POLYNOMIAL = 0xedb88320;

/**
 * CRC32 of A followed by B, from the CRC32 of each and the length of B in bytes.
 * Appending zero bytes is multiplication by x^8 per byte modulo the polynomial; powers come by squaring
 * (Mark Adler, "How does crc32_combine work?", 2012).
 */
export function combineCrc32(a: number, b: number, lengthOfB: number): number {
  let power = multiply(0x80000000 >>> 8, 0x80000000);
  let shifted = a;
  for (let rest = lengthOfB; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shifted = multiply(power, shifted);
    power = multiply(power, power);
  }
  return (shifted ^ b) >>> 0;
}

/** Product of two polynomials over GF(2), bit-reversed as CRC32 keeps them, modulo the CRC32 polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product >>> 0;
}
