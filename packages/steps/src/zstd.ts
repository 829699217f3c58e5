import { constants, createZstdCompress } from "node:zlib";
import { defineStep, type TransformStep } from "@bucketline/core";
import { hasSuffix, type SuffixOptions, unlessDefault, versionOf, wholeNumber } from "./options.ts";

const LEVEL = 3;

/** How `zstd` compresses. */
export interface ZstdOptions extends SuffixOptions {
  /** 1 (fastest) to 19 (smallest). Default: 3. Above 19 a single file would need hundreds of MiB of memory. */
  readonly level?: number;
}

/**
 * Compresses with Zstandard (RFC 8878), with a checksum of the content in each frame.
 *
 * Without `keySuffix` key and Content-Type are kept and `Content-Encoding: zstd` is set. With a `keySuffix` such as `.zst` the
 * object is a Zstandard file: Content-Type is `application/zstd` and there is no Content-Encoding.
 *
 * The same bytes compressed by the same Node.js are the same object.
 * @throws InputError `INVALID_PIPELINE`
 */
export function zstd(options: ZstdOptions = {}): TransformStep {
  const { name = "zstd", keySuffix } = options;
  const level = wholeNumber(name, "level", options.level ?? LEVEL, 1, 19);
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  const asFile = { contentType: "application/zstd", contentEncoding: null };
  const changes = hasSuffix(keySuffix) ? asFile : { contentEncoding: "zstd" };
  return defineStep({
    name,
    ...versionOf({ level: unlessDefault(level, LEVEL), keySuffix: unlessDefault(keySuffix, "") }),
    ...(keySuffix === undefined ? {} : { keySuffix }),
    transform: () => ({ stream: createZstdCompress({ params }), changes: () => changes }),
  });
}
