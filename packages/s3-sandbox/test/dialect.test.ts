import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Dialect, startSandbox } from "../src/index.ts";

const Bucket = "bucket";
const Key = "key";
const WRONG_CRC32 = "AAAAAA==";
/** Of "hello". */
const CRC32 = "NhCmhg==";

async function clientOf(dialect: Dialect): Promise<S3Client> {
  const sandbox = await startSandbox({ buckets: [Bucket], minPartSize: 1, dialect });
  const options = { maxAttempts: 1, requestChecksumCalculation: "WHEN_REQUIRED" } as const;
  const s3 = new S3Client({ ...sandbox.clientConfig, ...options });
  onTestFinished(async () => {
    s3.destroy();
    await sandbox.close();
  });
  return s3;
}

const put = (s3: S3Client, extra: object = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: "hello", ...extra }));
const head = (s3: S3Client) => s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));

async function sendInParts(s3: S3Client, extra: object = {}) {
  const whole = { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" } as const;
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...whole }));
  const part = { Bucket, Key, UploadId, PartNumber: 1, Body: "hello", ChecksumCRC32: CRC32 };
  const { ETag } = await s3.send(new UploadPartCommand(part));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag, ChecksumCRC32: CRC32 }] };
  return await s3.send(
    new CompleteMultipartUploadCommand({
      ...{ Bucket, Key, UploadId, MultipartUpload, ChecksumCRC32: CRC32 },
      ...{ ChecksumType: "FULL_OBJECT", MpuObjectSize: 5, ...extra },
    }),
  );
}

test("without a dialect everything is read", async () => {
  const s3 = await clientOf({});
  await expect(put(s3, { ChecksumCRC32: WRONG_CRC32 })).rejects.toMatchObject({ name: "BadDigest" });
  await sendInParts(s3);
  expect(await head(s3)).toMatchObject({ ChecksumCRC32: CRC32, ChecksumType: "FULL_OBJECT" });
  await expect(put(s3, { IfNoneMatch: "*" })).rejects.toMatchObject({ name: "PreconditionFailed" });
  await expect(sendInParts(s3, { MpuObjectSize: 6 })).rejects.toMatchObject({ name: "InvalidRequest" });
});

describe("checksums", () => {
  test("ignored: a wrong one is taken, and none is kept; Content-MD5 is read all the same", async () => {
    const s3 = await clientOf({ checksums: "ignored" });
    await put(s3, { ChecksumCRC32: WRONG_CRC32 });
    expect((await head(s3)).ChecksumCRC32).toBeUndefined();
    await sendInParts(s3, { ChecksumCRC32: WRONG_CRC32 });
    expect((await head(s3)).ChecksumCRC32).toBeUndefined();
    const ContentMD5 = "AAAAAAAAAAAAAAAAAAAAAA==";
    await expect(put(s3, { ContentMD5 })).rejects.toMatchObject({ name: "BadDigest" });
  });

  test("refused: the header is not implemented, and writes without it go on", async () => {
    const s3 = await clientOf({ checksums: "refused" });
    await expect(put(s3, { ChecksumCRC32: CRC32 })).rejects.toMatchObject({
      name: "NotImplemented",
      $metadata: { httpStatusCode: 501 },
    });
    await expect(sendInParts(s3)).rejects.toMatchObject({ name: "NotImplemented" });
    await put(s3);
  });

  test("composite: a whole object in parts has no checksum of its own", async () => {
    const s3 = await clientOf({ checksums: "composite" });
    await expect(put(s3, { ChecksumCRC32: WRONG_CRC32 })).rejects.toMatchObject({ name: "BadDigest" });
    await sendInParts(s3);
    expect(await head(s3)).toMatchObject({ ChecksumType: "COMPOSITE" });
  });
});

describe("conditional writes", () => {
  test("ignored: what stands is replaced or deleted", async () => {
    const s3 = await clientOf({ conditionalWrites: "ignored" });
    await put(s3);
    await put(s3, { IfNoneMatch: "*" });
    await put(s3, { IfMatch: '"another"' });
    await sendInParts(s3, { IfNoneMatch: "*" });
    await s3.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: '"another"' }));
    await expect(head(s3)).rejects.toMatchObject({ name: "NotFound" });
  });

  test("ignored: conditions of reads hold all the same", async () => {
    const s3 = await clientOf({ conditionalWrites: "ignored" });
    await put(s3);
    const read = new HeadObjectCommand({ Bucket, Key, IfMatch: '"another"' });
    await expect(s3.send(read)).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
  });

  test("refused: they are not implemented, whatever stands there", async () => {
    const s3 = await clientOf({ conditionalWrites: "refused" });
    await expect(put(s3, { IfNoneMatch: "*" })).rejects.toMatchObject({ name: "NotImplemented" });
    await expect(sendInParts(s3, { IfNoneMatch: "*" })).rejects.toMatchObject({ name: "NotImplemented" });
    await put(s3);
  });
});

test("object size: a wrong one is taken", async () => {
  const s3 = await clientOf({ objectSize: "ignored" });
  await sendInParts(s3, { MpuObjectSize: 6 });
  expect(await head(s3)).toMatchObject({ ContentLength: 5 });
});

test("metadata: it is not kept", async () => {
  const Metadata = { token: "1" };
  const lossy = await clientOf({ metadata: "ignored" });
  await put(lossy, { Metadata });
  expect((await head(lossy)).Metadata).toEqual({});
  const s3 = await clientOf({});
  await put(s3, { Metadata });
  expect((await head(s3)).Metadata).toEqual(Metadata);
});
