import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  CopyObjectCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import { type Finding, UploadService } from "../src/index.ts";
import { S3ObjectStore } from "../src/s3/index.ts";
import { MemoryStateStore } from "../src/testing/index.ts";

const BUCKET = "bucket";
const BIG = Buffer.alloc(5 * 1024 ** 2 + 1, "0123456789");
const FILES: Readonly<Record<string, Buffer | string>> = {
  big: BIG,
  "plain.txt": "plain",
  "moved.txt": "moved",
  "same size.txt": "abc",
  "folder/ü + %2F?.txt": "hostile",
  "folder/\u{1f5fb}": "mountain",
  "folder/\uff5e": "wave",
  "kept&.xml": "<kept>",
};
const CLEAN = { uploadId: "u", checkedFiles: 8, missing: 0, different: 0, extra: 0, requeued: 0 };

let sandbox: Sandbox;
let folder: string;
let service: UploadService;
let client: S3Client;

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  folder = await mkdtemp(join(tmpdir(), "bucketline-verification-"));
  for (const [path, content] of Object.entries(FILES)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  const objects = new S3ObjectStore(sandbox.clientConfig);
  const state = new MemoryStateStore({ clock: systemClock });
  service = new UploadService({ state, objects, chunkSize: 5 * 1024 ** 2 });
  client = new S3Client(sandbox.clientConfig);
  await service.start();
  await service.register({ id: "u", sourceFolder: folder, bucket: BUCKET, mode: "once" });
  await service.finished("u");
});

afterAll(async () => {
  await service.stop();
  client.destroy();
  await sandbox.close();
  await rm(folder, { recursive: true });
});

const operations = () => sandbox.requests.map(({ operation }) => operation);

test("a bucket is compared, found wanting, and repaired, over the wire", async () => {
  sandbox.clearRequests();
  expect(await service.verify("u")).toEqual(CLEAN);
  expect(operations()).toEqual(["HeadBucket", "ListObjectsV2"]);
  expect(await service.verify("u", { deep: true })).toEqual(CLEAN);

  const at = (path: string) => ({ Bucket: BUCKET, Key: `u/${path}` });
  await client.send(new DeleteObjectCommand(at("plain.txt")));
  await client.send(new DeleteObjectCommand(at("folder/ü + %2F?.txt")));
  await client.send(new PutObjectCommand({ ...at("same size.txt"), Body: "xyz" }));
  await client.send(new PutObjectCommand({ ...at("big"), Body: BIG.subarray(1) }));
  await client.send(new PutObjectCommand({ ...at("folder/extra"), Body: "?" }));
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: "u2/other", Body: "another upload's" }));
  // Copied onto itself: the same bytes.
  const source = `${BUCKET}/u/moved.txt`;
  await client.send(
    new CopyObjectCommand({ ...at("moved.txt"), CopySource: source, MetadataDirective: "REPLACE", Metadata: {} }),
  );

  const findings: Finding[] = [];
  const report = await service.verify("u", { repair: true, onFinding: (finding) => void findings.push(finding) });
  expect(report).toEqual({ ...CLEAN, missing: 2, different: 2, extra: 1, requeued: 4 });
  expect(findings.map(({ kind, path, key }) => [kind, path, key]).sort()).toEqual([
    ["different", "big", "u/big"],
    ["different", "same size.txt", "u/same size.txt"],
    ["extra", null, "u/folder/extra"],
    ["missing", "folder/ü + %2F?.txt", "u/folder/ü + %2F?.txt"],
    ["missing", "plain.txt", "u/plain.txt"],
  ]);
  await service.finished("u");
  for (const [path, content] of Object.entries(FILES)) {
    const object = await sandbox.object(BUCKET, `u/${path}`);
    expect(Buffer.compare(object?.body ?? Buffer.alloc(0), Buffer.from(content)), path).toBe(0);
  }
  expect(await service.verify("u", { deep: true })).toEqual({ ...CLEAN, extra: 1 });
});

test("a bucket that is gone is an error, not a finding", async () => {
  for (const { key } of sandbox.objects(BUCKET))
    await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
  await client.send(new DeleteBucketCommand({ Bucket: BUCKET }));
  await expect(service.verify("u", { repair: true, deep: true })).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
  const files = await service.files("u");
  expect(files.map(({ state }) => state)).toEqual(files.map(() => "UPLOADED"));
});
