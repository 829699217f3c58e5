import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { createGzip, gunzipSync } from "node:zlib";
import { defineStep, type Step } from "@bucketline/core";

export const SUFFIX = ".gz.aes";

const CIPHER = "aes-256-ctr";
const KEY = Buffer.alloc(32, "only for tests");
const IV_LENGTH = 16;

/** Compressed and encrypted under a nonce of its own, no two outputs of one file agree in any part. */
export const STEPS: readonly Step[] = [
  defineStep({ name: "gzip", keySuffix: ".gz", transform: () => ({ stream: createGzip({ level: 1 }) }) }),
  defineStep({
    name: "encrypt",
    keySuffix: ".aes",
    transform: () => ({
      stream: async function* (input) {
        const iv = randomBytes(IV_LENGTH);
        const cipher = createCipheriv(CIPHER, KEY, iv);
        yield iv;
        for await (const chunk of input) yield cipher.update(chunk);
      },
    }),
  }),
];

/** The file that an object was made of. @throws when it is no whole output of any */
export function restored(object: Uint8Array): Uint8Array {
  const decipher = createDecipheriv(CIPHER, KEY, object.subarray(0, IV_LENGTH));
  return gunzipSync(decipher.update(object.subarray(IV_LENGTH)));
}
