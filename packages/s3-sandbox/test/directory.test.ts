import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_CREDENTIALS, type RequestRecord, type Sandbox, startSandbox } from "../src/index.ts";
import { PATIENCE } from "./patience.ts";
import { startProcess } from "./process.ts";
import { send } from "./signing.ts";

const Bucket = "bucket";
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "s3-sandbox-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const start = () => startSandbox({ storage: { directory }, buckets: [Bucket], minPartSize: 1 });

function blobs(): string[] {
  return readdirSync(join(directory, "blobs"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function withClient<T>(sandbox: Sandbox, use: (s3: S3Client) => Promise<T>): Promise<T> {
  const s3 = new S3Client(sandbox.clientConfig);
  try {
    return await use(s3);
  } finally {
    s3.destroy();
  }
}

describe("a restart on the same directory", () => {
  test("keeps objects, their metadata, and unfinished uploads with their parts", async () => {
    const big = randomBytes(700_000);
    const part = randomBytes(200_000);
    let UploadId: string | undefined;
    let parts: unknown;
    const before = await start();
    await withClient(before, async (s3) => {
      await s3.send(
        new PutObjectCommand({
          Bucket,
          Key: "small",
          Body: "s",
          Metadata: { a: "b" },
          Tagging: "t=1",
          CacheControl: "no-store",
        }),
      );
      await s3.send(new PutObjectCommand({ Bucket, Key: "big", Body: big }));
      await s3.send(new PutObjectCommand({ Bucket, Key: "empty", Body: "" }));
      ({ UploadId } = await s3.send(
        new CreateMultipartUploadCommand({
          Bucket,
          Key: "mp",
          ChecksumAlgorithm: "CRC32",
          ChecksumType: "FULL_OBJECT",
        }),
      ));
      for (const PartNumber of [1, 2])
        await s3.send(new UploadPartCommand({ Bucket, Key: "mp", UploadId, PartNumber, Body: part }));
      parts = (await s3.send(new ListPartsCommand({ Bucket, Key: "mp", UploadId }))).Parts;
    });
    const objects = before.objects(Bucket);
    await before.close();

    await using after = await start();
    expect(after.objects(Bucket)).toEqual(objects);
    expect(objects.find((object) => object.key === "small")).toMatchObject({
      metadata: { a: "b" },
      tags: { t: "1" },
      headers: { "cache-control": "no-store" },
    });
    expect((await after.object(Bucket, "big"))?.body.equals(big)).toBe(true);
    expect((await after.object(Bucket, "empty"))?.body.length).toBe(0);
    await withClient(after, async (s3) => {
      const listed = await s3.send(new ListPartsCommand({ Bucket, Key: "mp", UploadId }));
      expect(listed.Parts).toEqual(parts);
      const complete = new CompleteMultipartUploadCommand({
        Bucket,
        Key: "mp",
        UploadId,
        MultipartUpload: { Parts: listed.Parts! },
      });
      const { ETag } = await s3.send(complete);
      expect((await after.object(Bucket, "mp"))?.body.equals(Buffer.concat([part, part]))).toBe(true);
      await after.close();
      await using third = await start();
      // The answer to a Complete may have been lost; asking again must work across a restart too.
      await withClient(third, async (again) => expect((await again.send(complete)).ETag).toBe(ETag));
    });
  });

  test("frees bytes of what was overwritten, deleted or copied away, and sweeps leftovers", async () => {
    const first = await start();
    await withClient(first, async (s3) => {
      await s3.send(new PutObjectCommand({ Bucket, Key: "a", Body: "one" }));
      await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/a` }));
      expect(blobs()).toHaveLength(1);
      await s3.send(new PutObjectCommand({ Bucket, Key: "a", Body: "two" }));
      expect(blobs()).toHaveLength(2);
    });
    await send(first, { method: "DELETE", path: `/${Bucket}/copy` });
    expect(blobs()).toHaveLength(1);
    await first.close();
    writeFileSync(join(directory, "incoming", "half"), "left by a kill");
    writeFileSync(`${blobs()[0]}0`, "renamed, but never recorded");
    await using second = await start();
    expect(blobs()).toHaveLength(1);
    expect(readdirSync(join(directory, "incoming"))).toEqual([]);
    expect((await second.object(Bucket, "a"))?.body.toString()).toBe("two");
  });

  test("a download goes on while its object is overwritten", async () => {
    await using sandbox = await start();
    const old = randomBytes(3_000_000);
    await withClient(sandbox, async (s3) => {
      await s3.send(new PutObjectCommand({ Bucket, Key: "k", Body: old }));
      const answer = await s3.send(new GetObjectCommand({ Bucket, Key: "k" }));
      await s3.send(new PutObjectCommand({ Bucket, Key: "k", Body: "new" }));
      expect(Buffer.from(await answer.Body!.transformToByteArray()).equals(old)).toBe(true);
      await expect.poll(() => blobs().length, PATIENCE).toBe(1);
    });
  });

  test("a torn last line is cut off, and the journal goes on", async () => {
    const first = await start();
    await send(first, { path: `/${Bucket}/a`, body: Buffer.from("1") });
    await first.close();
    appendFileSync(join(directory, "journal.jsonl"), '{"type":"objectDeleted","buck');
    const second = await start();
    await send(second, { path: `/${Bucket}/b`, body: Buffer.from("2") });
    await second.close();
    await using third = await start();
    expect(third.objects(Bucket).map((object) => object.key)).toEqual(["a", "b"]);
  });

  test("a long journal is compacted without losing anything", async () => {
    const first = await start();
    await withClient(first, (s3) => s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "mp" })));
    await send(first, { path: `/${Bucket}/k`, body: Buffer.from("kept") });
    const objects = first.objects(Bucket);
    const uploads = first.multipartUploads(Bucket);
    await first.close();
    const path = join(directory, "journal.jsonl");
    const change = { type: "objectTagged", bucket: Bucket, key: "k", tags: {} };
    appendFileSync(path, `${JSON.stringify(change)}\n`.repeat(2100));
    const size = statSync(path).size;
    await (await start()).close();
    expect(statSync(path).size).toBeLessThan(size / 50);
    const third = await start();
    await send(third, { path: `/${Bucket}/later`, body: Buffer.from("x") });
    await third.close();
    await using fourth = await start();
    expect(fourth.objects(Bucket).filter((object) => object.key !== "later")).toEqual(objects);
    expect(fourth.multipartUploads(Bucket)).toEqual(uploads);
    expect((await fourth.object(Bucket, "k"))?.body.toString()).toBe("kept");
  });
});

describe("refusals", () => {
  test("a directory in use, by this process or another", async () => {
    const first = await start();
    await expect(start()).rejects.toMatchObject({ code: "SANDBOX_DIRECTORY_IN_USE" });
    await first.close();
    await using other = await startProcess(["--directory", directory]);
    await expect(start()).rejects.toMatchObject({
      code: "SANDBOX_DIRECTORY_IN_USE",
      message: expect.stringContaining(String(other.child.pid)),
    });
  });

  test.each([
    ["a foreign file", "hello\n", "SANDBOX_DIRECTORY_CORRUPT"],
    ["a broken line", '{"format":"s3-sandbox-journal","version":1}\n{"type":\n', "SANDBOX_DIRECTORY_CORRUPT"],
    [
      "a change to nothing",
      '{"format":"s3-sandbox-journal","version":1}\n{"type":"objectDeleted","bucket":"b","key":"k"}\n',
      "SANDBOX_DIRECTORY_CORRUPT",
    ],
    ["a newer format", '{"format":"s3-sandbox-journal","version":2}\n', "SANDBOX_DIRECTORY_UNSUPPORTED"],
  ])("a journal with %s, which is left as it is", async (_name, content, code) => {
    const path = join(directory, "journal.jsonl");
    writeFileSync(path, content);
    await expect(start()).rejects.toMatchObject({ code });
    expect(readFileSync(path, "utf8")).toBe(content);
    expect(readdirSync(directory)).not.toContain("lock");
  });

  test("an impossible bucket name, with everything closed again", async () => {
    await expect(startSandbox({ storage: { directory }, buckets: ["No_Bucket"] })).rejects.toMatchObject({
      code: "SANDBOX_INVALID_OPTION",
    });
    await (await start()).close();
  });
});

describe("SIGKILL", () => {
  test("at any moment loses nothing acknowledged and keeps nothing half-written", async () => {
    const requestLog = join(directory, "requests.jsonl");
    const args = ["--directory", join(directory, "data"), "--bucket", Bucket, "--request-log", requestLog];
    const acknowledged = new Map<string, string>();
    const digest = (body: Uint8Array): string => createHash("md5").update(body).digest("hex");
    for (let round = 0; round < 4; round++) {
      await using server = await startProcess(args);
      const killed = new AbortController();
      const writer = async (lane: number): Promise<void> => {
        for (let i = 0; !killed.signal.aborted; i++) {
          const key = `r${round}-${lane}-${i % 5}`;
          const body = randomBytes(lane === 0 ? 400_000 : 2000);
          // While the answer is out, either version may be the one that is there.
          const answer = await send(server.address, { path: `/${Bucket}/${key}`, body }).catch(() => undefined);
          if (answer?.status === 200) acknowledged.set(key, digest(body));
          else acknowledged.delete(key);
        }
      };
      const writers = [0, 1, 2].map(writer);
      const already = acknowledged.size;
      await expect.poll(() => acknowledged.size, PATIENCE).toBeGreaterThanOrEqual(already + 4 + round);
      await server.stop("SIGKILL");
      killed.abort();
      await Promise.all(writers);
    }
    await using server = await startProcess(args);
    const s3 = new S3Client({
      endpoint: server.endpoint,
      region: "us-east-1",
      credentials: DEFAULT_CREDENTIALS,
      forcePathStyle: true,
    });
    for (const [Key, etag] of acknowledged) {
      const answer = await s3.send(new GetObjectCommand({ Bucket, Key }));
      expect(digest(await answer.Body!.transformToByteArray())).toBe(etag);
    }
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket }));
    for (const { Key, ETag } of Contents ?? []) {
      const answer = await s3.send(new GetObjectCommand({ Bucket, Key }));
      expect(`"${digest(await answer.Body!.transformToByteArray())}"`).toBe(ETag);
    }
    s3.destroy();
    expect(Contents?.length).toBeGreaterThanOrEqual(acknowledged.size);
    expect(acknowledged.size).toBeGreaterThanOrEqual(16);
    const answered = readFileSync(requestLog, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as RequestRecord);
    for (const key of acknowledged.keys())
      expect(answered.some((record) => record.key === key && record.status === 200)).toBe(true);
  });

  test("in the middle of a multipart upload leaves its finished parts usable", async () => {
    const args = ["--directory", directory, "--bucket", Bucket];
    const config = { region: "us-east-1", credentials: DEFAULT_CREDENTIALS, forcePathStyle: true };
    const body = randomBytes(5 * 1024 * 1024);
    await using first = await startProcess(args);
    const s3 = new S3Client({ ...config, endpoint: first.endpoint, maxAttempts: 1 });
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key: "k", ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" }),
    );
    const sendPart = (client: S3Client, PartNumber: number) =>
      client.send(new UploadPartCommand({ Bucket, Key: "k", UploadId, PartNumber, Body: body }));
    await sendPart(s3, 1);
    const cut = sendPart(s3, 2).catch(() => "cut");
    await first.stop("SIGKILL");
    await cut;
    s3.destroy();
    await using second = await startProcess(args);
    const again = new S3Client({ ...config, endpoint: second.endpoint });
    expect((await again.send(new ListPartsCommand({ Bucket, Key: "k", UploadId }))).Parts?.[0]).toMatchObject({
      PartNumber: 1,
      Size: body.length,
    });
    await sendPart(again, 2);
    const { Parts } = await again.send(new ListPartsCommand({ Bucket, Key: "k", UploadId }));
    const done = await again.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key: "k",
        UploadId,
        MpuObjectSize: body.length * 2,
        MultipartUpload: { Parts: Parts! },
      }),
    );
    expect(done.ETag).toMatch(/-2"$/);
    again.destroy();
  });
});
