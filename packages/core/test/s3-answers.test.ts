import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { S3ObjectStore } from "../src/s3/index.ts";
import { sendError, sendXml, startServer } from "./s3-server.ts";

const body = new TextEncoder().encode("x");
const put = { bucket: "b", key: "k", body, checksum: "crc32:8cdc1683", settings: {}, token: "t" } as const;
const address = { bucket: "b", key: "k" };
const multipart = { ...address, multipartId: "m" };

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** A store whose every request is answered as told. */
async function storeOn(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  options: { readonly idleTimeoutMs?: number } = {},
): Promise<S3ObjectStore> {
  const server = await startServer(answer);
  const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
  const { endpoint } = server;
  const store = new S3ObjectStore({ region: "us-east-1", endpoint, forcePathStyle: true, credentials, ...options });
  open.push(store, server);
  return store;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe("a HEAD that is refused", () => {
  test.each([503, 429])("with %i asks to slow down", async (status) => {
    const store = await storeOn((_, response) => response.writeHead(status).end());
    await expect(store.headObject(address)).rejects.toMatchObject({ kind: "throttled", status });
    await expect(store.checkBucket({ bucket: "b" })).rejects.toMatchObject({ kind: "throttled", status });
  });

  test("with 403 is denied, although the SDK sets its clock by every answer", async () => {
    const store = await storeOn((_, response) => response.writeHead(403).end());
    await expect(store.headObject(address)).rejects.toMatchObject({ kind: "denied", status: 403 });
  });

  const headThen = (get: (response: ServerResponse) => void) =>
    storeOn((request, response) => (request.method === "HEAD" ? response.writeHead(400).end() : get(response)));

  test.each([
    ["InvalidRequest", 400, "rejected"],
    ["ExpiredToken", 400, "credentials"],
    ["AccessDenied", 403, "denied"],
    ["SlowDown", 503, "throttled"],
    ["InvalidRange", 416, "transient"],
  ])("with 400 is %s when a GET says so", async (code, status, kind) => {
    const store = await headThen((response) => sendError(response, status, code));
    await expect(store.headObject(address)).rejects.toMatchObject({ kind, operation: "headObject", key: "k" });
  });

  test("with 400 may be no lasting refusal", async () => {
    const store = await headThen((response) => response.writeHead(206, { "content-length": 1 }).end("x"));
    await expect(store.headObject(address)).rejects.toMatchObject({ kind: "transient", status: 400 });
  });

  test("with 400 may hide that there is nothing", async () => {
    const store = await headThen((response) => sendError(response, 404, "NoSuchKey"));
    expect(await store.headObject(address)).toBeUndefined();
  });
});

describe("a listing that has more and leads nowhere", () => {
  const senseless = { kind: "transient", status: 200, ambiguous: false };
  const upload = "<Upload><Key>k</Key><UploadId>u</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>";
  const more = "<IsTruncated>true</IsTruncated>";
  const listings: [string, string, (store: S3ObjectStore) => Promise<unknown>][] = [
    [
      "listMultiparts without a marker",
      `<ListMultipartUploadsResult>${more}${upload}</ListMultipartUploadsResult>`,
      (store) => all(store.listMultiparts({ bucket: "b", prefix: "" })),
    ],
    [
      "listMultiparts with the same marker again",
      `<ListMultipartUploadsResult>${more}<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>${upload}</ListMultipartUploadsResult>`,
      (store) => all(store.listMultiparts({ bucket: "b", prefix: "" })),
    ],
    [
      "listParts without a marker",
      `<ListPartsResult>${more}<Part><PartNumber>1</PartNumber><Size>1</Size></Part></ListPartsResult>`,
      (store) => store.listParts(multipart),
    ],
    [
      "listParts with the same marker again",
      `<ListPartsResult>${more}<NextPartNumberMarker>1</NextPartNumberMarker></ListPartsResult>`,
      (store) => store.listParts(multipart),
    ],
    [
      "listObjects without a token",
      `<ListBucketResult>${more}</ListBucketResult>`,
      (store) => all(store.listObjects({ bucket: "b", prefix: "" })),
    ],
    [
      "listObjects with the same token again",
      `<ListBucketResult>${more}<NextContinuationToken>t</NextContinuationToken></ListBucketResult>`,
      (store) => all(store.listObjects({ bucket: "b", prefix: "" })),
    ],
  ];

  test.each(listings)("%s", async (name, document, list) => {
    let requests = 0;
    const store = await storeOn((request, response) => {
      requests += 1;
      if (requests > 5) request.destroy();
      else sendXml(response, 200, document);
    });
    await expect(list(store)).rejects.toMatchObject(senseless);
    expect(requests).toBe(name.includes("same") ? 2 : 1);
  });

  test("a marker of another upload of the same key leads on", async () => {
    const page = (id: string, last: boolean) =>
      `<ListMultipartUploadsResult><IsTruncated>${!last}</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>${id}</NextUploadIdMarker>${upload.replace("<UploadId>u", `<UploadId>${id}`)}</ListMultipartUploadsResult>`;
    const ids = ["u1", "u2", "u3"];
    const left = [...ids];
    const store = await storeOn((_, response) => sendXml(response, 200, page(left.shift() ?? "", left.length === 0)));
    const found = await all(store.listMultiparts({ bucket: "b", prefix: "" }));
    expect(found.map(({ multipartId }) => multipartId)).toEqual(ids);
  });
});

test("a listed key that cannot be decoded is given as it came", async () => {
  const store = await storeOn((_, response) =>
    sendXml(
      response,
      200,
      "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>bad%FF+name</Key><Size>1</Size></Contents><Contents><Key>caf%C3%A9+1</Key><Size>1</Size></Contents></ListBucketResult>",
    ),
  );
  const listed = await all(store.listObjects({ bucket: "b", prefix: "" }));
  expect(listed.map(({ key }) => key)).toEqual(["bad%FF+name", "café 1"]);
});

test("Complete may be silent for longer than other requests", async () => {
  let finish: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let arrived: (() => void) | undefined;
  const begun = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const answer = "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>";
  const store = await storeOn(
    (request, response) => {
      if (request.method !== "POST") return;
      arrived?.();
      void held.then(() => sendXml(response, 200, answer));
    },
    { idleTimeoutMs: 50 },
  );
  const completed = store
    .completeMultipart({ ...multipart, parts: [], size: 0, checksum: "crc32:00000000" })
    .catch((error: unknown) => error);
  await begun;
  for (let n = 0; n < 2; n++)
    await expect(store.putObject(put)).rejects.toMatchObject({ providerCode: "TimeoutError" });
  finish?.();
  expect(await completed).toMatchObject({ etag: "e" });
});

test.each(["direct", "sdk"] as const)(
  "a kept connection that the store closes under a write leaves a doubt (%s)",
  async (dataPath) => {
    let connections = 0;
    let requests = 0;
    const server = await startServer((request, response) => {
      requests += 1;
      if (requests > 1) request.socket.resetAndDestroy();
      else response.writeHead(200, { etag: '"e"' }).end();
    });
    server.server.on("connection", () => {
      connections += 1;
    });
    const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
    const store = new S3ObjectStore({
      region: "us-east-1",
      endpoint: server.endpoint,
      forcePathStyle: true,
      credentials,
      dataPath,
    });
    open.push(store, server);
    await store.putObject(put);
    await expect(store.putObject(put)).rejects.toMatchObject({ kind: "transient", ambiguous: true, status: undefined });
    expect(connections).toBe(1);
    // Not even a connection that was reset at once makes anything go out a second time by itself.
    expect(requests).toBe(2);
  },
);
