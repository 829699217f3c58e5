import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type ListPartsCommandOutput,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../src/index.ts";
import { send } from "./signing.ts";

const Bucket = "bucket";
const KIB = 1024;
let sandbox: Sandbox;
let s3: S3Client;
let counter = 0;

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [Bucket], minPartSize: KIB });
  s3 = new S3Client({ ...sandbox.clientConfig, maxAttempts: 1 });
});
afterAll(async () => {
  s3.destroy();
  await sandbox.close();
});

interface Started {
  Key: string;
  UploadId: string;
  parts: CompletedPart[];
}

async function begin(
  bodies: Uint8Array[],
  options: Partial<CreateMultipartUploadCommandInput> = { ChecksumAlgorithm: "CRC32" },
): Promise<Started> {
  const Key = `upload-${counter++}`;
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...options }));
  const parts: CompletedPart[] = [];
  for (const [index, Body] of bodies.entries()) {
    const ChecksumAlgorithm = options.ChecksumAlgorithm;
    const part = await s3.send(
      new UploadPartCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber: index + 1,
        Body,
        ...(ChecksumAlgorithm ? { ChecksumAlgorithm } : {}),
      }),
    );
    const { ETag, ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 } = part;
    parts.push({
      PartNumber: index + 1,
      ETag,
      ChecksumCRC32,
      ChecksumCRC32C,
      ChecksumCRC64NVME,
      ChecksumSHA1,
      ChecksumSHA256,
    });
  }
  return { Key, UploadId: UploadId as string, parts };
}

const complete = ({ Key, UploadId }: Started, Parts: CompletedPart[], extra = {}) =>
  s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...extra }));
const two = () => [randomBytes(2 * KIB), randomBytes(2 * KIB)];

describe("completing", () => {
  test("refuses wrong order, unknown parts, wrong ETags and wrong checksums, and the upload stays", async () => {
    const upload = await begin(two());
    const [first, second] = upload.parts as [CompletedPart, CompletedPart];
    await expect(complete(upload, [second, first])).rejects.toMatchObject({ name: "InvalidPartOrder" });
    await expect(complete(upload, [first, first])).rejects.toMatchObject({ name: "InvalidPartOrder" });
    await expect(complete(upload, [first, { ...second, PartNumber: 3 }])).rejects.toMatchObject({
      name: "InvalidPart",
    });
    await expect(complete(upload, [first, { ...second, ETag: first.ETag }])).rejects.toMatchObject({
      name: "InvalidPart",
    });
    await expect(complete(upload, [first, { ...second, ChecksumCRC32: first.ChecksumCRC32 }])).rejects.toMatchObject({
      name: "InvalidPart",
    });
    await expect(complete(upload, [first, { ...second, ChecksumCRC32: undefined }])).rejects.toMatchObject({
      name: "InvalidRequest",
      message: expect.stringContaining("missing for part 2"),
    });
    await expect(complete(upload, [])).rejects.toMatchObject({ name: "MalformedXML" });
    await complete(upload, upload.parts);
  });

  test("refuses a small part before the last", async () => {
    const upload = await begin([randomBytes(KIB - 1), randomBytes(1)]);
    await expect(complete(upload, upload.parts)).rejects.toMatchObject({ name: "EntityTooSmall" });
    await complete(upload, upload.parts.slice(1));
  });

  test("refuses a size, a checksum or a checksum type that is not the object's", async () => {
    const upload = await begin(two(), { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
    await expect(complete(upload, upload.parts, { MpuObjectSize: 1 })).rejects.toMatchObject({
      name: "InvalidRequest",
    });
    await expect(complete(upload, upload.parts, { ChecksumCRC32: "AAAAAA==" })).rejects.toMatchObject({
      name: "BadDigest",
    });
    await expect(complete(upload, upload.parts, { ChecksumType: "COMPOSITE" })).rejects.toMatchObject({
      name: "InvalidRequest",
    });
    await expect(
      complete(upload, upload.parts, { ChecksumSHA256: Buffer.alloc(32).toString("base64") }),
    ).rejects.toMatchObject({ name: "InvalidRequest" });
    await complete(upload, upload.parts, { MpuObjectSize: 4 * KIB, ChecksumType: "FULL_OBJECT" });
  });

  test("uses only the parts listed, and the last upload of each", async () => {
    const upload = await begin([...two(), randomBytes(10)]);
    const Body = Buffer.alloc(3 * KIB, "x");
    const again = await s3.send(
      new UploadPartCommand({ Bucket, Key: upload.Key, UploadId: upload.UploadId, PartNumber: 1, Body }),
    );
    await expect(complete(upload, upload.parts)).rejects.toMatchObject({ name: "InvalidPart" });
    await complete(upload, [{ PartNumber: 1, ETag: again.ETag, ChecksumCRC32: again.ChecksumCRC32 }]);
    expect((await sandbox.object(Bucket, upload.Key))?.body.equals(Body)).toBe(true);
    expect(sandbox.multipartUploads(Bucket).filter((open) => open.key === upload.Key)).toEqual([]);
  });

  test("If-None-Match and If-Match guard the result", async () => {
    const upload = await begin(two());
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: upload.Key, Body: "there first" }));
    await expect(complete(upload, upload.parts, { IfNoneMatch: "*" })).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    await expect(complete(upload, upload.parts, { IfMatch: '"other"' })).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    await complete(upload, upload.parts, { IfMatch: ETag });
  });

  test("repeating it answers the same while the parts are the same", async () => {
    const upload = await begin(two());
    const done = await complete(upload, upload.parts);
    expect((await complete(upload, upload.parts)).ETag).toBe(done.ETag);
    await expect(complete(upload, upload.parts.slice(0, 1))).rejects.toMatchObject({ name: "NoSuchUpload" });
    await s3.send(new DeleteObjectCommand({ Bucket, Key: upload.Key }));
    await complete(upload, upload.parts);
    await expect(s3.send(new HeadObjectCommand({ Bucket, Key: upload.Key }))).rejects.toMatchObject({
      name: "NotFound",
    });
  });
});

describe("checksums", () => {
  test.each(["CRC32", "CRC32C", "CRC64NVME"] as const)(
    "%s of the whole object is combined from the parts",
    async (ChecksumAlgorithm) => {
      const bodies = [randomBytes(5000), randomBytes(5000), randomBytes(1), randomBytes(0)];
      const upload = await begin([bodies[0]!, bodies[1]!, bodies[2]!], {
        ChecksumAlgorithm,
        ChecksumType: "FULL_OBJECT",
      });
      const done = await complete(upload, upload.parts);
      const single = await s3.send(
        new PutObjectCommand({ Bucket, Key: "single", Body: Buffer.concat(bodies), ChecksumAlgorithm }),
      );
      expect(done[`Checksum${ChecksumAlgorithm}`]).toBe(single[`Checksum${ChecksumAlgorithm}`]);
      expect(done.ChecksumType).toBe("FULL_OBJECT");
      // The SDK verifies a full-object checksum while it reads.
      await (await s3.send(new GetObjectCommand({ Bucket, Key: upload.Key }))).Body!.transformToByteArray();
    },
  );

  test("a composite checksum is that of the parts' checksums", async () => {
    const bodies = two();
    const upload = await begin(bodies, { ChecksumAlgorithm: "SHA256" });
    const done = await complete(upload, upload.parts);
    const sha = (data: Uint8Array): Buffer => createHash("sha256").update(data).digest();
    expect(done.ChecksumSHA256).toBe(`${sha(Buffer.concat(bodies.map(sha))).toString("base64")}-2`);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: upload.Key, ChecksumMode: "ENABLED" }));
    expect(head).toMatchObject({ ChecksumSHA256: done.ChecksumSHA256, ChecksumType: "COMPOSITE" });
  });

  test("a part must come with the upload's algorithm; a full-object upload may leave it to the server", async () => {
    const composite = await begin([], { ChecksumAlgorithm: "SHA256" });
    const sendPart = (upload: Started, headers: Record<string, string> = {}) =>
      send(sandbox, {
        path: `/${Bucket}/${upload.Key}`,
        query: [
          ["partNumber", "1"],
          ["uploadId", upload.UploadId],
        ],
        body: Buffer.from("x"),
        headers,
      });
    expect(await sendPart(composite)).toMatchObject({ status: 400, code: "InvalidRequest" });
    expect((await sendPart(composite, { "x-amz-checksum-crc32": "jNwbgw==" })).body.toString()).toContain(
      "expected checksum Type: sha256, actual checksum Type: crc32",
    );
    const full = await begin([], { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32("x"));
    expect((await sendPart(full)).headers["x-amz-checksum-crc32"]).toBe(sum.toString("base64"));
    expect(await sendPart(full, { "x-amz-checksum-crc32": "AAAAAA==" })).toMatchObject({ code: "BadDigest" });
    expect(await sendPart(full, { "x-amz-checksum-crc32": "short" })).toMatchObject({ code: "InvalidRequest" });
    expect(await sendPart(full, { "content-md5": "AAAAAAAAAAAAAAAAAAAAAA==" })).toMatchObject({ code: "BadDigest" });
    expect(await sendPart(full, { "content-md5": "short" })).toMatchObject({ code: "InvalidDigest" });
  });

  test("an upload without an algorithm takes the SDK's checksums, and wants them listed", async () => {
    const upload = await begin(two(), {});
    await expect(
      complete(
        upload,
        upload.parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag })),
      ),
    ).rejects.toMatchObject({ name: "InvalidPart" });
    expect((await complete(upload, upload.parts)).ChecksumCRC32).toBeUndefined();
  });

  test("types that S3 does not allow are refused", async () => {
    const create = (options: Partial<CreateMultipartUploadCommandInput>) =>
      s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "k", ...options }));
    await expect(create({ ChecksumAlgorithm: "SHA256", ChecksumType: "FULL_OBJECT" })).rejects.toMatchObject({
      name: "InvalidRequest",
    });
    await expect(create({ ChecksumAlgorithm: "CRC64NVME", ChecksumType: "COMPOSITE" })).rejects.toMatchObject({
      name: "InvalidRequest",
    });
    await expect(create({ ChecksumType: "FULL_OBJECT" })).rejects.toMatchObject({ name: "InvalidRequest" });
    await expect(create({ ChecksumAlgorithm: "XXHASH64" })).rejects.toMatchObject({ name: "NotImplemented" });
  });
});

describe("parts", () => {
  test("numbers run from 1 to 10,000 and need an upload of that key", async () => {
    const { Key, UploadId } = await begin([], { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
    const attempt = (partNumber: string, uploadId = UploadId, key = Key) =>
      send(sandbox, {
        path: `/${Bucket}/${key}`,
        query: [
          ["partNumber", partNumber],
          ["uploadId", uploadId],
        ],
        body: Buffer.from("x"),
      });
    for (const number of ["0", "10001", "-1", "1.5", "x"])
      expect(await attempt(number)).toMatchObject({ status: 400, code: "InvalidArgument" });
    expect(await attempt("10000")).toMatchObject({ status: 200 });
    expect(await attempt("1", "unknown")).toMatchObject({ status: 404, code: "NoSuchUpload" });
    expect(await attempt("1", UploadId, "other")).toMatchObject({ status: 404, code: "NoSuchUpload" });
  });

  test("1,205 of them are listed in pages, and complete", async () => {
    const { Key, UploadId } = await begin([], { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
    for (let first = 1; first <= 1205; first += 50) {
      const numbers = Array.from({ length: Math.min(50, 1206 - first) }, (_, index) => first + index);
      await Promise.all(
        numbers.map((number) =>
          send(sandbox, {
            path: `/${Bucket}/${Key}`,
            query: [
              ["partNumber", String(number)],
              ["uploadId", UploadId],
            ],
            body: Buffer.alloc(KIB, number),
          }),
        ),
      );
    }
    const list = async (MaxParts?: number): Promise<ListPartsCommandOutput[]> => {
      const pages: ListPartsCommandOutput[] = [];
      do {
        const PartNumberMarker = pages.at(-1)?.NextPartNumberMarker;
        pages.push(await s3.send(new ListPartsCommand({ Bucket, Key, UploadId, PartNumberMarker, MaxParts })));
      } while (pages.at(-1)?.IsTruncated);
      return pages;
    };
    const pages = await list();
    expect(pages.map((page) => [page.Parts?.length, page.IsTruncated, page.NextPartNumberMarker])).toEqual([
      [1000, true, "1000"],
      [205, false, "1205"],
    ]);
    const parts = pages.flatMap((page) => page.Parts ?? []);
    expect(parts.map((part) => part.PartNumber)).toEqual(Array.from({ length: 1205 }, (_, index) => index + 1));
    expect((await list(500)).map((page) => page.Parts?.length)).toEqual([500, 500, 205]);
    const past = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId, PartNumberMarker: "1205" }));
    expect(past).toMatchObject({ IsTruncated: false, NextPartNumberMarker: "0" });
    await complete({ Key, UploadId, parts: [] }, parts, { MpuObjectSize: 1205 * KIB });
    const body = (await sandbox.object(Bucket, Key))?.body;
    expect(body?.length).toBe(1205 * KIB);
    expect(body?.[1204 * KIB]).toBe(1205 & 0xff);
    const middle = await s3.send(new GetObjectCommand({ Bucket, Key, PartNumber: 700 }));
    expect(middle).toMatchObject({ PartsCount: 1205, ContentLength: KIB });
    expect((await middle.Body!.transformToByteArray())[0]).toBe(700 & 0xff);
    const range = await s3.send(new GetObjectCommand({ Bucket, Key, Range: `bytes=${KIB - 1}-${2 * KIB}` }));
    expect([...(await range.Body!.transformToByteArray())]).toEqual([1, ...Array(KIB).fill(2), 3]);
  });

  test("may be copied from an object, or a range of one", async () => {
    const body = randomBytes(5000);
    await s3.send(new PutObjectCommand({ Bucket, Key: "source", Body: body }));
    const upload = await begin([], { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
    const copy = (PartNumber: number, CopySourceRange?: string) =>
      s3.send(
        new UploadPartCopyCommand({
          Bucket,
          Key: upload.Key,
          UploadId: upload.UploadId,
          PartNumber,
          CopySource: `${Bucket}/source`,
          ...(CopySourceRange ? { CopySourceRange } : {}),
        }),
      );
    const whole = await copy(1);
    const range = await copy(2, "bytes=10-19");
    await expect(copy(3, "bytes=10-5000")).rejects.toMatchObject({ name: "InvalidArgument" });
    await complete(
      upload,
      [whole, range].map(({ CopyPartResult: part }, index) => ({
        PartNumber: index + 1,
        ETag: part?.ETag,
        ChecksumCRC32: part?.ChecksumCRC32,
      })),
    );
    const stored = await sandbox.object(Bucket, upload.Key);
    expect(stored?.body.equals(Buffer.concat([body, body.subarray(10, 20)]))).toBe(true);
    expect(
      (await (await s3.send(new GetObjectCommand({ Bucket, Key: upload.Key }))).Body!.transformToByteArray()).length,
    ).toBe(5010);
  });
});

describe("listing uploads", () => {
  test("pages by key and upload id, with prefix and delimiter", async () => {
    sandbox.createBucket("uploads");
    const keys = ["a", "a", "a", "d/1", "d/2", "e"];
    const ids: string[] = [];
    for (const Key of keys)
      ids.push((await s3.send(new CreateMultipartUploadCommand({ Bucket: "uploads", Key }))).UploadId as string);
    const list = (extra = {}) => s3.send(new ListMultipartUploadsCommand({ Bucket: "uploads", ...extra }));
    const seen: (string | undefined)[] = [];
    let markers = {};
    for (;;) {
      const page = await list({ MaxUploads: 2, ...markers });
      seen.push(...(page.Uploads ?? []).map((upload) => upload.UploadId));
      if (!page.IsTruncated) break;
      // The upload that the marker names may end between two pages.
      const path = `/uploads/${page.NextKeyMarker}`;
      if (page.NextKeyMarker === "a")
        await send(sandbox, { method: "DELETE", path, query: [["uploadId", page.NextUploadIdMarker as string]] });
      markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    }
    expect([...seen].sort()).toEqual([...ids].sort());
    const rolled = await list({ Delimiter: "/" });
    expect(rolled.CommonPrefixes).toEqual([{ Prefix: "d/" }]);
    expect(rolled.Uploads?.map((upload) => upload.Key)).toEqual(["a", "a", "e"]);
    expect((await list({ Prefix: "d/" })).Uploads?.map((upload) => upload.Key)).toEqual(["d/1", "d/2"]);
  });
});
