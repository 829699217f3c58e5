import { HeadBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { startSandbox } from "@bucketline/s3-sandbox";
import { expect, test } from "vitest";
import { createS3Client, S3ObjectStore } from "../src/s3/index.ts";

test("a client of one's own as S3ObjectStore makes it: one attempt, no checksum trailers, and open after the store", async () => {
  const sandbox = await startSandbox({ buckets: ["bucket"] });
  const client = createS3Client(sandbox.clientConfig);
  try {
    sandbox.fault({ operation: "HeadBucket", action: { type: "respond", code: "InternalError" } });
    await expect(client.send(new HeadBucketCommand({ Bucket: "bucket" }))).rejects.toBeDefined();
    expect(sandbox.requests).toHaveLength(1);
    const store = new S3ObjectStore({ client });
    await store.checkBucket({ bucket: "bucket" });
    await store.close();
    const names: string[] = [];
    sandbox.fault({
      operation: "PutObject",
      action: ({ headers }) => {
        names.push(...headers.keys());
        return undefined;
      },
    });
    await client.send(new PutObjectCommand({ Bucket: "bucket", Key: "k", Body: "hello" }));
    expect(names).toContain("x-amz-content-sha256");
    expect(names.filter((name) => /checksum|trailer|expect/.test(name))).toEqual([]);
  } finally {
    client.destroy();
    await sandbox.close();
  }
});
