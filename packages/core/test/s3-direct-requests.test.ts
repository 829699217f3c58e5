import type { IncomingMessage } from "node:http";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { afterEach, describe, expect, test } from "vitest";
import type { DataPathName } from "../src/s3/choose-data-path.ts";
import { sdkDataPath } from "../src/s3/data-path.ts";
import { DirectPath } from "../src/s3/direct-path.ts";
import { resolveTarget } from "../src/s3/endpoint.ts";
import type { DirectRequest, Exchange } from "../src/s3/exchange.ts";
import { createS3Client, S3ObjectStore } from "../src/s3/index.ts";
import { partInput, putInput } from "../src/s3/inputs.ts";
import { startServer } from "./s3-server.ts";
import { type Dice, forSeeds } from "./support/random.ts";
import { anyPart, anyPut } from "./support/s3-requests.ts";

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** What two requests of the same content may differ in. */
const OWN = new Set("authorization amz-sdk-invocation-id amz-sdk-request user-agent x-amz-date".split(" "));

interface Sent {
  readonly line: string;
  readonly headers: readonly string[];
}

function sentIn({ method, url, rawHeaders }: IncomingMessage): Sent {
  const headers: string[] = [];
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = rawHeaders[n]?.toLowerCase() ?? "";
    if (!OWN.has(name)) headers.push(`${name}: ${rawHeaders[n + 1]}`);
  }
  return { line: `${method} ${url}`, headers: headers.sort() };
}

async function recorder() {
  const seen: IncomingMessage[] = [];
  const bodies: Buffer[] = [];
  const server = await startServer((request, response) => {
    seen.push(request);
    response.writeHead(200, { etag: '"e"' }).end();
  });
  server.server.on("request", (request: IncomingMessage) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => bodies.push(Buffer.concat(chunks)));
  });
  open.push(server);
  return { seen, bodies, endpoint: server.endpoint };
}

async function sameWrites(dice: Dice, bucket: string, stores: Record<DataPathName, S3ObjectStore>): Promise<void> {
  for (let n = 0; n < 5; n++) {
    const put = anyPut(dice, bucket);
    await stores.sdk.putObject(put);
    await stores.direct.putObject(put);
    const part = anyPart(dice, bucket);
    await stores.sdk.uploadPart(part);
    await stores.direct.uploadPart(part);
  }
}

test("both paths put the same requests on the wire", async () => {
  const { seen, bodies, endpoint } = await recorder();
  await forSeeds(40, async (dice) => {
    const options = {
      region: "eu-west-1",
      endpoint: `${endpoint}${dice.pick(["", "/", "/prefix", "/a%20b/"])}`,
      forcePathStyle: true,
      checksums: dice.pick(["crc32", "none"] as const),
      credentials: { accessKeyId: "AKID", secretAccessKey: "s", ...(dice.chance(0.5) && { sessionToken: "T+/=" }) },
    };
    const stores = {
      sdk: new S3ObjectStore({ ...options, dataPath: "sdk" }),
      direct: new S3ObjectStore({ ...options, dataPath: "direct" }),
    };
    open.push(stores.sdk, stores.direct);
    await sameWrites(dice, "bucket", stores);
    expect(seen).toHaveLength(20);
    for (let n = 0; n < seen.length; n += 2) {
      const [sdk, direct] = [seen[n] as IncomingMessage, seen[n + 1] as IncomingMessage];
      expect(sentIn(direct)).toEqual(sentIn(sdk));
      expect(bodies[n + 1]).toEqual(bodies[n]);
      // What the SDK never leaves out, so that it is known which path was taken.
      expect(sdk.headers).toHaveProperty("amz-sdk-invocation-id");
      expect(direct.headers).not.toHaveProperty("amz-sdk-invocation-id");
    }
    seen.length = 0;
    bodies.length = 0;
  });
});

interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Record<string, string>;
}

const credentials = { accessKeyId: "AKID", secretAccessKey: "s" };
const scopeIn = (authorization: string | undefined) => /\/\d{8}\/(.*)\/aws4_request/.exec(authorization ?? "")?.[1];

/** Where a request goes and what it is signed for. */
interface Place {
  readonly origin: string;
  readonly path: string;
  readonly host: string | undefined;
  readonly scope: string | undefined;
}

async function placeOfSdk(config: S3ClientConfig, bucket: string, key: string): Promise<Place> {
  const places: Place[] = [];
  const requestHandler = {
    handle: async ({ protocol, hostname, port, path, headers }: SdkRequest) => {
      const origin = `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`;
      places.push({ origin, path, host: headers.host, scope: scopeIn(headers.authorization) });
      return { response: { statusCode: 200, headers: { etag: '"e"' }, body: new Uint8Array(0) } };
    },
  };
  const client = createS3Client({ ...config, credentials, requestHandler });
  await sdkDataPath(client).putObject({ Bucket: bucket, Key: key, Body: new Uint8Array(0) }, {});
  return places[0] as Place;
}

/** A direct path whose requests are kept and answered at once. */
function directPath(config: S3ClientConfig, sent: DirectRequest[]): DirectPath {
  const client = createS3Client({ ...config, credentials });
  const connections = {
    send: (exchange: Exchange) => {
      sent.push(exchange.request);
      exchange.begin(() => {});
      exchange.settle({ status: 200, headers: { etag: '"e"' }, document: "" });
    },
    close: () => {},
  };
  return new DirectPath({ client, connections, signBodies: false, sdk: sdkDataPath(client) });
}

function partsOf({ head }: DirectRequest): { readonly path: string; readonly headers: Record<string, string> } {
  const [request = "", ...lines] = head.trimEnd().split("\r\n");
  const headers = Object.fromEntries(lines.map((line) => line.split(": ", 2)));
  return { path: request.split(" ")[1] ?? "", headers };
}

describe("a request goes where the SDK sends it", () => {
  test.each<[string, S3ClientConfig, string]>([
    ["a bucket of its own host", { region: "eu-west-1" }, "bucket"],
    ["us-east-1", { region: "us-east-1" }, "bucket"],
    ["a name with dots", { region: "eu-west-1" }, "a.bucket.example"],
    ["path style", { region: "eu-west-1", forcePathStyle: true }, "bucket"],
    ["dual stack", { region: "eu-west-1", useDualstackEndpoint: true }, "bucket"],
    ["FIPS", { region: "us-gov-west-1", useFipsEndpoint: true }, "bucket"],
    ["acceleration", { region: "eu-west-1", useAccelerateEndpoint: true }, "bucket"],
    ["China", { region: "cn-north-1" }, "bucket"],
    ["an endpoint", { region: "auto", endpoint: "https://id.store.example" }, "bucket"],
    ["an endpoint with a port and a path", { region: "auto", endpoint: "http://store.example:9000/deep" }, "bucket"],
    ["an endpoint by address", { region: "auto", endpoint: "http://127.0.0.1:9000" }, "bucket"],
    [
      "an access point",
      { region: "us-west-2", useArnRegion: true },
      "arn:aws:s3:eu-west-1:111122223333:accesspoint/reports",
    ],
    [
      "an access point on Outposts",
      { region: "us-west-2" },
      "arn:aws:s3-outposts:us-west-2:111122223333:outpost/op-1234567890123456/accesspoint/reports",
    ],
  ])("%s", async (_, config, bucket) => {
    const key = "a b/../c";
    const sent: DirectRequest[] = [];
    await directPath(config, sent).putObject({ Bucket: bucket, Key: key, Body: new Uint8Array(0) }, {});
    expect(sent).toHaveLength(1);
    const [request] = sent as [DirectRequest];
    const { origin } = request;
    const { path, headers } = partsOf(request);
    const { host, authorization } = headers;
    const place: Place = { origin, path: path.replace(/\?.*/, ""), host, scope: scopeIn(authorization) };
    expect(place).toEqual(await placeOfSdk(config, bucket, key));
  });

  test("bodies are left unsigned over https and hashed over http", async () => {
    const hashes = [];
    for (const endpoint of ["https://store.example", "http://store.example"]) {
      const sent: DirectRequest[] = [];
      const body = new TextEncoder().encode("Welcome to Amazon S3.");
      await directPath({ region: "eu-west-1", endpoint }, sent).putObject({ Bucket: "b", Key: "k", Body: body }, {});
      hashes.push(partsOf(sent[0] as DirectRequest).headers["x-amz-content-sha256"]);
    }
    const hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    expect(hashes).toEqual(["UNSIGNED-PAYLOAD", hash]);
  });

  test("over http, a SHA-256 that is known already is not computed again", async () => {
    const body = new TextEncoder().encode("body");
    const asked: unknown[] = [];
    for (const endpoint of ["https://store.example", "http://store.example"]) {
      const sent: DirectRequest[] = [];
      const path = directPath({ region: "eu-west-1", endpoint }, sent);
      const before = path.usesSha256("b");
      const input = { Bucket: "b", Key: "k", Body: body };
      await path.putObject(input, { sha256: "as it was handed over" });
      await path.uploadPart({ ...input, PartNumber: 1, UploadId: "u" }, { sha256: "of the part" });
      const hashes = sent.map((request) => partsOf(request).headers["x-amz-content-sha256"]);
      asked.push([before, path.usesSha256("b"), path.usesSha256("another"), ...hashes]);
    }
    expect(asked).toEqual([
      [false, false, false, "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"],
      [false, true, false, "as it was handed over", "of the part"],
    ]);
  });

  test("what is signed in other ways is left to the SDK", async () => {
    const client = createS3Client({ region: "eu-west-1", credentials });
    for (const bucket of ["logs--euw1-az1--x-s3", "arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap"])
      expect(await resolveTarget(client, bucket).catch(() => undefined)).toBeUndefined();
    expect(await resolveTarget(client, "bucket")).toMatchObject({ scope: { region: "eu-west-1", service: "s3" } });
  });

  test("the SDK is asked once per bucket, however many requests begin at once, and again after it failed", async () => {
    const { endpoint } = await recorder();
    let known = false;
    const provider = async () => {
      if (!known) throw new Error("not yet");
      return credentials;
    };
    const config = { region: "eu-west-1", endpoint, forcePathStyle: true, credentials: provider };
    const client = createS3Client(config);
    let prepared = 0;
    const send = client.send.bind(client);
    client.send = ((...call: Parameters<typeof send>) => {
      prepared += 1;
      return send(...call);
    }) as typeof client.send;
    const store = new S3ObjectStore({ client });
    open.push(store);
    const body = new Uint8Array(0);
    const put = { bucket: "bucket", key: "k", body, checksum: "crc32:00000000", settings: {}, token: "t" } as const;
    const four = (bucket: string) => Promise.allSettled([1, 2, 3, 4].map(() => store.putObject({ ...put, bucket })));
    expect((await four("bucket")).map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
    known = true;
    expect((await four("bucket")).map(({ status }) => status)).toEqual(Array(4).fill("fulfilled"));
    expect(prepared).toBe(2);
    await four("other");
    expect(prepared).toBe(3);
  });

  test("the body is sent as it is, without a copy", async () => {
    const sent: DirectRequest[] = [];
    const path = directPath({ region: "eu-west-1" }, sent);
    const call = { operation: "putObject", bucket: "bucket" };
    const body = new Uint8Array(10).subarray(2, 5);
    const put = { bucket: "bucket", key: "k", body, checksum: "crc32:00000000", settings: {}, token: "t" } as const;
    await path.putObject(putInput(put, "crc32", call), {});
    await path.uploadPart(partInput({ ...put, multipartId: "m", partNumber: 1 }, "crc32"), {});
    expect(sent.map((request) => request.body === body)).toEqual([true, true]);
  });
});
