import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { objectStoreCases } from "@bucketline/conformance";
import { describe, test } from "vitest";
import { readEntry } from "../src/entry.ts";
import { BucketLayout, type StoredObject } from "../src/layout.ts";
import { FolderObjectStore } from "../src/store.ts";

async function open() {
  const root = await mkdtemp(join(tmpdir(), "bucketline-folder-store-"));
  const store = new FolderObjectStore(root);
  await store.createBucket("bucket");
  return {
    store,
    bucket: "bucket",
    missingBucket: "no-such-bucket",
    another: async () => new FolderObjectStore(root),
    async read(key: string) {
      const path = new BucketLayout(root, "bucket").object(key);
      const entry = await readEntry<StoredObject>(path);
      if (!entry) return undefined;
      const { contentType, cacheControl, metadata } = entry.facts.settings;
      return { bytes: (await readFile(path)).subarray(entry.offset), contentType, cacheControl, metadata };
    },
    async close() {
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

describe("conformance", () => {
  for (const { name, slow, run } of objectStoreCases({ open })) test(name, run, slow ? 60_000 : undefined);
});
