import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { FolderObjectStore } from "../src/store.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

test("the example runs, sends what the ledger does not have, and finds every object as it was sent", async () => {
  const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, MAIN]);
  expect(stderr).toBe("");
  expect(stdout.split("\n")).toEqual([
    "first run : 41 files sent, 3 parts; of 41 objects 0 missing, 0 different",
    "second run: 0 files sent, 0 parts; of 41 objects 0 missing, 0 different",
    "third run : 1 files sent, 0 parts; of 41 objects 0 missing, 0 different",
    "",
  ]);
});

test("a bucket's name does not lead out of the folder", async () => {
  const home = await mkdtemp(join(tmpdir(), "bucketline-folder-store-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  await new FolderObjectStore(home).createBucket("outside");
  await mkdir(join(home, "buckets"));
  const store = new FolderObjectStore(join(home, "buckets"));
  await expect(store.checkBucket({ bucket: "../outside" })).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
  await expect(store.createBucket("../outside")).rejects.toMatchObject({ code: "OBJECT_REJECTED" });
});

test("what the folder's file system refuses is an error that names operation, bucket and key", async () => {
  const home = await mkdtemp(join(tmpdir(), "bucketline-folder-store-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const store = new FolderObjectStore(home);
  await store.createBucket("bucket");
  await rm(join(home, "bucket", "objects"), { recursive: true });
  const put = store.putObject({
    bucket: "bucket",
    key: "a",
    body: Buffer.from("a"),
    checksum: "crc32:e8b7be43",
    settings: {},
    token: "t",
  });
  await expect(put).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
    ambiguous: true,
    providerCode: "ENOENT",
    message: expect.stringContaining("putObject bucket/a"),
  });
});
