import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { rawKey } from "@bucketline/steps";
import { afterEach, beforeEach, expect, test } from "vitest";
import { download, restoreByFile, restoreByStream } from "../src/restore.ts";
import { send } from "../src/send.ts";

const keys = rawKey({ id: "2026", key: randomBytes(32) });
/** More than one part of a multipart upload, and no text, which would be redacted. */
const PICTURE = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(12_000_000)]);

let home: string;
let sandbox: Sandbox;
let s3: S3Client;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "bucketline-encryption-test-"));
  sandbox = await startSandbox({ buckets: ["archive"] });
  s3 = new S3Client(sandbox.clientConfig);
  await mkdir(join(home, "files"));
  await writeFile(join(home, "files", "large.jpg"), PICTURE);
});

afterEach(async () => {
  s3.destroy();
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
});

test("what was sent in parts comes back byte by byte, and the bucket holds nothing of it in clear text", async () => {
  const shipment = { home, folder: join(home, "files"), bucket: "archive", client: sandbox.clientConfig, keys };
  const [file] = await send(shipment);
  expect(file).toMatchObject({ state: "UPLOADED", key: "archive/large.jpg.gz.enc" });
  const object = await sandbox.object("archive", "archive/large.jpg.gz.enc");
  expect(object).toMatchObject({
    partCount: 3,
    contentType: "application/octet-stream",
    metadata: { "encryption-key-id": "2026", "encryption-format": "aws-encryption-sdk-2" },
  });
  // What cannot be compressed lies in gzip files as it is.
  expect(object?.body.includes(PICTURE.subarray(5_000, 5_064))).toBe(false);
  for (const restore of [restoreByFile, restoreByStream]) {
    const { bytes, keyId } = await download(s3, "archive", "archive/large.jpg.gz.enc");
    expect(keyId).toBe("2026");
    const target = join(home, "restored", restore.name);
    await restore({ bytes, path: "large.jpg", keys }, target);
    expect((await readFile(target)).equals(PICTURE)).toBe(true);
  }
  expect((await readdir(join(home, "restored"))).toSorted()).toEqual(["restoreByFile", "restoreByStream"]);
});

test("a second run sends nothing again", async () => {
  const shipment = { home, folder: join(home, "files"), bucket: "archive", client: sandbox.clientConfig, keys };
  const sent = await send(shipment);
  expect(sent).toMatchObject([{ state: "UPLOADED" }]);
  sandbox.clearRequests();
  expect(await send(shipment)).toMatchObject([{ state: "UPLOADED", evidence: sent[0]?.evidence }]);
  expect(sandbox.requests.filter(({ operation }) => /^(Put|Create|Upload|Complete)/.test(operation ?? ""))).toEqual([]);
});
