import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { type RequestRecord, startSandbox } from "../src/index.ts";
import { PATIENCE } from "./patience.ts";
import { send, signHeaders, signingFor } from "./signing.ts";

test("the ledger is bounded, keeps the newest, and can be cleared", async () => {
  await using sandbox = await startSandbox({ buckets: ["bucket"], requestLimit: 3 });
  for (let i = 1; i <= 5; i++) await send(sandbox, { path: `/bucket/${i}` });
  expect(sandbox.requests.map(({ n, key, operation, status }) => ({ n, key, operation, status }))).toEqual(
    [3, 4, 5].map((n) => ({ n, key: String(n), operation: "PutObject", status: 200 })),
  );
  sandbox.clearRequests();
  await send(sandbox, { path: "/bucket/6" });
  expect(sandbox.requests.map((request) => request.n)).toEqual([6]);
});

test("every finished request is a line of the log", async () => {
  const folder = mkdtempSync(join(tmpdir(), "s3-sandbox-"));
  try {
    const requestLog = join(folder, "requests.jsonl");
    await using sandbox = await startSandbox({ buckets: ["bucket"], requestLog });
    const s3 = new S3Client(sandbox.clientConfig);
    await s3.send(new PutObjectCommand({ Bucket: "bucket", Key: "k", Body: "12345" }));
    await (await s3.send(new GetObjectCommand({ Bucket: "bucket", Key: "k" }))).Body!.transformToString();
    await send(sandbox, { method: "GET", path: "/absent" });
    s3.destroy();
    const lines = readFileSync(requestLog, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as RequestRecord);
    expect(lines).toEqual(sandbox.requests);
    expect(lines).toMatchObject([
      {
        n: 1,
        operation: "PutObject",
        bucket: "bucket",
        key: "k",
        payloadBytes: 5,
        status: 200,
        committed: true,
        outcome: "answered",
      },
      { n: 2, operation: "GetObject", bytesSent: 5, status: 200, committed: false },
      { n: 3, operation: "ListObjects", status: 404, errorCode: "NoSuchBucket" },
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a client that goes away in mid-body is recorded and stores nothing", async () => {
  await using sandbox = await startSandbox({ buckets: ["bucket"] });
  const socket = connect(sandbox.port, "127.0.0.1");
  await send(sandbox, { path: "/bucket/whole", body: Buffer.from("x") });
  const { headers } = signHeaders(signingFor(sandbox), {
    method: "PUT",
    path: "/bucket/half",
    headers: { host: `127.0.0.1:${sandbox.port}` },
    payloadHash: "UNSIGNED-PAYLOAD",
  });
  const head = Object.entries({ ...headers, "content-length": "1000" }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`PUT /bucket/half HTTP/1.1\r\n${head.join("")}\r\nonly this`);
  await expect.poll(() => sandbox.requests.at(-1)?.bytesReceived, PATIENCE).toBe(9);
  socket.destroy();
  await expect.poll(() => sandbox.requests.at(-1)?.outcome, PATIENCE).toBe("aborted");
  expect(sandbox.requests.at(-1)).toMatchObject({ key: "half", status: null, committed: false });
  expect(sandbox.objects("bucket").map((object) => object.key)).toEqual(["whole"]);
});
