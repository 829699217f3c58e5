import type { Step } from "@bucketline/core";
import { clamav, encrypt, extensions, fileType, gzip, type KeyProvider, sha256, sizeLimit } from "@bucketline/steps";

export const MAX_BYTES = 10 * 2 ** 20;

/** What every file goes through: cheap checks first, compression before encryption. */
export function ingestSteps(key: KeyProvider, clamdSocket: string | undefined): readonly Step[] {
  return [
    extensions({ allow: ["csv", "txt", "pdf", "png", "jpg"] }),
    sizeLimit({ min: 1, max: MAX_BYTES }),
    fileType({ allow: ["text/plain", "application/pdf", "image/*"] }),
    ...(clamdSocket === undefined ? [] : [clamav({ socket: clamdSocket })]),
    sha256(),
    gzip({ keySuffix: ".gz" }),
    // With its path bound to it, no object can stand in for another.
    encrypt({ keys: key, keySuffix: ".enc", context: ({ path }) => ({ path }) }),
  ];
}
