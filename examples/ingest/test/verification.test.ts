import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CopyObjectCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { systemClock, UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { MemoryStateStore } from "@bucketline/core/testing";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { rawKey } from "@bucketline/steps";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dropFile } from "../src/samples.ts";
import { ingestSteps } from "../src/steps.ts";
import { verifyObjects } from "../src/verification.ts";

const keys = rawKey({ id: "one", key: randomBytes(32) });
const NAMES = ["a.txt", "b.txt", "c.txt"];
const upload = { id: "drop", folder: "" };

let folder: string;
let sandbox: Sandbox;
let s3: S3Client;
let service: UploadService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bucketline-ingest-verify-"));
  const drop = await mkdtemp(join(folder, "drop-"));
  upload.folder = drop;
  sandbox = await startSandbox({ buckets: ["ingest"] });
  s3 = new S3Client(sandbox.clientConfig);
  service = new UploadService({
    state: new MemoryStateStore({ clock: systemClock }),
    objects: new S3ObjectStore(sandbox.clientConfig),
    pipelines: { ingest: ingestSteps(keys, undefined) },
    spool: { folder: join(folder, "spool") },
  });
  for (const name of NAMES) await dropFile(drop, { path: name, content: Buffer.from(`This is ${name}.`) });
  await service.start();
  await service.register({
    id: "drop",
    sourceFolder: drop,
    bucket: "ingest",
    mode: "once",
    drop: {},
    pipeline: "ingest",
  });
  await service.finished("drop");
});

afterEach(async () => {
  s3.destroy();
  await service.stop();
  await sandbox.close();
  await rm(folder, { recursive: true, force: true });
});

const keyOf = (name: string) => `drop/${name}.gz.enc`;
const verify = () => verifyObjects(service, upload, { client: sandbox.clientConfig, bucket: "ingest" }, keys);

test("objects that are what was dropped are the same", async () => {
  expect(await verify()).toEqual({ same: 3, wrong: [] });
});

test("an object of another file, a missing one, a foreign one and a changed file are all found", async () => {
  await s3.send(
    new CopyObjectCommand({ Bucket: "ingest", Key: keyOf("a.txt"), CopySource: `ingest/${keyOf("b.txt")}` }),
  );
  await s3.send(new DeleteObjectCommand({ Bucket: "ingest", Key: keyOf("b.txt") }));
  await s3.send(new PutObjectCommand({ Bucket: "ingest", Key: "drop/foreign", Body: "foreign" }));
  await writeFile(join(upload.folder, "done", "c.txt"), "This is another.");
  const { same, wrong } = await verify();
  expect(same).toBe(0);
  expect(wrong.toSorted()).toEqual([keyOf("a.txt"), keyOf("b.txt"), keyOf("c.txt"), "drop/foreign"].toSorted());
});

test("objects of another key are not the same", async () => {
  const others = rawKey({ id: "two", key: randomBytes(32) });
  const found = await verifyObjects(service, upload, { client: sandbox.clientConfig, bucket: "ingest" }, others);
  expect(found).toEqual({ same: 0, wrong: NAMES.map(keyOf) });
});
