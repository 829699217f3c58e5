import type { Step } from "@bucketline/core";
import { encrypt, fileType, gzip, type Keys, sizeLimit } from "@bucketline/steps";
import { redactAddresses } from "./redact.ts";

/** Checked, redacted, compressed, encrypted: nothing that leaves the machine can be read without a key. */
export function sealingSteps(keys: Keys): readonly Step[] {
  return [
    sizeLimit({ min: 1, max: 100 * 2 ** 20 }),
    fileType({ allow: ["text/plain", "image/*"] }),
    redactAddresses(),
    gzip({ keySuffix: ".gz" }),
    // With its path bound to it, no object can stand in for another.
    encrypt({ keys, keySuffix: ".enc", context: ({ path }) => ({ path }) }),
  ];
}
