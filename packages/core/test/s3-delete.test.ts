import { type FaultEffect, type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { crc32Of, formatCrc32 } from "../src/checksum.ts";
import { S3ObjectStore, type S3ObjectStoreOptions } from "../src/s3/index.ts";
import { sendError, startServer } from "./s3-server.ts";

const body = new Uint8Array(10).fill(7);
const write = { bucket: "bucket", key: "k", body, checksum: formatCrc32(crc32Of(body)), settings: {}, token: "t" };
const credentials = { accessKeyId: "key", secretAccessKey: "secret" };

type Options = Exclude<S3ObjectStoreOptions, { readonly client: unknown }>;

let sandbox: Sandbox;
let store: S3ObjectStore;
let ifMatch: string;
const open: { close(): unknown }[] = [];

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: ["bucket"] });
});
afterAll(() => sandbox.close());
beforeEach(async () => {
  store = connect();
  ifMatch = (await store.putObject(write)).etag;
});
afterEach(async () => {
  sandbox.clearFaults();
  for (const each of open.splice(0)) await each.close();
});

function connect(options: Options = {}): S3ObjectStore {
  const store = new S3ObjectStore({ ...sandbox.clientConfig, ...options });
  open.push(store);
  return store;
}

const target = () => ({ bucket: "bucket", key: "k", ifMatch });
const isThere = async () => (await sandbox.object("bucket", "k")) !== undefined;
const fault = (action: FaultEffect) => sandbox.fault({ operation: "DeleteObject", action });

/** What the DELETE carried. */
async function sentHeaders(client: S3ObjectStore): Promise<ReadonlyMap<string, string>> {
  let headers: ReadonlyMap<string, string> = new Map();
  sandbox.fault({
    operation: "DeleteObject",
    action: (call) => {
      headers = call.headers;
      return undefined;
    },
  });
  expect(await client.deleteObject(target())).toBe("deleted");
  return headers;
}

describe("what goes over the wire", () => {
  test("the condition, and the bucket's owner", async () => {
    const headers = await sentHeaders(store);
    expect(headers.get("if-match")).toBe(`"${ifMatch}"`);
    expect(headers.get("x-amz-expected-bucket-owner")).toBeUndefined();
  });

  test("no condition where the store honours none", async () => {
    const headers = await sentHeaders(connect({ conditionalWrites: false }));
    expect(headers.has("if-match")).toBe(false);
  });

  test("nothing but a HEAD when the object is another, with or without conditions", async () => {
    const requests = sandbox.fault({ operation: "DeleteObject", action: { type: "resetBefore" } });
    const other = { ...target(), ifMatch: "0123456789abcdef0123456789abcdef" };
    expect(await store.deleteObject(other)).toBe("changed");
    expect(await connect({ conditionalWrites: false }).deleteObject(other)).toBe("changed");
    expect(requests.fired).toBe(0);
    expect(await isThere()).toBe(true);
  });
});

describe("between the HEAD and the DELETE", () => {
  test("the object is replaced: 412", async () => {
    sandbox.fault({
      operation: "DeleteObject",
      action: async () => {
        await store.putObject({ ...write, body: new Uint8Array(1), checksum: formatCrc32(crc32Of(new Uint8Array(1))) });
        return undefined;
      },
    });
    expect(await store.deleteObject(target())).toBe("changed");
    expect(await isThere()).toBe(true);
  });

  test("the object goes: 404", async () => {
    sandbox.fault({
      operation: "DeleteObject",
      action: async () => {
        await connect().deleteObject(target());
        return undefined;
      },
    });
    expect(await store.deleteObject(target())).toBe("absent");
  });
});

describe("failures", () => {
  test.each([
    ["AccessDenied", 403, "denied", false],
    ["ConditionalRequestConflict", 409, "conflict", false],
    ["NotImplemented", 501, "unsupported", false],
    ["SlowDown", 503, "throttled", false],
    ["InternalError", 500, "transient", true],
  ] as const)("%s", async (code, status, kind, ambiguous) => {
    fault({ type: "respond", code });
    const refused = expect.objectContaining({ operation: "deleteObject", status, kind, ambiguous, key: "k" });
    await expect(store.deleteObject(target())).rejects.toEqual(refused);
    expect(await isThere()).toBe(true);
  });

  test("a HEAD that is refused leaves the object alone", async () => {
    sandbox.fault({ operation: "HeadObject", action: { type: "respond", code: "AccessDenied" } });
    await expect(store.deleteObject(target())).rejects.toMatchObject({ kind: "denied", operation: "headObject" });
    expect(await isThere()).toBe(true);
  });

  test("a lost answer is ambiguous, and settled by asking again", async () => {
    fault({ type: "loseResponse" });
    await expect(store.deleteObject(target())).rejects.toMatchObject({ kind: "transient", ambiguous: true });
    expect(await store.deleteObject(target())).toBe("absent");
  });

  test("an aborted signal rejects with its reason", async () => {
    const reason = new Error("stop");
    const stop = new AbortController();
    sandbox.fault({ operation: "DeleteObject", action: { type: "silence" } });
    sandbox.fault({
      operation: "HeadObject",
      action: () => {
        setTimeout(() => stop.abort(reason), 50);
        return undefined;
      },
    });
    await expect(store.deleteObject({ ...target(), signal: stop.signal })).rejects.toBe(reason);
  });
});

test("a store that ignores If-Match on a DELETE deletes no other object than the one that was seen", async () => {
  const requests: (string | undefined)[] = [];
  const server = await startServer((request, response) => {
    requests.push(request.method);
    if (request.method === "HEAD") response.writeHead(200, { etag: '"theirs"', "content-length": 3 }).end();
    else if (request.method === "DELETE") response.writeHead(204).end();
    else sendError(response, 500, "InternalError");
  });
  open.push(server);
  const { endpoint } = server;
  const ignorant = connect({ region: "us-east-1", endpoint, credentials, forcePathStyle: true });
  expect(await ignorant.deleteObject({ ...target(), ifMatch: "ours" })).toBe("changed");
  expect(requests).toEqual(["HEAD"]);
  expect(await ignorant.deleteObject({ ...target(), ifMatch: "theirs" })).toBe("deleted");
});
