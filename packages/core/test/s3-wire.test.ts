import { type FaultEffect, type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { crc32Of, formatCrc32 } from "../src/checksum.ts";
import { systemClock } from "../src/clock.ts";
import { withDeadlines } from "../src/decorators/deadline.ts";
import { withRetries } from "../src/decorators/retrying.ts";
import { S3ObjectStore, type S3ObjectStoreOptions } from "../src/s3/index.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { startServer, type TestServer } from "./s3-server.ts";
import { dataPath, onBothPaths } from "./support/data-paths.ts";

const body = new Uint8Array(100_000).fill(7);
const put = { bucket: "bucket", key: "k", body, checksum: formatCrc32(crc32Of(body)), settings: {}, token: "t" };
const credentials = { accessKeyId: "key", secretAccessKey: "secret" };

type Options = Exclude<S3ObjectStoreOptions, { readonly client: unknown }>;

let sandbox: Sandbox;
const open: { close(): unknown }[] = [];

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: ["bucket"], minPartSize: 5 * 1024 ** 2 });
});
afterAll(() => sandbox.close());
afterEach(async () => {
  sandbox.clearFaults();
  for (const each of open.splice(0)) await each.close();
});

function connect(options: Options = {}): S3ObjectStore {
  const store = new S3ObjectStore({ ...sandbox.clientConfig, dataPath: dataPath(), ...options });
  open.push(store);
  return store;
}

/** A server that is closed with the test. */
async function serve(answer: Parameters<typeof startServer>[0]): Promise<TestServer> {
  const server = await startServer(answer);
  open.push(server);
  return server;
}

function connectTo(endpoint: string, options: Options = {}): S3ObjectStore {
  return connect({ region: "us-east-1", endpoint, credentials, forcePathStyle: true, ...options });
}

onBothPaths("what goes over the wire", () => {
  test("bodies go in one piece, with a header checksum and a signed hash over http", async () => {
    const seen: Record<string, string>[] = [];
    const note = (call: { headers: ReadonlyMap<string, string> }) => {
      seen.push(Object.fromEntries(call.headers));
      return undefined;
    };
    sandbox.fault({ operation: ["PutObject", "UploadPart"], times: 9, action: note });
    const store = connect();
    const large = new Uint8Array(3 * 1024 ** 2);
    const checksum = formatCrc32(crc32Of(large));
    await store.putObject({ ...put, body: large, checksum });
    const { multipartId } = await store.createMultipart(put);
    await store.uploadPart({ ...put, multipartId, partNumber: 1, body: large, checksum });
    expect(seen).toHaveLength(2);
    for (const headers of seen) {
      expect(headers).toMatchObject({
        "content-length": `${large.length}`,
        "x-amz-content-sha256": expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect(headers).toHaveProperty("x-amz-checksum-crc32");
      // Only the SDK sends it.
      expect("amz-sdk-invocation-id" in headers).toBe(dataPath() === "sdk");
      for (const name of ["expect", "x-amz-trailer", "content-encoding", "transfer-encoding"])
        expect(headers).not.toHaveProperty(name);
    }
  });

  test.each([
    [false, "UNSIGNED-PAYLOAD"],
    [true, expect.stringMatching(/^[0-9a-f]{64}$/)],
  ])("over https, with signBodies %s, the payload's hash is %s", async (signBodies, expected) => {
    let headers: Record<string, string> = {};
    const requestHandler = {
      handle: async (request: { headers: Record<string, string> }) => {
        headers = request.headers;
        return { response: { statusCode: 200, headers: { etag: '"e"' }, body: new Uint8Array(0) } };
      },
    };
    const store = connectTo("https://127.0.0.1:1", { requestHandler, signBodies });
    await store.putObject(put);
    expect(headers["x-amz-content-sha256"]).toEqual(expected);
    expect(headers["x-amz-checksum-crc32"]).toBe("O3HfiA==");
  });

  test("connections are kept", async () => {
    const { endpoint, server } = await serve((_, response) => response.writeHead(200, { etag: '"e"' }).end());
    let connections = 0;
    server.on("connection", () => {
      connections += 1;
    });
    const store = connectTo(endpoint);
    for (let n = 0; n < 10; n++) await store.putObject(put);
    expect(connections).toBe(1);
  });

  test("the endpoint may come from the environment", async () => {
    const before = process.env.AWS_ENDPOINT_URL;
    process.env.AWS_ENDPOINT_URL = sandbox.endpoint;
    try {
      const { region, credentials } = sandbox;
      const store = new S3ObjectStore({ region, credentials, forcePathStyle: true });
      open.push(store);
      await store.checkBucket({ bucket: "bucket" });
    } finally {
      if (before === undefined) delete process.env.AWS_ENDPOINT_URL;
      else process.env.AWS_ENDPOINT_URL = before;
    }
  });

  test("more parts than fit a page are listed, as are more multipart uploads", async () => {
    const store = connect();
    const address = { bucket: "bucket", key: "many" };
    const { multipartId } = await store.createMultipart({ ...address, settings: {}, token: "t" });
    const small = { body: body.subarray(0, 1), checksum: formatCrc32(crc32Of(body.subarray(0, 1))) };
    const numbers = Array.from({ length: 1001 }, (_, index) => index + 1);
    await Promise.all(numbers.map((partNumber) => store.uploadPart({ ...address, ...small, multipartId, partNumber })));
    expect((await store.listParts({ ...address, multipartId })).map((part) => part.partNumber)).toEqual(numbers);
    await Promise.all(
      numbers.map((n) => store.createMultipart({ ...address, key: `uploads/${n}`, settings: {}, token: "t" })),
    );
    const found = new Set<string>();
    for await (const { key } of store.listMultiparts({ bucket: "bucket", prefix: "uploads/" })) found.add(key);
    expect(found.size).toBe(1001);
  });
});

onBothPaths("failures on the wire", () => {
  const lost = { kind: "transient", code: "STORE_UNAVAILABLE", ambiguous: true };
  test.each<[string, FaultEffect, object]>([
    ["a lost answer", { type: "loseResponse" }, { ...lost, status: undefined }],
    ["a reset in the middle of the body", { type: "resetMidBody", afterBytes: 10 }, { ...lost, status: undefined }],
    ["a reset before the body", { type: "resetBefore" }, { ...lost, status: undefined }],
    ["a server error", { type: "respond", code: "InternalError" }, { ...lost, status: 500 }],
    [
      "slowing down",
      { type: "respond", code: "SlowDown", headers: { "retry-after": "3" } },
      { kind: "throttled", ambiguous: false, retryAfterMs: 3000, status: 503 },
    ],
    ["a corrupted byte", { type: "corruptByte" }, { kind: "integrity", ambiguous: false, status: 400 }],
    [
      "an expired token",
      { type: "respond", code: "ExpiredToken" },
      { kind: "credentials", ambiguous: false, status: 400 },
    ],
    ["a refusal", { type: "respond", code: "EntityTooLarge" }, { kind: "rejected", ambiguous: false, status: 400 }],
    [
      "a server that lacks it",
      { type: "respond", code: "NotImplemented" },
      { kind: "unsupported", ambiguous: false, status: 501 },
    ],
    [
      "a conflict",
      { type: "respond", code: "ConditionalRequestConflict" },
      { kind: "conflict", ambiguous: false, status: 409 },
    ],
  ])("%s", async (_, action, expected) => {
    sandbox.fault({ operation: "PutObject", action });
    await expect(connect({ signBodies: false }).putObject(put)).rejects.toMatchObject({
      ...expected,
      operation: "putObject",
      bucket: "bucket",
      key: "k",
    });
  });

  test("silence ends at the idle limit", async () => {
    sandbox.fault({ operation: "PutObject", action: { type: "silence" } });
    await expect(connect({ idleTimeoutMs: 50 }).putObject(put)).rejects.toMatchObject({
      ...lost,
      providerCode: "TimeoutError",
    });
  });

  test("silence ends at the deadline, whatever the client's limits", async () => {
    sandbox.fault({ operation: "PutObject", action: { type: "silence" } });
    const clock = new FakeClock();
    const call = expect(withDeadlines(connect(), { clock }).putObject(put)).rejects.toMatchObject(lost);
    await clock.advance(40_000);
    await call;
  });

  test("an abort on the way rejects with the signal's reason", async () => {
    const stop = new AbortController();
    const reason = new Error("stop");
    sandbox.fault({
      operation: "PutObject",
      action: () => {
        setImmediate(() => stop.abort(reason));
        return { type: "silence" };
      },
    });
    await expect(connect().putObject({ ...put, signal: stop.signal })).rejects.toBe(reason);
  });

  test("nobody listens", async () => {
    const { endpoint, server } = await serve(() => {});
    await new Promise((resolve) => server.close(resolve));
    await expect(connectTo(endpoint).putObject(put)).rejects.toMatchObject({
      kind: "transient",
      ambiguous: false,
      providerCode: "ECONNREFUSED",
    });
  });

  test("a clock that is an hour off is corrected by the second attempt", async () => {
    const ahead = await startSandbox({ buckets: ["bucket"], clock: () => new Date(Date.now() + 3_600_000) });
    open.push(ahead);
    const retried: unknown[] = [];
    const store = withRetries(connect({ ...ahead.clientConfig }), {
      clock: systemClock,
      random: () => 0,
      onRetry: (error) => retried.push(error.providerCode),
    });
    await store.putObject(put);
    expect(retried).toEqual(["RequestTimeTooSkewed"]);
  });

  test("retries and deadlines carry a put through", async () => {
    const clock = new FakeClock();
    sandbox.fault({ operation: "PutObject", times: 2, action: { type: "resetBefore" } });
    const store = withRetries(withDeadlines(connect(), { clock }), { clock, random: () => 0 });
    let done = false;
    const call = store.putObject({ ...put, key: "carried" }).finally(() => {
      done = true;
    });
    while (!done) await clock.advance(1);
    expect(await call).toMatchObject({ checksum: put.checksum });
  });
});

describe("Complete that answers 200 with an error inside", () => {
  async function ready(store: S3ObjectStore, key: string) {
    const { multipartId } = await store.createMultipart({ ...put, key });
    const { etag } = await store.uploadPart({ ...put, key, multipartId, partNumber: 1 });
    const parts = [{ partNumber: 1, etag, checksum: put.checksum }];
    return { bucket: "bucket", key, multipartId, parts, size: body.length, checksum: put.checksum };
  }

  test.each([false, true])("is an ambiguous failure (carried out: %s)", async (commit) => {
    const store = connect();
    const key = `complete-${commit}`;
    const request = await ready(store, key);
    sandbox.fault({ operation: "CompleteMultipartUpload", action: { type: "okWithError", commit } });
    await expect(store.completeMultipart(request)).rejects.toMatchObject({ kind: "transient", ambiguous: true });
    expect((await store.headObject(request)) !== undefined).toBe(commit);
  });

  test.each([
    ["an error with a newline behind it", "<Error><Code>InternalError</Code><Message>We failed</Message></Error>\n"],
    ["an error and nothing else", "<Error><Code>InternalError</Code><Message>We failed</Message></Error>"],
    ["nothing", ""],
    ["no XML", "<html><body>gateway"],
  ])("also when the body is %s", async (_, text) => {
    const { endpoint } = await serve((_request, response) =>
      response.writeHead(200, { "content-type": "application/xml" }).end(text),
    );
    const request = { bucket: "bucket", key: "k", multipartId: "m", parts: [], size: 0, checksum: put.checksum };
    await expect(connectTo(endpoint).completeMultipart(request)).rejects.toMatchObject({
      kind: "transient",
      ambiguous: true,
    });
  });
});

describe("checkBucket", () => {
  test("tells bad credentials from a missing permission", async () => {
    const stranger = { ...sandbox.credentials, secretAccessKey: "wrong" };
    const unknown = { ...sandbox.credentials, accessKeyId: "unknown" };
    for (const credentials of [stranger, unknown]) {
      await expect(connect({ credentials }).checkBucket({ bucket: "bucket" })).rejects.toMatchObject({
        kind: "credentials",
      });
    }
    await expect(
      connect().checkBucket({ bucket: "bucket", expectedBucketOwner: "999999999999" }),
    ).rejects.toMatchObject({ kind: "denied" });
  });

  test("tells an expired token from another 400", async () => {
    sandbox.fault({ operation: "HeadBucket", action: { type: "respond", code: "ExpiredToken" } });
    sandbox.fault({ operation: "ListObjectsV2", action: { type: "respond", code: "ExpiredToken" } });
    await expect(connect().checkBucket({ bucket: "bucket" })).rejects.toMatchObject({
      kind: "credentials",
      providerCode: "ExpiredToken",
    });
  });

  test("names the bucket's region", async () => {
    await expect(connect({ region: "eu-west-1" }).checkBucket({ bucket: "bucket" })).rejects.toMatchObject({
      kind: "wrongRegion",
      message: expect.stringContaining("us-east-1"),
    });
    const { endpoint } = await serve((_, response) =>
      response.writeHead(301, { "x-amz-bucket-region": "ap-south-1" }).end(),
    );
    await expect(connectTo(endpoint).checkBucket({ bucket: "bucket" })).rejects.toMatchObject({
      kind: "wrongRegion",
      message: expect.stringContaining("ap-south-1"),
    });
  });

  test("says when there are no credentials", async () => {
    const credentials = async () => {
      throw Object.assign(new Error("Could not load credentials from any providers"), {
        name: "CredentialsProviderError",
      });
    };
    await expect(connect({ credentials }).checkBucket({ bucket: "bucket" })).rejects.toMatchObject({
      kind: "credentials",
      code: "CREDENTIALS_UNAVAILABLE",
    });
  });
});

describe("putStream", () => {
  test("stops the other parts and clears up when one fails", async () => {
    sandbox.fault({ operation: "UploadPart", nth: 2, action: { type: "respond", code: "InternalError" } });
    let pulled = 0;
    async function* endless() {
      for (; pulled < 100; pulled++) yield new Uint8Array(1024 ** 2);
    }
    const request = { ...put, key: "stream", body: endless(), partSize: 5 * 1024 ** 2 };
    await expect(connect().putStream(request)).rejects.toMatchObject({
      kind: "transient",
      ambiguous: true,
      operation: "putStream",
      key: "stream",
    });
    expect(pulled).toBeLessThan(100);
    expect(sandbox.multipartUploads("bucket").filter(({ key }) => key === "stream")).toEqual([]);
  });

  test("completes with the size and checksum of the whole", async () => {
    sandbox.clearRequests();
    async function* three() {
      for (let n = 0; n < 11; n++) yield new Uint8Array(1024 ** 2).fill(n);
    }
    const receipt = await connect().putStream({ ...put, key: "whole", body: three(), partSize: 5 * 1024 ** 2 });
    const object = await sandbox.object("bucket", "whole");
    expect(receipt).toMatchObject({ size: 11 * 1024 ** 2, checksum: formatCrc32(crc32Of(object!.body)) });
    expect(object).toMatchObject({
      partCount: 3,
      metadata: { "bucketline-token": "t" },
      checksum: { type: "FULL_OBJECT" },
    });
  });
});
