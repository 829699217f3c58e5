import { createGzip } from "node:zlib";
import { defineStep, type TransformStep } from "@bucketline/core";
import { hasSuffix, type SuffixOptions, unlessDefault, versionOf, wholeNumber } from "./options.ts";

const LEVEL = 6;

/** How `gzip` compresses. */
export interface GzipOptions extends SuffixOptions {
  /** 0 (none) to 9 (smallest). Default: 6. */
  readonly level?: number;
}

/**
 * Compresses with gzip (RFC 1952).
 *
 * Without `keySuffix` the object stays what it was, encoded: key and Content-Type are kept and `Content-Encoding: gzip` is
 * set, so browsers and many clients hand out the plain bytes. With a `keySuffix` such as `.gz` the object is a gzip file:
 * Content-Type is `application/gzip` and there is no Content-Encoding, so that a download is the file its name promises.
 *
 * The header holds no time and no name (mtime 0): the same bytes compressed by the same Node.js are the same object.
 * Needs about 300 KiB of memory per file.
 * @throws InputError `INVALID_PIPELINE`
 */
export function gzip(options: GzipOptions = {}): TransformStep {
  const { name = "gzip", keySuffix } = options;
  const level = wholeNumber(name, "level", options.level ?? LEVEL, 0, 9);
  const asFile = { contentType: "application/gzip", contentEncoding: null };
  const changes = hasSuffix(keySuffix) ? asFile : { contentEncoding: "gzip" };
  return defineStep({
    name,
    ...versionOf({ level: unlessDefault(level, LEVEL), keySuffix: unlessDefault(keySuffix, "") }),
    ...(keySuffix === undefined ? {} : { keySuffix }),
    transform: () => ({ stream: createGzip({ level }), changes: () => changes }),
  });
}
