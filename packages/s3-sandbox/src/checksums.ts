import { createHash } from "node:crypto";
import { CRC32, CRC32C, CRC64NVME, type Crc, combineCrcs, crc32, crc32c, crc64nvme } from "./crc.ts";
import { S3Error } from "./errors.ts";

export const CHECKSUM_ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;
/** The checksum algorithms of S3. */
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];
/** Whether a checksum covers the whole object, or is made of its parts' checksums. */
export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

/** A stored checksum; `value` is base64, with a `-N` suffix when composite. */
export interface Checksum {
  algorithm: ChecksumAlgorithm;
  type: ChecksumType;
  value: string;
}

const DIGEST_BYTES: Record<ChecksumAlgorithm, number> = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 };
const CRCS: Partial<Record<ChecksumAlgorithm, Crc>> = { CRC32, CRC32C, CRC64NVME };
const PREFIX = "x-amz-checksum-";
/** Headers that share the prefix but do not carry a digest. */
const NOT_DIGESTS = new Set(["x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-checksum-type"]);

export interface Digest {
  update(chunk: Uint8Array): void;
  digest(): Buffer;
}

export function createDigest(algorithm: ChecksumAlgorithm): Digest {
  if (algorithm === "SHA1" || algorithm === "SHA256") {
    const hash = createHash(algorithm);
    return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest() };
  }
  if (algorithm === "CRC64NVME") {
    let state = { high: 0, low: 0 };
    return {
      update: (chunk) => {
        state = crc64nvme(chunk, state);
      },
      digest: () => {
        const out = Buffer.alloc(8);
        out.writeUInt32BE(state.high, 0);
        out.writeUInt32BE(state.low, 4);
        return out;
      },
    };
  }
  const step = algorithm === "CRC32" ? crc32 : crc32c;
  let value = 0;
  return {
    update: (chunk) => {
      value = step(chunk, value);
    },
    digest: () => {
      const out = Buffer.alloc(4);
      out.writeUInt32BE(value, 0);
      return out;
    },
  };
}

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return PREFIX + algorithm.toLowerCase();
}

/** The element name in S3 documents, such as `ChecksumCRC32`. */
export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm}`;
}

/**
 * The algorithm named by a header or request value, in any case. Throws 400 for unknown, 501 for known but absent here.
 */
export function parseAlgorithm(name: string): ChecksumAlgorithm {
  const upper = name.toUpperCase();
  const found = CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === upper);
  if (found) return found;
  if (/^(MD5|SHA512|XXHASH(3|64|128))$/.test(upper)) {
    throw new S3Error("NotImplemented", { message: `The sandbox does not compute ${upper} checksums.` });
  }
  throw new S3Error("InvalidRequest", {
    message:
      "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
  });
}

/** Whether `value` is canonical base64 of a digest of this algorithm. */
export function isDigest(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, "base64");
  return bytes.length === DIGEST_BYTES[algorithm] && bytes.toString("base64") === value;
}

/**
 * The one checksum a request declares in its headers, or undefined.
 * @throws S3Error InvalidRequest when the value is malformed or there is more than one.
 */
export function declaredChecksum(
  headers: ReadonlyMap<string, string>,
): { algorithm: ChecksumAlgorithm; value: string } | undefined {
  let found: { algorithm: ChecksumAlgorithm; value: string } | undefined;
  for (const [name, value] of headers) {
    if (!name.startsWith(PREFIX) || NOT_DIGESTS.has(name)) continue;
    if (found) {
      throw new S3Error("InvalidRequest", {
        message: "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
      });
    }
    found = { algorithm: parseAlgorithm(name.slice(PREFIX.length)), value };
  }
  return found;
}

export function defaultChecksumType(algorithm: ChecksumAlgorithm): ChecksumType {
  return algorithm === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE";
}

/** Which types S3 allows: SHA only composite, CRC64NVME only full object. Throws InvalidRequest otherwise. */
export function parseChecksumType(algorithm: ChecksumAlgorithm, name: string): ChecksumType {
  const type = name.toUpperCase();
  const allowed = type === "FULL_OBJECT" ? algorithm in CRCS : type === "COMPOSITE" && algorithm !== "CRC64NVME";
  if (!allowed) {
    throw new S3Error("InvalidRequest", {
      message: `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    });
  }
  return type as ChecksumType;
}

/** Checksum of checksums over the parts, in order, with the part count appended. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, parts: readonly string[]): string {
  const digest = createDigest(algorithm);
  for (const part of parts) digest.update(Buffer.from(part, "base64"));
  return `${digest.digest().toString("base64")}-${parts.length}`;
}

/** Checksum of the concatenated parts, combined from theirs without reading data. Only for CRCs. */
export function combinedChecksum(
  algorithm: ChecksumAlgorithm,
  parts: readonly { value: string; length: number }[],
): string {
  const crc = CRCS[algorithm];
  if (!crc) throw new S3Error("InvalidRequest", { message: `${algorithm} checksums cannot be combined.` });
  const pieces = parts.map((part) => ({
    value: BigInt(`0x${Buffer.from(part.value, "base64").toString("hex")}`),
    length: part.length,
  }));
  const hex = combineCrcs(crc, pieces)
    .toString(16)
    .padStart(crc.bits / 4, "0");
  return Buffer.from(hex, "hex").toString("base64");
}
