import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../src/index.ts";

const Bucket = "photos";
let sandbox: Sandbox;
let s3: S3Client;

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [Bucket], minPartSize: 1 });
  s3 = new S3Client(sandbox.clientConfig);
});

afterAll(async () => {
  s3.destroy();
  await sandbox.close();
});

function md5(data: Uint8Array): string {
  return createHash("md5").update(data).digest("hex");
}

describe("objects", () => {
  test("put, head, get and delete with default SDK settings", async () => {
    const body = randomBytes(70_000);
    const put = await s3.send(
      new PutObjectCommand({
        Bucket,
        Key: "a/b c+ü&.jpg",
        Body: body,
        ContentType: "image/jpeg",
        CacheControl: "max-age=60",
        Metadata: { origin: "camera", n: "1" },
      }),
    );
    expect(put.ETag).toBe(`"${md5(body)}"`);
    expect(put.ChecksumCRC32).toMatch(/^[A-Za-z0-9+/]{6}==$/);
    expect(put.ChecksumType).toBe("FULL_OBJECT");
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "a/b c+ü&.jpg", ChecksumMode: "ENABLED" }));
    expect(head).toMatchObject({
      ContentLength: 70_000,
      ContentType: "image/jpeg",
      CacheControl: "max-age=60",
      Metadata: { origin: "camera", n: "1" },
      ChecksumCRC32: put.ChecksumCRC32,
    });
    const get = await s3.send(new GetObjectCommand({ Bucket, Key: "a/b c+ü&.jpg" }));
    expect(Buffer.from(await get.Body!.transformToByteArray()).equals(body)).toBe(true);
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "a/b c+ü&.jpg" }));
    await expect(s3.send(new HeadObjectCommand({ Bucket, Key: "a/b c+ü&.jpg" }))).rejects.toMatchObject({
      name: "NotFound",
    });
    await expect(s3.send(new GetObjectCommand({ Bucket, Key: "a/b c+ü&.jpg" }))).rejects.toMatchObject({
      name: "NoSuchKey",
    });
  });

  test("a stream body goes as aws-chunked with a trailer and is stored decoded", async () => {
    const body = randomBytes(300_000);
    const chunks = [body.subarray(0, 100_000), body.subarray(100_000)];
    await s3.send(
      new PutObjectCommand({ Bucket, Key: "streamed", Body: Readable.from(chunks), ContentLength: body.length }),
    );
    const stored = await sandbox.object(Bucket, "streamed");
    expect(stored?.body.equals(body)).toBe(true);
    expect(stored?.checksum?.algorithm).toBe("CRC32");
    expect(stored?.headers["content-encoding"]).toBeUndefined();
    const request = sandbox.requests.findLast((r) => r.key === "streamed");
    expect(request?.payloadBytes).toBe(300_000);
    expect(request?.bytesReceived).toBeGreaterThan(300_000);
  });

  test.each(["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const)(
    "%s checksums verify both ways",
    async (ChecksumAlgorithm) => {
      const body = randomBytes(12_345);
      const Key = `sum-${ChecksumAlgorithm}`;
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: body, ChecksumAlgorithm }));
      const get = await s3.send(new GetObjectCommand({ Bucket, Key }));
      expect(get[`Checksum${ChecksumAlgorithm}`]).toBeTruthy();
      expect((await get.Body!.transformToByteArray()).length).toBe(12_345);
    },
  );
});

describe("multipart", () => {
  test("lib-storage Upload makes the object S3 would make", async () => {
    const body = randomBytes(12 * 1024 * 1024 + 17);
    const upload = new Upload({ client: s3, params: { Bucket, Key: "big", Body: Readable.from([body]) } });
    await upload.done();
    const stored = await sandbox.object(Bucket, "big");
    expect(stored?.body.equals(body)).toBe(true);
    const parts = [0, 1, 2].map((n) =>
      createHash("md5")
        .update(body.subarray(n * 5242880, (n + 1) * 5242880))
        .digest(),
    );
    expect(stored?.etag).toBe(`${md5(Buffer.concat(parts))}-3`);
    expect(sandbox.multipartUploads(Bucket)).toEqual([]);
  });

  test("create, list parts, complete with full-object CRC32, repeat", async () => {
    const Key = "full";
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" }),
    );
    const pieces = [randomBytes(10_000), randomBytes(10_000), randomBytes(5)];
    for (const [index, Body] of pieces.entries()) {
      await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: index + 1, Body }));
    }
    const listed = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    expect(listed.Parts?.map((part) => part.Size)).toEqual([10_000, 10_000, 5]);
    expect(listed).toMatchObject({ ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT", IsTruncated: false });
    const complete = new CompleteMultipartUploadCommand({
      Bucket,
      Key,
      UploadId,
      MpuObjectSize: 20_005,
      MultipartUpload: {
        Parts: listed.Parts!.map(({ PartNumber, ETag, ChecksumCRC32 }) => ({ PartNumber, ETag, ChecksumCRC32 })),
      },
    });
    const done = await s3.send(complete);
    const single = await s3.send(new PutObjectCommand({ Bucket, Key: "single", Body: Buffer.concat(pieces) }));
    expect(done.ChecksumCRC32).toBe(single.ChecksumCRC32);
    expect(done.ChecksumType).toBe("FULL_OBJECT");
    expect((await s3.send(complete)).ETag).toBe(done.ETag);
    await expect(s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))).rejects.toMatchObject({
      name: "NoSuchUpload",
    });
    await expect(s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))).rejects.toMatchObject({
      name: "NoSuchUpload",
    });
  });
});

describe("the rest", () => {
  test("buckets, tagging, batch delete, listing", async () => {
    expect((await s3.send(new ListBucketsCommand({}))).Buckets?.map((bucket) => bucket.Name)).toEqual([Bucket]);
    await s3.send(new HeadBucketCommand({ Bucket }));
    await expect(s3.send(new HeadBucketCommand({ Bucket: "absent" }))).rejects.toMatchObject({ name: "NotFound" });
    for (const Key of ["l/1", "l/2", "l/sub/3"]) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    await s3.send(
      new PutObjectTaggingCommand({ Bucket, Key: "l/1", Tagging: { TagSet: [{ Key: "k", Value: "v <&>" }] } }),
    );
    expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: "l/1" }))).TagSet).toEqual([
      { Key: "k", Value: "v <&>" },
    ]);
    const page = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "l/", Delimiter: "/" }));
    expect(page.Contents?.map((entry) => entry.Key)).toEqual(["l/1", "l/2"]);
    expect(page.CommonPrefixes).toEqual([{ Prefix: "l/sub/" }]);
    const deleted = await s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "l/1" }, { Key: "nothing" }] } }),
    );
    expect(deleted.Deleted?.map((entry) => entry.Key)).toEqual(["l/1", "nothing"]);
    expect(sandbox.objects(Bucket).map((object) => object.key)).not.toContain("l/1");
  });
});
