import { randomBytes } from "node:crypto";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FaultEffect, type Sandbox, startSandbox } from "../src/index.ts";
import { PATIENCE } from "./patience.ts";
import { raw, send } from "./signing.ts";

const Bucket = "bucket";
let sandbox: Sandbox;
let s3: S3Client;

beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [Bucket], minPartSize: 1 });
  s3 = new S3Client({ ...sandbox.clientConfig, maxAttempts: 1 });
});
afterEach(async () => {
  s3.destroy();
  await sandbox.close();
});

const put = (Key: string, Body: Uint8Array | string = "hello") => s3.send(new PutObjectCommand({ Bucket, Key, Body }));
const faultOn = (action: FaultEffect) => sandbox.fault({ operation: "PutObject", action });
const last = () => sandbox.requests.at(-1);

describe("answers instead of work", () => {
  test.each([
    ["InternalError", 500],
    ["SlowDown", 503],
    ["TooManyRequests", 429],
    ["AccessDenied", 403],
    ["ExpiredToken", 400],
    ["RequestTimeTooSkewed", 403],
    ["PermanentRedirect", 301],
    ["ConditionalRequestConflict", 409],
  ])("%s comes with its status", async (code, status) => {
    const fault = faultOn({ type: "respond", code, headers: { "retry-after": "1" } });
    const answer = await send(sandbox, { path: "/bucket/key", body: Buffer.from("hello") });
    expect(answer).toMatchObject({ status, code });
    expect(answer.headers["retry-after"]).toBe("1");
    expect(fault.fired).toBe(1);
    expect(last()).toMatchObject({ status, errorCode: code, fault: "respond", committed: false, outcome: "answered" });
    expect(await put("key")).toMatchObject({ $metadata: { httpStatusCode: 200 } });
  });

  test("any status and message may be given, and a large body still gets its answer", async () => {
    faultOn({ type: "respond", code: "Custom", status: 507, message: "no room" });
    await expect(put("big", randomBytes(4_000_000))).rejects.toMatchObject({
      name: "Custom",
      message: "no room",
      $metadata: { httpStatusCode: 507 },
    });
    expect(await sandbox.object(Bucket, "big")).toBeUndefined();
  });

  test("the SDK retries a SlowDown by itself", async () => {
    const fault = sandbox.fault({ operation: "PutObject", times: 2, action: { type: "respond", code: "SlowDown" } });
    const patient = new S3Client({ ...sandbox.clientConfig, maxAttempts: 3 });
    await patient.send(new PutObjectCommand({ Bucket, Key: "key", Body: "x" }));
    patient.destroy();
    expect(fault.fired).toBe(2);
    expect(sandbox.requests.map((request) => request.status)).toEqual([503, 503, 200]);
  });
});

describe("connections", () => {
  test("resetBefore does nothing and cuts", async () => {
    const fault = faultOn({ type: "resetBefore" });
    await expect(put("key")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(fault.fired).toBe(1);
    expect(last()).toMatchObject({ status: null, outcome: "reset", committed: false });
    expect(sandbox.objects(Bucket)).toEqual([]);
  });

  test("resetMidBody cuts an upload after some bytes", async () => {
    const fault = faultOn({ type: "resetMidBody", afterBytes: 1000 });
    await expect(put("key", randomBytes(3_000_000))).rejects.toThrow();
    expect(fault.fired).toBe(1);
    expect(last()?.bytesReceived).toBeGreaterThanOrEqual(1000);
    expect(last()).toMatchObject({ outcome: "reset", committed: false });
    expect(sandbox.objects(Bucket)).toEqual([]);
  });

  test("resetMidBody cuts a download after exactly that many bytes", async () => {
    await put("key", Buffer.alloc(500_000, "x"));
    const fault = sandbox.fault({ operation: "GetObject", action: { type: "resetMidBody", afterBytes: 1000 } });
    const answer = await s3.send(new GetObjectCommand({ Bucket, Key: "key" }));
    await expect(answer.Body!.transformToByteArray()).rejects.toThrow();
    expect(fault.fired).toBe(1);
    expect(last()).toMatchObject({ bytesSent: 1000, outcome: "reset" });
  });

  test("loseResponse commits and cuts", async () => {
    const fault = faultOn({ type: "loseResponse" });
    await expect(put("key")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(fault.fired).toBe(1);
    expect(last()).toMatchObject({ status: null, outcome: "reset", committed: true, fault: "loseResponse" });
    expect((await sandbox.object(Bucket, "key"))?.body.toString()).toBe("hello");
  });

  test.each([
    ["without the work", false],
    ["after the work", true],
  ])("silence %s never answers, and close() does not wait for it", async (_name, commit) => {
    const fault = faultOn({ type: "silence", commit });
    const answered = put("key").then(
      () => "answered",
      () => "failed",
    );
    await expect.poll(() => last()?.outcome, PATIENCE).toBe("silent");
    expect(fault.fired).toBe(1);
    expect(last()).toMatchObject({ status: null, committed: commit });
    expect(sandbox.objects(Bucket).length).toBe(commit ? 1 : 0);
    await sandbox.close();
    expect(await answered).toBe("failed");
  });

  test("delay waits, and close() cuts it short", async () => {
    const fault = faultOn({ type: "delay", ms: 5 });
    await put("key");
    expect(fault.fired).toBe(1);
    expect(last()).toMatchObject({ status: 200, fault: "delay" });
    faultOn({ type: "delay", ms: 3_600_000 });
    const answered = put("key").then(
      () => "answered",
      () => "failed",
    );
    await expect.poll(() => sandbox.requests.length, PATIENCE).toBe(2);
    await sandbox.close();
    expect(await answered).toBe("failed");
  });

  test("trickle sends the whole answer, byte by byte", async () => {
    await put("key", "hello");
    const fault = sandbox.fault({ operation: "GetObject", action: { type: "trickle", intervalMs: 0 } });
    const answer = await s3.send(new GetObjectCommand({ Bucket, Key: "key" }));
    expect(await answer.Body!.transformToString()).toBe("hello");
    expect(fault.fired).toBe(1);
    expect(last()).toMatchObject({ bytesSent: 5, outcome: "answered", fault: "trickle" });
  });
});

describe("lies", () => {
  test("wrongEtag and wrongChecksum change only the answer", async () => {
    const etag = faultOn({ type: "wrongEtag" });
    const checksum = faultOn({ type: "wrongChecksum" });
    const answer = await put("key");
    const stored = await sandbox.object(Bucket, "key");
    expect(answer.ETag).toMatch(/^"[0-9a-f]{32}"$/);
    expect(answer.ETag).not.toBe(`"${stored?.etag}"`);
    expect(answer.ChecksumCRC32).toHaveLength(8);
    expect(answer.ChecksumCRC32).not.toBe(stored?.checksum?.value);
    expect([etag.fired, checksum.fired]).toEqual([1, 1]);
    expect(last()?.fault).toBe("wrongEtag+wrongChecksum");
  });

  test("corruptByte on the way in is found by the checksum", async () => {
    const fault = faultOn({ type: "corruptByte", offset: 3 });
    await expect(put("key")).rejects.toMatchObject({ name: "BadDigest" });
    expect(fault.fired).toBe(1);
    expect(sandbox.objects(Bucket)).toEqual([]);
  });

  test("corruptByte without a checksum, or after it, is stored", async () => {
    faultOn({ type: "corruptByte" });
    await send(sandbox, { path: "/bucket/unchecked", body: Buffer.from("hello") });
    expect((await sandbox.object(Bucket, "unchecked"))?.body.toString()).toBe("iello");
    faultOn({ type: "corruptByte", offset: 4, stored: true });
    const { ETag } = await put("rotten");
    const stored = await sandbox.object(Bucket, "rotten");
    expect(stored?.body.toString()).toBe("helln");
    expect(`"${stored?.etag}"`).toBe(ETag);
    await expect(
      s3.send(new GetObjectCommand({ Bucket, Key: "rotten" })).then((got) => got.Body!.transformToString()),
    ).rejects.toThrow(/[Cc]hecksum/);
  });

  test("corruptByte on the way out is found by the SDK", async () => {
    await put("key", "hello");
    sandbox.fault({ operation: "GetObject", action: { type: "corruptByte", offset: 1 } });
    const read = async () => (await s3.send(new GetObjectCommand({ Bucket, Key: "key" }))).Body!.transformToString();
    await expect(read()).rejects.toThrow(/[Cc]hecksum/);
    expect(await read()).toBe("hello");
  });

  test.each([
    ["without the work", false],
    ["after the work", true],
  ])("okWithError %s", async (_name, commit) => {
    const Key = "assembled";
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const { ETag, ChecksumCRC32 } = await s3.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: "part" }),
    );
    const fault = sandbox.fault({ operation: "CompleteMultipartUpload", action: { type: "okWithError", commit } });
    const complete = new CompleteMultipartUploadCommand({
      Bucket,
      Key,
      UploadId,
      MultipartUpload: { Parts: [{ PartNumber: 1, ETag, ChecksumCRC32 }] },
    });
    await expect(s3.send(complete)).rejects.toMatchObject({ name: "InternalError" });
    expect(fault.fired).toBe(1);
    expect(last()).toMatchObject({ status: 200, errorCode: "InternalError", committed: commit });
    expect(sandbox.multipartUploads(Bucket)).toHaveLength(commit ? 0 : 1);
    expect((await s3.send(complete)).ETag).toMatch(/-1"$/);
  });

  test("okWithError on a copy, with a code of choice", async () => {
    await put("from");
    sandbox.fault({ operation: "CopyObject", action: { type: "okWithError", code: "SlowDown" } });
    const copy = () => s3.send(new CopyObjectCommand({ Bucket, Key: "to", CopySource: "bucket/from" }));
    await expect(copy()).rejects.toMatchObject({ name: "SlowDown" });
    await copy();
    expect((await sandbox.object(Bucket, "to"))?.body.toString()).toBe("hello");
  });
});

describe("which requests", () => {
  const statuses = () => sandbox.requests.map((request) => request.status);
  const slow = { type: "respond", code: "SlowDown" } as const;

  test("nth and times count matching requests only", async () => {
    const fault = sandbox.fault({ operation: "PutObject", key: /^a/, nth: 2, times: 2, action: slow });
    for (const key of ["a1", "b", "a2", "a3", "a4"]) await put(key).catch(() => {});
    expect(statuses()).toEqual([200, 200, 503, 503, 200]);
    expect(fault.fired).toBe(2);
  });

  test("operation list, bucket, key and part number all have to match", async () => {
    sandbox.createBucket("other");
    const fault = sandbox.fault({
      operation: ["UploadPart", "HeadObject"],
      bucket: Bucket,
      key: "k",
      partNumber: 2,
      times: Number.POSITIVE_INFINITY,
      action: slow,
    });
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "k" }));
    await s3.send(new UploadPartCommand({ Bucket, Key: "k", UploadId, PartNumber: 1, Body: "x" }));
    await expect(
      s3.send(new UploadPartCommand({ Bucket, Key: "k", UploadId, PartNumber: 2, Body: "x" })),
    ).rejects.toMatchObject({ name: "SlowDown" });
    await expect(s3.send(new HeadObjectCommand({ Bucket: "other", Key: "k" }))).rejects.toMatchObject({
      name: "NotFound",
    });
    expect(fault.fired).toBe(1);
    fault.remove();
    await s3.send(new UploadPartCommand({ Bucket, Key: "k", UploadId, PartNumber: 2, Body: "x" }));
  });

  test("probability is repeatable by its seed and goes on until removed", async () => {
    const run = async (seed: number): Promise<boolean[]> => {
      sandbox.clearRequests();
      const fault = sandbox.fault({ operation: "ListObjectsV2", probability: 0.5, seed, action: slow });
      for (let i = 0; i < 40; i++) await s3.send(new ListObjectsV2Command({ Bucket })).catch(() => {});
      fault.remove();
      const hits = sandbox.requests.map((request) => request.status === 503);
      expect(hits.filter(Boolean).length).toBe(fault.fired);
      return hits;
    };
    const first = await run(7);
    expect(first).toContain(true);
    expect(first).toContain(false);
    expect(await run(7)).toEqual(first);
    expect(await run(8)).not.toEqual(first);
  });

  test("a function decides per request and sees what it is", async () => {
    const seen: unknown[] = [];
    const fault = sandbox.fault({
      times: Number.POSITIVE_INFINITY,
      action: async ({ operation, key, headers }) => {
        seen.push([operation, key, headers.get("content-length")]);
        return key === "bad" ? slow : undefined;
      },
    });
    await put("good");
    await expect(put("bad")).rejects.toMatchObject({ name: "SlowDown" });
    expect(seen).toEqual([
      ["PutObject", "good", "5"],
      ["PutObject", "bad", "5"],
    ]);
    expect(fault.fired).toBe(2);
    expect(sandbox.requests.map((request) => request.fault)).toEqual([undefined, "respond"]);
  });

  test("faults combine, apply before authentication, and can all be cleared", async () => {
    sandbox.fault({ action: { type: "delay", ms: 1 } });
    sandbox.fault({ action: slow });
    expect(await raw(sandbox, { method: "GET", path: "/bucket" })).toMatchObject({ status: 503 });
    expect(last()).toMatchObject({ operation: "ListObjects", fault: "delay+respond" });
    sandbox.fault({ times: 100, action: slow });
    sandbox.clearFaults();
    await put("key");
  });
});
