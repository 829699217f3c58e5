import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { S3Client } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { mockClient } from "aws-sdk-client-mock";
import { afterEach, describe, expect, test } from "vitest";
import { ObjectStoreError } from "../src/errors.ts";
import { createS3Client, S3ObjectStore } from "../src/s3/index.ts";
import { startServer } from "./s3-server.ts";
import { authority, certificate } from "./support/certificate.ts";
import { dataPath, onBothPaths } from "./support/data-paths.ts";

const body = new TextEncoder().encode("x");
const put = { bucket: "b", key: "k", body, checksum: "crc32:8cdc1683", settings: {}, token: "t" } as const;
const part = { ...put, multipartId: "m", partNumber: 1 };
const credentials = { accessKeyId: "AKIDSECRETID", secretAccessKey: "hidden", sessionToken: "sessionhidden" };

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

function closedAfterwards<T extends { close(): unknown }>(resource: T): T {
  open.push(resource);
  return resource;
}

/** A server that says by which path each request came. */
async function listener() {
  const paths: string[] = [];
  const server = await startServer((request, response) => {
    paths.push("amz-sdk-invocation-id" in request.headers ? "sdk" : "direct");
    response.writeHead(200, { etag: '"e"' }).end();
  });
  closedAfterwards(server);
  return { paths, config: { region: "eu-west-1", endpoint: server.endpoint, forcePathStyle: true, credentials } };
}

async function writeBoth(store: S3ObjectStore): Promise<void> {
  closedAfterwards(store);
  await store.putObject(put);
  await store.uploadPart(part);
}

describe("which path is taken", () => {
  test.each<[string, S3ClientConfig]>([
    ["nothing special", {}],
    ["one attempt", { maxAttempts: 1 }],
    ["checksums only where they are required", { requestChecksumCalculation: "WHEN_REQUIRED" }],
    ["a provider of credentials", { credentials: async () => credentials }],
    ["a user agent", { customUserAgent: "host/1" }],
  ])("direct: %s", async (_, options) => {
    const { paths, config } = await listener();
    await writeBoth(new S3ObjectStore({ ...config, ...options }));
    expect(paths).toEqual(["direct", "direct"]);
  });

  test.each<[string, S3ClientConfig]>([
    ["a request handler", { requestHandler: new NodeHttpHandler() }],
    ["several attempts", { maxAttempts: 3 }],
    ["a logger", { logger: { debug() {}, info() {}, warn() {}, error() {} } }],
    ["checksums of the SDK", { requestChecksumCalculation: "WHEN_SUPPORTED" }],
    ["100-continue", { expectContinueHeader: true }],
    ["a region that is asked for each time", { region: async () => "eu-west-1" }],
    ["a clock that must not be corrected", { disableClockSkewCorrection: true } as S3ClientConfig],
  ])("sdk: %s", async (_, options) => {
    const { paths, config } = await listener();
    await writeBoth(new S3ObjectStore({ ...config, ...options }));
    expect(paths).toEqual(["sdk", "sdk"]);
  });

  test("sdk: it was asked for", async () => {
    const { paths, config } = await listener();
    await writeBoth(new S3ObjectStore({ ...config, dataPath: "sdk" }));
    expect(paths).toEqual(["sdk", "sdk"]);
  });

  test("a client of createS3Client's goes direct until it gets middleware, any other never", async () => {
    const { paths, config } = await listener();
    const client = createS3Client(config);
    await writeBoth(new S3ObjectStore({ client }));
    client.middlewareStack.add((next) => (args) => next(args), { step: "build", name: "host" });
    await writeBoth(new S3ObjectStore({ client }));
    const other = new S3Client(config);
    await writeBoth(new S3ObjectStore({ client: other }));
    client.destroy();
    other.destroy();
    expect(paths).toEqual(["direct", "direct", "sdk", "sdk", "sdk", "sdk"]);
  });

  test("a client whose answers are made up answers", async () => {
    const mock = mockClient(S3Client);
    try {
      mock.onAnyCommand().resolves({ ETag: '"made up"' });
      const store = closedAfterwards(new S3ObjectStore({ region: "eu-west-1", credentials }));
      expect(await store.putObject(put)).toMatchObject({ etag: "made up" });
    } finally {
      mock.restore();
    }
  });
});

onBothPaths("over https", () => {
  async function secureStore(options: { readonly ca?: string }) {
    const hashes: unknown[] = [];
    const server = createHttpsServer(certificate, (request, response) => {
      hashes.push(request.headers["x-amz-content-sha256"]);
      request.resume().on("end", () => response.writeHead(200, { etag: '"e"' }).end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push({ close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) });
    const endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = { region: "eu-west-1", endpoint, forcePathStyle: true, credentials, ...options };
    return { hashes, store: closedAfterwards(new S3ObjectStore({ ...config, dataPath: dataPath() })) };
  }

  test("an authority of one's own is trusted when it is named", async () => {
    const { hashes, store } = await secureStore({ ca: authority });
    await store.putObject(put);
    await store.uploadPart(part);
    expect(hashes).toEqual(["UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"]);
  });

  test("a certificate that nobody vouches for is refused before anything is sent", async () => {
    const { hashes, store } = await secureStore({});
    const refused = { kind: "transient", ambiguous: false, providerCode: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" };
    await expect(store.putObject(put)).rejects.toMatchObject(refused);
    expect(hashes).toEqual([]);
  });
});

test("over https a body on its way is no silence, however long it takes", async () => {
  const size = 40 * 1024 ** 2;
  const server = createHttpsServer(certificate, (request, response) => {
    let read = 0;
    let pausedAt = 0;
    request.on("data", (chunk: Buffer) => {
      read += chunk.length;
      // What the system has buffered is read at once at the end: nobody could tell that from silence.
      if (read - pausedAt < 1024 ** 2 || read > size - 12 * 1024 ** 2) return;
      pausedAt = read;
      request.pause();
      setTimeout(() => request.resume(), 100);
    });
    request.on("end", () => response.writeHead(200, { etag: '"e"' }).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) });
  const endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = { region: "eu-west-1", endpoint, forcePathStyle: true, credentials, ca: authority };
  const store = closedAfterwards(new S3ObjectStore({ ...config, idleTimeoutMs: 1000 }));
  expect(await store.putObject({ ...put, body: new Uint8Array(size) })).toMatchObject({ etag: "e" });
});

/** What `putObject` fails with on each path when it is answered thus. */
async function failures(answer: Parameters<typeof startServer>[0], request: object = {}) {
  const { endpoint } = closedAfterwards(await startServer(answer));
  const outcome = async (dataPath: "direct" | "sdk") => {
    const config = { region: "us-east-1", endpoint, forcePathStyle: true, credentials };
    const store = closedAfterwards(new S3ObjectStore({ ...config, dataPath }));
    const error = await store.putObject({ ...put, ...request }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ObjectStoreError);
    return error as ObjectStoreError;
  };
  return { direct: await outcome("direct"), sdk: await outcome("sdk") };
}

const facts = ({
  kind,
  code,
  ambiguous,
  status,
  providerCode,
  requestId,
  retryAfterMs,
  message,
}: ObjectStoreError) => ({
  ...{ kind, code, ambiguous, status, providerCode, requestId, retryAfterMs, message },
});

describe("both paths understand an answer alike", () => {
  const xml = (code: string, more = "") => `<?xml version="1.0"?>\n<Error><Code>${code}</Code>${more}</Error>`;
  test.each<[string, number, Record<string, string | string[]>, string]>([
    ["SlowDown", 503, { "retry-after": "3" }, xml("SlowDown", "<Message>Reduce your rate</Message>")],
    ["InternalError", 500, {}, xml("InternalError", "<Message>We &lt;failed&gt; &amp; &#233;</Message>")],
    ["ids of the header", 403, { "x-amz-request-id": "R1" }, xml("AccessDenied", "<RequestId>R2</RequestId>")],
    ["ids of the document", 403, {}, xml("AccessDenied", "<Message>No</Message><RequestId>R2</RequestId>")],
    [
      "PermanentRedirect",
      301,
      { "x-amz-bucket-region": "ap-south-1" },
      xml("PermanentRedirect", "<Message>M</Message>"),
    ],
    ["TemporaryRedirect", 307, { location: "http://127.0.0.1:1/" }, xml("TemporaryRedirect", "<Message>M</Message>")],
    ["another region", 400, {}, xml("AuthorizationHeaderMalformed", "<Message>M</Message><Region>eu-west-3</Region>")],
    ["ExpiredToken", 400, {}, xml("ExpiredToken", "<Message>M</Message>")],
    ["RequestTimeTooSkewed", 403, {}, xml("RequestTimeTooSkewed", "<Message>M</Message>")],
    ["BadDigest", 400, {}, xml("BadDigest", "<Message>M</Message>")],
    ["NoSuchBucket", 404, {}, xml("NoSuchBucket", "<Message>M</Message>")],
    ["404 and nothing", 404, {}, ""],
    ["400 and nothing", 400, {}, ""],
    ["403 and nothing", 403, {}, ""],
    ["412 and nothing", 412, {}, ""],
    ["503 and nothing", 503, {}, ""],
    ["501 and nothing", 501, {}, ""],
    ["Retry-After twice", 503, { "retry-after": ["3", "9"] }, xml("SlowDown", "<Message>M</Message>")],
    ["an error that is called a success", 200, { etag: '"e"' }, xml("SlowDown", "<Message>M</Message>")],
    ["such an error without an ETag", 200, {}, xml("InternalError", "<Message>M</Message><RequestId>R2</RequestId>")],
  ])("%s", async (_, status, headers, document) => {
    const { direct, sdk } = await failures((_request, response) => response.writeHead(status, headers).end(document));
    expect(facts(direct)).toEqual(facts(sdk));
  });

  test.each([502, 503, 413])("%i of a gateway, with a page", async (status) => {
    const page = "<html><head><title>Gateway</title></head><body><h1>No & no</h1></body></html>";
    const { direct, sdk } = await failures((_, response) => response.writeHead(status).end(page));
    expect([direct.kind, direct.ambiguous, direct.status]).toEqual([sdk.kind, sdk.ambiguous, sdk.status]);
  });

  test("a success without an ETag", async () => {
    const { direct, sdk } = await failures((_, response) => response.writeHead(200).end());
    expect(facts(direct)).toEqual(facts(sdk));
  });

  test("a header that cannot be sent", async () => {
    const settings = { cacheControl: "no\nstore" };
    const { direct, sdk } = await failures((_, response) => response.end(), { settings });
    for (const error of [direct, sdk])
      expect(error).toMatchObject({ kind: "rejected", ambiguous: false, status: undefined });
  });
});
