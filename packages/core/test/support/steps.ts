import { gzipSync } from "node:zlib";
import { defineStep } from "../../src/index.ts";

let made = 0;

const keyOf = (salt: string) => (Number(salt) % 255) + 1;

/** As encryption does, each run gives other bytes: its number and a colon, and then bytes that all depend on the number. */
export const salted = (name = "salted", keySuffix = ".salted", version?: string | number) =>
  defineStep({
    name,
    ...(version === undefined ? {} : { version }),
    keySuffix,
    transform: () => {
      const salt = String(++made).padStart(6, "0");
      return {
        stream: async function* (input) {
          yield Buffer.from(`${salt}:`);
          for await (const chunk of input) yield Buffer.from(chunk).map((byte) => byte ^ keyOf(salt));
        },
        changes: () => ({ metadata: { salt } }),
        message: () => `salt ${salt}`,
      };
    },
  });

/** What a `salted` object was made of. */
export function unsalted(object: string): string {
  const bytes = Buffer.from(object.slice(7), "latin1").map((byte) => byte ^ keyOf(object.slice(0, 6)));
  return Buffer.from(bytes).toString("latin1");
}

export const gzipStep = defineStep({
  name: "gzip",
  keySuffix: ".gz",
  transform: () => ({
    // At once: the world's time does not wait for threads.
    stream: async function* (input) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of input) chunks.push(chunk);
      yield gzipSync(Buffer.concat(chunks));
    },
    changes: () => ({ contentEncoding: "gzip" }),
  }),
});
