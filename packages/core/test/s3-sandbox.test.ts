import { objectStoreCases } from "@bucketline/conformance";
import { type Sandbox, type SandboxOptions, startSandbox } from "@bucketline/s3-sandbox";
import { afterAll, beforeAll, describe, test } from "vitest";
import { S3ObjectStore, type S3ObjectStoreOptions } from "../src/s3/index.ts";

/** `=?UTF-8?B?…?=` words, as S3's own clients decode them. */
function decodeWords(value: string): string {
  if (!/^=\?UTF-8\?B\?/i.test(value)) return value;
  return value
    .split(" ")
    .map((word) => Buffer.from(word.slice(10, -2), "base64").toString())
    .join("");
}

function conformance(options: S3ObjectStoreOptions, sandboxOptions: SandboxOptions = {}): void {
  let sandbox: Sandbox;
  let serial = 0;
  beforeAll(async () => {
    sandbox = await startSandbox(sandboxOptions);
  });
  afterAll(() => sandbox.close());
  const cases = objectStoreCases({
    open: async () => {
      serial += 1;
      const bucket = `bucket-${serial}`;
      sandbox.createBucket(bucket);
      const connect = () => new S3ObjectStore({ ...sandbox.clientConfig, ...options });
      const stores = [connect()];
      return {
        store: stores[0]!,
        bucket,
        missingBucket: "missing-bucket",
        another: async () => {
          stores.push(connect());
          return stores.at(-1)!;
        },
        read: async (key) => {
          const object = await sandbox.object(bucket, key);
          if (!object) return undefined;
          const { body, headers, metadata } = object;
          const decoded = Object.entries(metadata).map(([name, value]) => [name, decodeWords(value)]);
          return {
            bytes: body,
            contentType: headers["content-type"],
            cacheControl: headers["cache-control"],
            metadata: Object.fromEntries(decoded),
          };
        },
        close: async () => {
          await Promise.all(stores.map((store) => store.close()));
        },
      };
    },
  });
  for (const { name, run } of cases) test(name, run);
}

describe.each(["direct", "sdk"] as const)("S3ObjectStore on the sandbox, data path %s", (dataPath) => {
  describe("with checksums", () => conformance({ dataPath }));
  describe("without checksums", () => conformance({ dataPath, checksums: "none" }));
});
