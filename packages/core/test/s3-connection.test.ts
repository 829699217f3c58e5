import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { crc32Of, formatCrc32 } from "../src/checksum.ts";
import { S3ObjectStore, type S3ObjectStoreOptions } from "../src/s3/index.ts";
import { authority, certificate } from "./support/certificate.ts";

const credentials = { accessKeyId: "a", secretAccessKey: "s" };
const put = {
  bucket: "b",
  key: "k",
  body: new TextEncoder().encode("x"),
  checksum: "crc32:8cdc1683",
  settings: {},
  token: "t",
} as const;
const OK = 'HTTP/1.1 200 OK\r\netag: "e"\r\ncontent-length: 0\r\n\r\n';

const open: { close(): unknown }[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const each of open.splice(0).reverse()) await each.close();
});

/** A server of bare sockets that answers every request with what it is told. */
async function serve(answer: (request: number, socket: Socket) => void, host = "127.0.0.1") {
  const sockets: Socket[] = [];
  let requests = 0;
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    // Head and body of so short a request come together.
    socket.on("data", () => answer(++requests, socket));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { address, family, port } = server.address() as AddressInfo;
  open.push({
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const socket of sockets) socket.destroy();
      }),
  });
  return { sockets, endpoint: `http://${family === "IPv6" ? `[${address}]` : address}:${port}` };
}

function storeOn(endpoint: string, options: Partial<S3ObjectStoreOptions> = {}): S3ObjectStore {
  const config = { region: "eu-west-1", endpoint, forcePathStyle: true, credentials };
  const store = new S3ObjectStore({ ...config, ...options } as S3ObjectStoreOptions);
  open.push(store);
  return store;
}

describe("a connection is used again", () => {
  test("when its answer was complete", async () => {
    const { endpoint, sockets } = await serve((_, socket) => socket.write(OK));
    const store = storeOn(endpoint);
    for (let n = 0; n < 5; n++) expect(await store.putObject(put)).toMatchObject({ etag: "e" });
    expect(sockets).toHaveLength(1);
  });

  test.each([
    ["the server closes it", (socket: Socket) => socket.end(OK.replace("\r\n", "\r\nconnection: close\r\n"))],
    ["the server says that it will", (socket: Socket) => socket.write(OK.replace("\r\n", "\r\nconnection: close\r\n"))],
    [
      "the server keeps none for as long as a request takes",
      (socket: Socket) => socket.write(OK.replace("\r\n", "\r\nkeep-alive: timeout=1\r\n")),
    ],
    ["more has come than was asked for", (socket: Socket) => socket.write(OK + OK)],
    ["the answer ends with it", (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\netag: "e"\r\n\r\n')],
  ])("but not when %s", async (_, answer) => {
    const { endpoint, sockets } = await serve((_request, socket) => answer(socket));
    const store = storeOn(endpoint);
    for (let n = 0; n < 3; n++) expect(await store.putObject(put)).toMatchObject({ etag: "e" });
    expect(sockets).toHaveLength(3);
  });

  test("but not when the server has closed it meanwhile, without a word", async () => {
    const { endpoint, sockets } = await serve((_, socket) => socket.write(OK));
    const store = storeOn(endpoint);
    await store.putObject(put);
    const [first] = sockets as [Socket];
    first.end();
    await once(first, "close");
    expect(await store.putObject(put)).toMatchObject({ etag: "e" });
    expect(sockets).toHaveLength(2);
  });

  test("but not when it was silent for longer than servers keep one", async () => {
    const { endpoint, sockets } = await serve((_, socket) => socket.write(OK));
    const store = storeOn(endpoint);
    await store.putObject(put);
    const now = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => now + 60_000);
    expect(await store.putObject(put)).toMatchObject({ etag: "e" });
    expect(sockets).toHaveLength(2);
  });

  test("but not when something comes on it that nobody has asked for", async () => {
    const { endpoint, sockets } = await serve((_, socket) => socket.write(OK));
    const store = storeOn(endpoint);
    await store.putObject(put);
    const [first] = sockets as [Socket];
    first.write("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");
    await once(first, "close");
    expect(await store.putObject(put)).toMatchObject({ etag: "e" });
    expect(sockets).toHaveLength(2);
  });
});

test("over https connections are used again after large bodies, and a further one takes up a session", async () => {
  const sockets: TLSSocket[] = [];
  const server = createSecureServer(certificate, (request, response) => {
    request.resume().on("end", () => response.writeHead(200, { etag: '"e"' }).end());
  });
  server.on("secureConnection", (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) });
  const endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = storeOn(endpoint, { ca: authority });
  const body = Buffer.alloc(2 * 1024 ** 2, 1);
  const large = { ...put, body, checksum: formatCrc32(crc32Of(body)) };
  for (let n = 0; n < 5; n++) await store.putObject(large);
  expect(sockets).toHaveLength(1);
  await Promise.all([store.putObject(large), store.putObject(large)]);
  expect(sockets.map((socket) => socket.isSessionReused())).toEqual([false, true]);
});

test("a connection that nobody uses is closed", async () => {
  const kept = OK.replace("\r\n", "\r\nkeep-alive: timeout=3\r\n");
  const { endpoint, sockets } = await serve((_, socket) => socket.write(kept));
  await storeOn(endpoint).putObject(put);
  await expect.poll(() => sockets[0]?.closed, { timeout: 20_000 }).toBe(true);
});

test.each([
  ["before anything is answered", ""],
  ["within the head", "HTTP/1.1 200 OK\r\netag:"],
  ["within the document", "HTTP/1.1 403 Forbidden\r\ncontent-length: 100\r\n\r\n<Error>"],
])("a connection that ends %s leaves a doubt, and the next request has another", async (_, begun) => {
  const { endpoint, sockets } = await serve((request, socket) =>
    request === 1 ? socket.end(begun) : socket.write(OK),
  );
  const store = storeOn(endpoint);
  const doubtful = { kind: "transient", ambiguous: true, providerCode: "ECONNRESET" };
  await expect(store.putObject(put)).rejects.toMatchObject(doubtful);
  expect(await store.putObject(put)).toMatchObject({ etag: "e" });
  expect(sockets).toHaveLength(2);
});

test("a connection that does not stand in time leaves no doubt", async () => {
  const { endpoint } = await serve(() => {});
  const store = storeOn(endpoint.replace("http:", "https:"), { connectionTimeoutMs: 50 });
  const unsent = { kind: "transient", ambiguous: false, providerCode: "CONNECT_TIMEOUT" };
  await expect(store.putObject(put)).rejects.toMatchObject(unsent);
});

test("an address of IPv6 is one", async (context) => {
  const server = await serve((_, socket) => socket.write(OK), "::1").catch(() => undefined);
  context.skip(!server, "this machine has no IPv6");
  if (server) expect(await storeOn(server.endpoint).putObject(put)).toMatchObject({ etag: "e" });
});

test("whoever aborts before the connection stands has sent nothing", async () => {
  let requests = 0;
  const { endpoint } = await serve((_, socket) => {
    requests += 1;
    socket.write(OK);
  });
  const store = storeOn(endpoint);
  await store.putObject(put);
  const stop = new AbortController();
  const reason = new Error("stop");
  const [first, second] = [store.putObject(put), store.putObject({ ...put, signal: stop.signal })];
  queueMicrotask(() => stop.abort(reason));
  await expect(second).rejects.toBe(reason);
  await first;
  expect(await store.putObject(put)).toMatchObject({ etag: "e" });
  expect(requests).toBe(3);
});

test.each(["cacheControl", "contentDisposition"])("%s that would be a header of its own is refused", async (name) => {
  let requests = 0;
  const { endpoint } = await serve((_, socket) => {
    requests += 1;
    socket.write(OK);
  });
  const settings = { [name]: "no-cache\r\nx-amz-acl: public-read" };
  const refused = { kind: "rejected", ambiguous: false, providerCode: "ERR_INVALID_CHAR" };
  await expect(storeOn(endpoint).putObject({ ...put, settings })).rejects.toMatchObject(refused);
  expect(requests).toBe(0);
});

test("a connection that is kept does not keep the process", async () => {
  const { endpoint } = await serve((_, socket) => socket.write(OK));
  const program = `
    import { S3ObjectStore } from ${JSON.stringify(new URL("../src/s3/index.ts", import.meta.url).href)};
    const store = new S3ObjectStore(${JSON.stringify({ region: "eu-west-1", endpoint, forcePathStyle: true, credentials })});
    await store.putObject({ bucket: "b", key: "k", body: new Uint8Array(1), checksum: "crc32:d202ef8d", settings: {}, token: "t" });
    process.stdout.write("put");`;
  const child = spawn(
    process.execPath,
    ["--input-type=module", "--disable-warning=ExperimentalWarning", "-e", program],
    {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  open.push({ close: () => child.kill("SIGKILL") });
  let told = "";
  child.stdout.on("data", (chunk) => {
    told += chunk;
  });
  expect(await once(child, "close")).toEqual([0, null]);
  expect(told).toBe("put");
});
