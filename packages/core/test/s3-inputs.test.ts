import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { mockClient } from "aws-sdk-client-mock";
import { afterEach, describe, expect, test } from "vitest";
import type { ObjectSettings } from "../src/ports/object-store.ts";
import { S3ObjectStore } from "../src/s3/index.ts";
import { decodeMetadataValue, encodeMetadataValue } from "../src/s3/inputs.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";

const s3 = mockClient(S3Client);
const client = new S3Client({ region: "us-east-1" });
const address = { bucket: "b", key: "a/k", expectedBucketOwner: "111122223333" };
const multipart = { ...address, multipartId: "M" };
const body = new TextEncoder().encode("body");
const checksum = "crc32:dba80bb2" as const;
const encoded = { crc32: "26gLsg==", md5: "hBotaJrYa9FhFEdFPCLG/A==" };

afterEach(() => s3.reset());

function store(
  options: { checksums?: "crc32" | "none"; conditionalWrites?: boolean; clock?: FakeClock } = {},
): S3ObjectStore {
  return new S3ObjectStore({ client, ...options });
}

function input(command: Parameters<typeof s3.commandCalls>[0]): object | undefined {
  return s3.commandCalls(command)[0]?.args[0].input;
}

describe("command inputs", () => {
  test("putObject with every setting", async () => {
    s3.on(PutObjectCommand).resolves({
      ETag: '"e"',
      VersionId: "v",
      ChecksumCRC32: encoded.crc32,
      ChecksumType: "FULL_OBJECT",
    });
    const settings: ObjectSettings = {
      contentType: "text/plain",
      cacheControl: "no-store",
      contentDisposition: "inline",
      contentEncoding: "gzip",
      contentLanguage: "de",
      storageClass: "STANDARD_IA",
      serverSideEncryption: "aws:kms",
      kmsKeyId: "key",
      acl: "bucket-owner-full-control",
      tags: { "a b": "c&d", e: "f=+" },
      metadata: { Origin: "☃", "bucketline-token": "forged" },
      expectedBucketOwner: "111122223333",
    };
    const receipt = await store().putObject({
      ...address,
      body,
      checksum,
      settings,
      token: "t",
      condition: { ifMatch: "old" },
    });
    expect(receipt).toEqual({ etag: "e", versionId: "v", checksum });
    expect(input(PutObjectCommand)).toEqual({
      Bucket: "b",
      Key: "a/k",
      ExpectedBucketOwner: "111122223333",
      Body: body,
      ChecksumCRC32: encoded.crc32,
      IfMatch: '"old"',
      ContentType: "text/plain",
      CacheControl: "no-store",
      ContentDisposition: "inline",
      ContentEncoding: "gzip",
      ContentLanguage: "de",
      StorageClass: "STANDARD_IA",
      ServerSideEncryption: "aws:kms",
      SSEKMSKeyId: "key",
      ACL: "bucket-owner-full-control",
      Tagging: "a%20b=c%26d&e=f%3D%2B",
      Metadata: { origin: "=?UTF-8?B?4piD?=", "bucketline-token": "t" },
    });
  });

  test("multipart: full object CRC32, sizes and quoted ETags", async () => {
    s3.on(CreateMultipartUploadCommand).resolves({ UploadId: "M" });
    s3.on(UploadPartCommand).resolves({ ETag: '"p"', ChecksumCRC32: encoded.crc32 });
    s3.on(CompleteMultipartUploadCommand).resolves({
      ETag: '"w-1"',
      ChecksumCRC32: encoded.crc32,
      ChecksumType: "FULL_OBJECT",
    });
    expect(await store().createMultipart({ ...address, settings: {}, token: "t" })).toEqual({ multipartId: "M" });
    const receipt = await store().uploadPart({ ...multipart, partNumber: 7, body, checksum });
    expect(receipt).toEqual({ etag: "p", versionId: undefined, checksum });
    const parts = [{ partNumber: 7, etag: "p", checksum }];
    const complete = { ...multipart, parts, size: 4, checksum, condition: { ifNoneMatch: "*" } } as const;
    expect(await store().completeMultipart(complete)).toEqual({ etag: "w-1", versionId: undefined, checksum });
    expect(input(CreateMultipartUploadCommand)).toMatchObject({
      ChecksumAlgorithm: "CRC32",
      ChecksumType: "FULL_OBJECT",
      Metadata: { "bucketline-token": "t" },
    });
    expect(input(UploadPartCommand)).toMatchObject({
      UploadId: "M",
      PartNumber: 7,
      Body: body,
      ChecksumCRC32: encoded.crc32,
    });
    expect(input(CompleteMultipartUploadCommand)).toEqual({
      Bucket: "b",
      Key: "a/k",
      ExpectedBucketOwner: "111122223333",
      UploadId: "M",
      IfNoneMatch: "*",
      ChecksumType: "FULL_OBJECT",
      ChecksumCRC32: encoded.crc32,
      MpuObjectSize: 4,
      MultipartUpload: { Parts: [{ PartNumber: 7, ETag: '"p"', ChecksumCRC32: encoded.crc32 }] },
    });
  });

  test("without checksums, bodies carry Content-MD5 and nothing else is asked of the store", async () => {
    s3.on(PutObjectCommand).resolves({ ETag: '"e"' });
    s3.on(UploadPartCommand).resolves({ ETag: '"p"' });
    s3.on(CreateMultipartUploadCommand).resolves({ UploadId: "M" });
    s3.on(CompleteMultipartUploadCommand).resolves({ ETag: '"w-1"' });
    s3.on(HeadObjectCommand).resolves({ ETag: '"e"', ContentLength: 4 });
    const plain = store({ checksums: "none" });
    expect(plain.capabilities.checksums).toBe(false);
    expect(await plain.putObject({ ...address, body, checksum, settings: {}, token: "t" })).toMatchObject({
      checksum: undefined,
    });
    await plain.createMultipart({ ...address, settings: {}, token: "t" });
    await plain.uploadPart({ ...multipart, partNumber: 1, body, checksum });
    await plain.completeMultipart({ ...multipart, parts: [{ partNumber: 1, etag: "p", checksum }], size: 4, checksum });
    await plain.headObject(address);
    expect(input(PutObjectCommand)).toMatchObject({ ContentMD5: encoded.md5 });
    expect(input(UploadPartCommand)).toMatchObject({ ContentMD5: encoded.md5 });
    for (const command of [
      PutObjectCommand,
      UploadPartCommand,
      CreateMultipartUploadCommand,
      CompleteMultipartUploadCommand,
      HeadObjectCommand,
    ]) {
      expect(JSON.stringify(input(command))).not.toContain("Checksum");
    }
  });

  test("HEAD asks for the checksum and takes only one of the full object", async () => {
    const facts = { ContentLength: 4, ETag: '"e"', VersionId: "v", Metadata: { "bucketline-token": "t", other: "x" } };
    s3.on(HeadObjectCommand)
      .resolvesOnce({ ...facts, ChecksumCRC32: encoded.crc32, ChecksumType: "FULL_OBJECT" })
      .resolvesOnce({ ...facts, ChecksumCRC32: "26gLsg==-2", ChecksumType: "COMPOSITE" })
      .resolvesOnce({ ...facts, ChecksumCRC32: "26gLsg==-2" })
      .resolves({ ContentLength: 4, ETag: '"e"' });
    const expected = { size: 4, etag: "e", versionId: "v", token: "t" };
    expect(await store().headObject(address)).toEqual({ ...expected, checksum });
    expect(await store().headObject(address)).toEqual({ ...expected, checksum: undefined });
    expect(await store().headObject(address)).toEqual({ ...expected, checksum: undefined });
    expect(await store().headObject(address)).toEqual({
      size: 4,
      etag: "e",
      versionId: undefined,
      token: undefined,
      checksum: undefined,
    });
    expect(input(HeadObjectCommand)).toMatchObject({ ChecksumMode: "ENABLED" });
  });

  test("listings go through all their pages", async () => {
    s3.on(ListPartsCommand)
      .resolvesOnce({
        Parts: [{ PartNumber: 1, Size: 5, ETag: '"1"', ChecksumCRC32: encoded.crc32 }],
        IsTruncated: true,
        NextPartNumberMarker: "1",
      })
      .resolves({ Parts: [{ PartNumber: 3, Size: 2, ETag: '"3"' }], IsTruncated: false, NextPartNumberMarker: "3" });
    expect(await store().listParts(multipart)).toEqual([
      { partNumber: 1, size: 5, etag: "1", checksum },
      { partNumber: 3, size: 2, etag: "3", checksum: undefined },
    ]);
    expect(s3.commandCalls(ListPartsCommand)[1]?.args[0].input).toMatchObject({ PartNumberMarker: "1" });
    const Initiated = new Date(1_700_000_000_000);
    s3.on(ListMultipartUploadsCommand)
      .resolvesOnce({
        Uploads: [{ Key: "a+b%2Bc%0A", UploadId: "1", Initiated }],
        EncodingType: "url",
        IsTruncated: true,
        NextKeyMarker: "a+b%2Bc%0A",
        NextUploadIdMarker: "1",
      })
      .resolves({ Uploads: [{ Key: "d+e", UploadId: "2", Initiated }], IsTruncated: false });
    const found = [];
    for await (const upload of store().listMultiparts({ bucket: "b", prefix: "a" })) found.push(upload);
    expect(found).toEqual([
      { key: "a b+c\n", multipartId: "1", initiatedAt: 1_700_000_000_000 },
      { key: "d+e", multipartId: "2", initiatedAt: 1_700_000_000_000 },
    ]);
    expect(s3.commandCalls(ListMultipartUploadsCommand)[1]?.args[0].input).toMatchObject({
      Prefix: "a",
      KeyMarker: "a b+c\n",
      UploadIdMarker: "1",
    });
  });

  test("a metadata name that no header can have is refused before anything is sent", async () => {
    for (const name of ["with space", "ü", "", "line\nbreak", "a:b"]) {
      const put = store().putObject({
        ...address,
        body,
        checksum,
        settings: { metadata: { [name]: "x" } },
        token: "t",
      });
      await expect(put).rejects.toMatchObject({ kind: "rejected", operation: "putObject" });
    }
    expect(s3.calls()).toHaveLength(0);
  });

  test("a condition is refused where it would not be honoured", async () => {
    const plain = store({ conditionalWrites: false });
    const put = plain.putObject({
      ...address,
      body,
      checksum,
      settings: {},
      token: "t",
      condition: { ifNoneMatch: "*" },
    });
    await expect(put).rejects.toMatchObject({ kind: "unsupported" });
    expect(s3.calls()).toHaveLength(0);
  });
});

describe("what the answers lack", () => {
  test("an answer without an ETag or an upload id is a failure that may have been a success", async () => {
    s3.on(PutObjectCommand).resolves({});
    s3.on(CompleteMultipartUploadCommand).resolves({});
    s3.on(CreateMultipartUploadCommand).resolves({});
    const write = { ...address, settings: {}, token: "t" };
    const failed = { kind: "transient", ambiguous: true };
    await expect(store().putObject({ ...write, body, checksum })).rejects.toMatchObject(failed);
    await expect(store().createMultipart(write)).rejects.toMatchObject(failed);
    await expect(store().completeMultipart({ ...multipart, parts: [], size: 0, checksum })).rejects.toMatchObject(
      failed,
    );
  });
});

describe("abortMultipart", () => {
  const noSuchUpload = Object.assign(new Error("gone"), { name: "NoSuchUpload", $metadata: { httpStatusCode: 404 } });

  test("is repeated until the store knows nothing of the upload", async () => {
    const clock = new FakeClock();
    s3.on(AbortMultipartUploadCommand).resolves({});
    s3.on(ListPartsCommand).resolvesOnce({ Parts: [] }).resolvesOnce({ Parts: [] }).rejects(noSuchUpload);
    const aborted = store({ clock }).abortMultipart(multipart);
    await clock.advance(600);
    await aborted;
    expect(s3.commandCalls(AbortMultipartUploadCommand)).toHaveLength(3);
    expect(s3.commandCalls(ListPartsCommand)).toHaveLength(3);
  });

  test("ends at once when the upload is not known", async () => {
    s3.on(AbortMultipartUploadCommand).rejects(noSuchUpload);
    await store().abortMultipart(multipart);
    expect(s3.calls()).toHaveLength(1);
  });

  test("gives up in the end", async () => {
    const clock = new FakeClock();
    s3.on(AbortMultipartUploadCommand).resolves({});
    s3.on(ListPartsCommand).resolves({ Parts: [] });
    const aborted = expect(store({ clock }).abortMultipart(multipart)).rejects.toMatchObject({
      kind: "transient",
      ambiguous: false,
    });
    await clock.advance(60_000);
    await aborted;
    expect(s3.commandCalls(AbortMultipartUploadCommand)).toHaveLength(5);
  });
});

describe("the client", () => {
  test("a client handed in is not closed", async () => {
    let destroyed = 0;
    const own = new S3Client({ region: "us-east-1" });
    own.destroy = () => {
      destroyed += 1;
    };
    await new S3ObjectStore({ client: own }).close();
    expect(destroyed).toBe(0);
  });

  test("a client of our own makes one attempt", async () => {
    s3.on(HeadBucketCommand).callsFake(async (_, getClient) => {
      const { config } = getClient();
      expect(await config.maxAttempts()).toBe(1);
      expect(await config.requestChecksumCalculation()).toBe("WHEN_REQUIRED");
      expect(await config.region()).toBe("eu-north-1");
      return {};
    });
    await new S3ObjectStore({ region: "eu-north-1" }).checkBucket({ bucket: "b" });
    expect(s3.commandCalls(HeadBucketCommand)).toHaveLength(1);
  });
});

describe("encodeMetadataValue", () => {
  test.each(["plain", "two words", "1", "a=b; c", "=", "?="])("leaves %j as it is", (value) => {
    expect(encodeMetadataValue(value)).toBe(value);
    expect(decodeMetadataValue(value)).toBe(value);
  });

  test("reads the form S3 may answer with", () => {
    expect(decodeMetadataValue("=?UTF-8?Q?snow_=E2=98=83?=")).toBe("snow ☃");
    expect(decodeMetadataValue("=?utf-8?b?4piD?= =?utf-8?q?=E2=98=83?=")).toBe("☃☃");
  });

  test.each([
    "",
    "☃",
    " lead",
    "trail ",
    "two  spaces",
    "line\nbreak",
    "nul\0",
    "tab\t",
    "=?UTF-8?B?4piD?=",
    "é".repeat(100),
    "🗻".repeat(50),
    "del\x7f",
  ])("makes words of %j that decode to it", (value) => {
    const words = value === "" ? [] : encodeMetadataValue(value).split(" ");
    for (const word of words) {
      expect(word).toMatch(/^=\?UTF-8\?B\?[A-Za-z0-9+/=]+\?=$/);
      expect(word.length).toBeLessThanOrEqual(75);
    }
    const decoded = words.map((word) =>
      new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(word.slice(10, -2), "base64")),
    );
    expect(decoded.join("")).toBe(value);
    expect(decodeMetadataValue(words.join(" "))).toBe(value);
  });
});
