import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";
import {
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../src/index.ts";
import { raw, send, signHeaders, signingFor } from "./signing.ts";

const Bucket = "bucket";
let sandbox: Sandbox;
let s3: S3Client;

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [Bucket] });
  s3 = new S3Client({ ...sandbox.clientConfig, maxAttempts: 1 });
});
afterAll(async () => {
  s3.destroy();
  await sandbox.close();
});

const put = (Key: string, extra: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: "0123456789", ...extra }));
const get = (Key: string, extra: Partial<GetObjectCommandInput> = {}) =>
  s3.send(new GetObjectCommand({ Bucket, Key, ...extra }));
const text = async (answer: Promise<{ Body?: { transformToString(): Promise<string> } }>) =>
  (await answer).Body!.transformToString();

describe("reading", () => {
  test.each([
    ["bytes=2-4", "234", "bytes 2-4/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=-100", "0123456789", "bytes 0-9/10"],
    ["bytes=8-100", "89", "bytes 8-9/10"],
  ])("range %s", async (Range, body, ContentRange) => {
    await put("ranged");
    const answer = await get("ranged", { Range });
    expect(answer).toMatchObject({ ContentRange, ContentLength: body.length, $metadata: { httpStatusCode: 206 } });
    expect(await answer.Body!.transformToString()).toBe(body);
    expect(await s3.send(new HeadObjectCommand({ Bucket, Key: "ranged", Range }))).toMatchObject({
      ContentRange,
      ContentLength: body.length,
    });
  });

  test("a range past the end is refused; an odd one is ignored", async () => {
    await put("ranged");
    await expect(get("ranged", { Range: "bytes=10-" })).rejects.toMatchObject({
      name: "InvalidRange",
      $metadata: { httpStatusCode: 416 },
    });
    expect(await text(get("ranged", { Range: "bytes=4-2" }))).toBe("0123456789");
    await put("empty", { Body: "" });
    expect(await text(get("empty"))).toBe("");
    await expect(get("empty", { Range: "bytes=-1" })).rejects.toMatchObject({ name: "InvalidRange" });
  });

  test("conditions answer 304 or 412", async () => {
    const { ETag } = await put("conditional");
    const hour = 3_600_000;
    const [earlier, later] = [new Date(Date.now() - hour), new Date(Date.now() + hour)];
    expect(await text(get("conditional", { IfMatch: ETag, IfUnmodifiedSince: earlier }))).toBe("0123456789");
    for (const input of [{ IfNoneMatch: ETag }, { IfModifiedSince: later }]) {
      await expect(get("conditional", input)).rejects.toMatchObject({ $metadata: { httpStatusCode: 304 } });
    }
    for (const input of [{ IfMatch: '"x"' }, { IfUnmodifiedSince: earlier }]) {
      await expect(get("conditional", input)).rejects.toMatchObject({
        name: "PreconditionFailed",
        $metadata: { httpStatusCode: 412 },
      });
    }
    expect(await text(get("conditional", { IfNoneMatch: '"x"', IfModifiedSince: later }))).toBe("0123456789");
  });

  test("response- parameters override headers; errors to HEAD have no body", async () => {
    await put("overridden", { ContentType: "text/plain" });
    expect((await get("overridden", { ResponseContentType: "text/csv" })).ContentType).toBe("text/csv");
    const answer = await send(sandbox, { method: "HEAD", path: `/${Bucket}/absent` });
    expect(answer).toMatchObject({ status: 404 });
    expect(answer.body.length).toBe(0);
    expect(answer.headers["x-amz-request-id"]).toMatch(/^[0-9A-F]{16}$/);
  });
});

describe("writing", () => {
  test("keeps headers, metadata, tags, storage class and encryption", async () => {
    const answer = await put("kept", {
      ContentType: "text/html",
      ContentEncoding: "gzip",
      ContentLanguage: "de",
      ContentDisposition: "attachment",
      StorageClass: "STANDARD_IA",
      Metadata: { "mtime-ms": "1" },
      Tagging: "a=1&b=%C3%BC",
      ServerSideEncryption: "AES256",
    });
    expect(answer.ServerSideEncryption).toBe("AES256");
    expect(await s3.send(new HeadObjectCommand({ Bucket, Key: "kept" }))).toMatchObject({
      ContentType: "text/html",
      ContentEncoding: "gzip",
      ContentLanguage: "de",
      ContentDisposition: "attachment",
      StorageClass: "STANDARD_IA",
      Metadata: { "mtime-ms": "1" },
      ServerSideEncryption: "AES256",
    });
    expect((await sandbox.object(Bucket, "kept"))?.tags).toEqual({ a: "1", b: "ü" });
    expect((await get("kept")).TagCount).toBe(2);
  });

  test("KMS keys make the ETag something other than the MD5", async () => {
    const md5 = createHash("md5").update("0123456789").digest("hex");
    expect((await put("plain")).ETag).toBe(`"${md5}"`);
    const kms = await put("kms", { ServerSideEncryption: "aws:kms", SSEKMSKeyId: "key" });
    expect(kms).toMatchObject({ ServerSideEncryption: "aws:kms", SSEKMSKeyId: "key" });
    expect(kms.ETag).not.toBe(`"${md5}"`);
  });

  test("customer keys must come again to read", async () => {
    const key = randomBytes(32);
    const sse = {
      SSECustomerAlgorithm: "AES256",
      SSECustomerKey: key.toString("base64"),
      SSECustomerKeyMD5: createHash("md5").update(key).digest("base64"),
    };
    await put("secret", sse);
    expect(await text(get("secret", sse))).toBe("0123456789");
    await expect(get("secret")).rejects.toMatchObject({ name: "InvalidRequest" });
  });

  test.each([
    ["a key over 1,024 bytes", { Key: "ü".repeat(513) }, "KeyTooLongError"],
    ["metadata over 2 KB", { Metadata: { a: "x".repeat(2048) } }, "MetadataTooLarge"],
    ["an unknown storage class", { StorageClass: "FAST" as never }, "InvalidStorageClass"],
    [
      "eleven tags",
      {
        Tagging: "abcdefghijk"
          .split("")
          .map((tag) => `${tag}=1`)
          .join("&"),
      },
      "InvalidTag",
    ],
    ["another bucket owner", { ExpectedBucketOwner: "000000000000" }, "AccessDenied"],
    ["a bucket that is not there", { Bucket: "absent" }, "NoSuchBucket"],
  ])("%s is refused", async (_name, extra, name) => {
    await expect(put("refused", extra)).rejects.toMatchObject({ name });
    expect(await sandbox.object(Bucket, "refused")).toBeUndefined();
  });

  test("the right bucket owner, the longest key and 2 KB of metadata are fine", async () => {
    await put("ü".repeat(512), { ExpectedBucketOwner: "123456789012", Metadata: { a: "x".repeat(2047) } });
  });

  test("digests are checked, whichever way they come", async () => {
    const body = Buffer.from("hello");
    const attempt = (headers: Record<string, string>) => send(sandbox, { path: `/${Bucket}/digest`, body, headers });
    const sha256 = createHash("sha256").update(body).digest("base64");
    expect((await attempt({ "x-amz-checksum-sha256": sha256 })).headers).toMatchObject({
      "x-amz-checksum-sha256": sha256,
      "x-amz-checksum-type": "FULL_OBJECT",
    });
    expect(await attempt({ "content-md5": createHash("md5").update(body).digest("base64") })).toMatchObject({
      status: 200,
    });
    const zero = (bytes: number): string => Buffer.alloc(bytes).toString("base64");
    expect(await attempt({ "content-md5": zero(16) })).toMatchObject({ status: 400, code: "BadDigest" });
    expect(await attempt({ "content-md5": "no" })).toMatchObject({ status: 400, code: "InvalidDigest" });
    for (const [name, bytes] of [
      ["crc32", 4],
      ["crc32c", 4],
      ["crc64nvme", 8],
      ["sha1", 20],
      ["sha256", 32],
    ] as const) {
      expect(await attempt({ [`x-amz-checksum-${name}`]: zero(bytes) })).toMatchObject({
        status: 400,
        code: "BadDigest",
      });
      expect(await attempt({ [`x-amz-checksum-${name}`]: zero(bytes + 1) })).toMatchObject({
        status: 400,
        code: "InvalidRequest",
      });
    }
    expect(await attempt({ "x-amz-checksum-sha256": sha256, "x-amz-checksum-crc32": zero(4) })).toMatchObject({
      code: "InvalidRequest",
    });
    expect(await attempt({ "x-amz-sdk-checksum-algorithm": "CRC32" })).toMatchObject({ code: "InvalidRequest" });
    expect(await attempt({ "x-amz-checksum-sha3": "x" })).toMatchObject({ code: "InvalidRequest" });
  });

  test("lengths are needed and limited", async () => {
    const path = `/${Bucket}/length`;
    const headersFor = (extra: Record<string, string>) =>
      signHeaders(signingFor(sandbox), {
        method: "PUT",
        path,
        headers: { host: `127.0.0.1:${sandbox.port}` },
        payloadHash: "UNSIGNED-PAYLOAD",
        ...extra,
      }).headers;
    expect(
      await raw(sandbox, {
        method: "PUT",
        path,
        headers: { ...headersFor({}), "transfer-encoding": "chunked" },
        body: Buffer.from("x"),
      }),
    ).toMatchObject({ status: 501, code: "NotImplemented" });
    const huge = request({
      port: sandbox.port,
      method: "PUT",
      path,
      agent: false,
      headers: { ...headersFor({}), "content-length": String(6 * 1024 ** 3), expect: "100-continue" },
    });
    const answer = await new Promise<{ statusCode?: number }>((resolve, reject) => {
      huge
        .on("response", resolve)
        .on("error", reject)
        .on("continue", () => reject(new Error("asked for the body")));
      huge.flushHeaders();
    });
    huge.destroy();
    expect(answer.statusCode).toBe(400);
    expect(sandbox.requests.at(-1)?.errorCode).toBe("EntityTooLarge");
  });

  test("100 Continue comes for a good request only", async () => {
    const path = `/${Bucket}/continued`;
    const { headers } = signHeaders(signingFor(sandbox), {
      method: "PUT",
      path,
      headers: { host: `127.0.0.1:${sandbox.port}` },
      payloadHash: "UNSIGNED-PAYLOAD",
    });
    const attempt = (authorization: string): Promise<[number | undefined, boolean]> =>
      new Promise((resolve, reject) => {
        let continued = false;
        const outgoing = request({
          port: sandbox.port,
          method: "PUT",
          path,
          agent: false,
          headers: { ...headers, authorization, "content-length": "2", expect: "100-continue" },
        });
        outgoing.on("continue", () => {
          continued = true;
          outgoing.end("ok");
        });
        outgoing.on("response", (response) => {
          response.resume();
          resolve([response.statusCode, continued]);
          if (!continued) outgoing.destroy();
        });
        outgoing.on("error", reject);
        outgoing.flushHeaders();
      });
    expect(await attempt(headers.authorization as string)).toEqual([200, true]);
    expect(await attempt(`${headers.authorization}0`)).toEqual([403, false]);
  });
});
