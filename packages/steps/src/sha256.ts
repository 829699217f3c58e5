import { createHash } from "node:crypto";
import { defineStep, type TransformStep } from "@bucketline/core";
import { invalidStep, type StepOptions, unlessDefault, versionOf } from "./options.ts";

/** Where `sha256` writes the digest. */
export interface Sha256Options extends StepOptions {
  /** Name of the metadata entry. Default: `sha256`. Give another name to a second one in the same pipeline. */
  readonly metadataName?: string;
}

/**
 * Passes the bytes through and writes their SHA-256 (64 hexadecimal digits) into the object's metadata: before other
 * transforms it is that of the source file, after them that of the object. Known only after the last byte, so the
 * pipeline's output has to be spooled. Of an object that is encrypted afterwards it tells whoever can read the metadata
 * whether the file is one that he has already.
 * @throws InputError `INVALID_PIPELINE`
 */
export function sha256(options: Sha256Options = {}): TransformStep {
  const { name = "sha256", metadataName = "sha256" } = options;
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(metadataName) || metadataName.startsWith("bucketline-"))
    invalidStep(name, "metadataName must be small letters, digits and '-', and not begin with bucketline-.");
  return defineStep({
    name,
    ...versionOf({ metadataName: unlessDefault(metadataName, "sha256") }),
    late: true,
    transform: () => {
      const hash = createHash("sha256");
      let digest = "";
      return {
        stream: async function* hashed(input) {
          for await (const chunk of input) {
            hash.update(chunk);
            yield chunk;
          }
          digest = hash.digest("hex");
        },
        changes: () => ({ metadata: { [metadataName]: digest } }),
        message: () => digest,
      };
    },
  });
}
