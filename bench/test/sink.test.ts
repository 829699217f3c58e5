import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clientConfig } from "../transfer/programs/task.ts";
import { Sink } from "../transfer/sink/sink.ts";

const BUCKET = "bench";
const MIB = 2 ** 20;

let folder = "";
let sink: Sink;
let client: S3Client;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bucketline-sink-"));
  sink = await Sink.start(folder);
  client = new S3Client(clientConfig({ endpoint: sink.endpoint() }));
});

afterEach(async () => {
  client.destroy();
  await sink.close();
  rmSync(folder, { recursive: true });
});

const put = (Key: string, Body: Buffer | Readable, more = {}) =>
  client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body, ...more }));

test("an object is remembered with size, checksum and metadata", async () => {
  const receipt = await put("a", Buffer.from("123456789"), {
    ChecksumCRC32: "y/Q5Jg==",
    Metadata: { mtime: "1" },
  });
  expect(receipt.ChecksumCRC32).toBe("y/Q5Jg==");
  const head = await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key: "a", ChecksumMode: "ENABLED" }));
  expect(head).toMatchObject({ ContentLength: 9, ChecksumCRC32: "y/Q5Jg==", Metadata: { mtime: "1" } });
  expect(await sink.read()).toMatchObject({ objects: 1, bytes: 9, requests: 2, bytesReceived: 9 });
});

test("a stream in chunks counts by its content, with the checksum of its trailer", async () => {
  const receipt = await put("a", Readable.from([Buffer.from("12345"), Buffer.from("6789")]), { ContentLength: 9 });
  expect(receipt.ChecksumCRC32).toBe("y/Q5Jg==");
  expect(await sink.read()).toMatchObject({ objects: 1, bytes: 9, bytesReceived: 9 });
});

test("parts make one object of their sizes together", async () => {
  const Body = Buffer.alloc(11 * MIB);
  await new Upload({ client, params: { Bucket: BUCKET, Key: "large", Body } }).done();
  expect(await sink.read()).toMatchObject({ objects: 1, bytes: 11 * MIB, requests: 5 });
});

test("listings come in pages, and what is gone is gone", async () => {
  for (const key of ["x/a", "x/b", "x/c", "y"]) await put(key, Buffer.from(key));
  await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: "x/b" }));
  const list = (more: object) => client.send(new ListObjectsV2Command({ Bucket: BUCKET, ...more }));
  const first = await list({ Prefix: "x/", MaxKeys: 1 });
  expect(first).toMatchObject({ IsTruncated: true, Contents: [{ Key: "x/a", Size: 3 }] });
  const rest = await list({ Prefix: "x/", ContinuationToken: first.NextContinuationToken });
  expect(rest).toMatchObject({ IsTruncated: false, Contents: [{ Key: "x/c" }] });
  expect(await list({ Delimiter: "/" })).toMatchObject({
    CommonPrefixes: [{ Prefix: "x/" }],
    Contents: [{ Key: "y" }],
  });
});

test("counting starts anew, with the objects or without them", async () => {
  await put("a", Buffer.from("1"));
  await sink.clear({ all: false });
  expect(await sink.read()).toMatchObject({ objects: 1, requests: 0, bytesReceived: 0 });
  await sink.clear();
  expect(await sink.read()).toMatchObject({ objects: 0, bytes: 0 });
});

test("a body that is shorter than it says is refused", async () => {
  const headers = { "x-amz-decoded-content-length": "10" };
  const answer = await fetch(`${sink.endpoint()}/${BUCKET}/a`, { method: "PUT", body: "12345", headers });
  expect(answer.status).toBe(400);
  expect(await sink.read()).toMatchObject({ objects: 0 });
});

test("https is trusted by its own authority", async () => {
  expect(sink.noTls).toBeUndefined();
  const options = { method: "PUT", ca: readFileSync(sink.caFile ?? ""), headers: { "Content-Length": 3 } };
  const status = await new Promise((resolve, reject) => {
    const sent = request(`${sink.endpoint(true)}/${BUCKET}/a`, options, (answer) => resolve(answer.statusCode));
    sent.once("error", reject).end("123");
  });
  expect(status).toBe(200);
  expect(await sink.read()).toMatchObject({ objects: 1, bytes: 3 });
});
