import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { crc32Of, formatCrc32 } from "../src/checksum.ts";
import { S3ObjectStore, type S3ObjectStoreOptions } from "../src/s3/index.ts";
import { startServer } from "./s3-server.ts";

const credentials = { accessKeyId: "AKIDSECRETID", secretAccessKey: "hidden", sessionToken: "sessionhidden" };
const body = new TextEncoder().encode("x");
const put = { bucket: "b", key: "k", body, checksum: "crc32:8cdc1683", settings: {}, token: "t" } as const;

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

function storeOn(endpoint: string, options: Partial<S3ObjectStoreOptions> = {}): S3ObjectStore {
  const config = { region: "eu-west-1", endpoint, forcePathStyle: true, credentials, dataPath: "direct" as const };
  const store = new S3ObjectStore({ ...config, ...options } as S3ObjectStoreOptions);
  open.push(store);
  return store;
}

/** A server of bare sockets. */
async function sockets(serve: (socket: Socket) => void): Promise<string> {
  const all = new Set<Socket>();
  const server = createServer((socket) => {
    all.add(socket.on("error", () => {}));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const end = (socket: Socket) => socket.destroy();
  open.push({ close: () => new Promise((resolve) => server.close(resolve) && all.forEach(end)) });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const reply = (status: string, document: string) =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${document.length}\r\netag: "e"\r\n\r\n${document}`;

describe("connections", () => {
  test("are no more than allowed; the rest waits, and what is aborted meanwhile is never sent", async () => {
    const answers: (() => void)[] = [];
    let requests = 0;
    let connections = 0;
    const server = await startServer((_, response) => {
      requests += 1;
      answers.push(() => response.writeHead(200, { etag: '"e"' }).end());
    });
    open.push(server);
    server.server.on("connection", () => {
      connections += 1;
    });
    const store = storeOn(server.endpoint, { maxSockets: 2 });
    const stop = new AbortController();
    const puts = [1, 2, 3, 4].map(() => store.putObject(put));
    const reason = new Error("stop");
    const aborted = store.putObject({ ...put, signal: stop.signal });
    const last = store.putObject(put);
    await expect.poll(() => answers.length).toBe(2);
    stop.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    for (let n = 0; n < 5; n++) {
      await expect.poll(() => answers.length).toBeGreaterThan(0);
      answers.shift()?.();
    }
    await Promise.all([...puts, last]);
    expect({ requests, connections }).toEqual({ requests: 5, connections: 2 });
  });

  test("carry nothing once they are closed, wherever it was on its way to", async () => {
    let requests = 0;
    const server = await startServer((_, response) => {
      requests += 1;
      response.writeHead(200, { etag: '"e"' }).end();
    });
    open.push(server);
    let known = () => {};
    const wait = new Promise<void>((resolve) => {
      known = resolve;
    });
    const provider = async () => {
      await wait;
      return credentials;
    };
    const store = storeOn(server.endpoint, { credentials: provider });
    const failed = expect(store.putObject(put)).rejects.toMatchObject({ kind: "transient" });
    await store.close();
    known();
    await failed;
    expect(requests).toBe(0);
  });

  test("that do not stand yet are ended, too", async () => {
    const seen: Socket[] = [];
    const endpoint = await sockets((socket) => seen.push(socket.resume()));
    const store = storeOn(endpoint.replace("http:", "https:"));
    const failed = expect(store.putObject(put)).rejects.toMatchObject({ kind: "transient" });
    await expect.poll(() => seen.length).toBe(1);
    await store.close();
    await failed;
    await expect.poll(() => seen[0]?.closed).toBe(true);
  });

  test("that are closed end what is under way", async () => {
    const endpoint = await sockets(() => {});
    const store = storeOn(endpoint);
    const failed = expect(store.putObject(put)).rejects.toMatchObject({ kind: "transient" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await store.close();
    await failed;
  });
});

describe("a body is not read any more once its call has settled", () => {
  const large = new Uint8Array(32 * 1024 ** 2).fill(1);
  const request = { ...put, body: large, checksum: formatCrc32(crc32Of(large)) };

  /** A server that begins to read the bodies only when told; the bytes of what has arrived by the end. */
  async function lateReader(answer: string | undefined) {
    let marked = 0;
    let ended = 0;
    let go: (() => void) | undefined;
    const endpoint = await sockets((socket) => {
      socket.once("data", () => {
        if (answer !== undefined) socket.write(answer);
        socket.pause();
        go = () => {
          socket.on("data", (chunk) => {
            marked += chunk.filter((byte) => byte === 2).length;
          });
          socket.on("close", () => {
            ended += 1;
          });
          socket.resume();
        };
      });
    });
    const read = async () => {
      await expect.poll(() => go).toBeDefined();
      go?.();
      await expect.poll(() => ended).toBe(1);
      return marked;
    };
    return { endpoint, read };
  }

  test("by an answer that came early", async () => {
    const document = "<Error><Code>AccessDenied</Code><Message>No</Message></Error>";
    const { endpoint, read } = await lateReader(reply("403 Forbidden", document));
    await expect(storeOn(endpoint, { signBodies: false }).putObject(request)).rejects.toMatchObject({ kind: "denied" });
    large.fill(2);
    expect(await read()).toBe(0);
    large.fill(1);
  });

  test("by its signal", async () => {
    const { endpoint, read } = await lateReader(undefined);
    const stop = new AbortController();
    const call = storeOn(endpoint).putObject({ ...request, signal: stop.signal });
    const reason = new Error("stop");
    setTimeout(() => stop.abort(reason), 100);
    await expect(call).rejects.toBe(reason);
    large.fill(2);
    expect(await read()).toBe(0);
    large.fill(1);
  });
});

describe("answers", () => {
  test("that never end are cut off, and their beginning counts", async () => {
    const endpoint = await sockets((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n");
        const document = `<Error><Code>AccessDenied</Code><Message>No</Message>${" ".repeat(65_536)}`;
        const chunk = `${document.length.toString(16)}\r\n${document}\r\n`;
        const more = () => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on("drain", more);
        more();
      });
    });
    await expect(storeOn(endpoint).putObject(put)).rejects.toMatchObject({ kind: "denied", status: 403 });
  });

  test("that are no HTTP leave a doubt", async () => {
    const endpoint = await sockets((socket) => socket.once("data", () => socket.end("220 smtp ready\r\n")));
    const failed = { kind: "transient", ambiguous: true, status: undefined };
    await expect(storeOn(endpoint).putObject(put)).rejects.toMatchObject(failed);
  });

  test("with an ETag or two have the first", async () => {
    const twice = 'HTTP/1.1 200 OK\r\netag: "a"\r\netag: "b"\r\ncontent-length: 0\r\n\r\n';
    const endpoint = await sockets((socket) => socket.once("data", () => socket.write(twice)));
    expect(await storeOn(endpoint).putObject(put)).toMatchObject({ etag: "a" });
  });

  test("with a document that is no error are a success", async () => {
    const endpoint = await sockets((socket) => socket.once("data", () => socket.write(reply("200 OK", "<Ok></Ok>"))));
    expect(await storeOn(endpoint).putObject(put)).toMatchObject({ etag: "e" });
  });

  test("behind a 100 that nobody asked for are waited for", async () => {
    const endpoint = await sockets((socket) =>
      socket.on("data", () => socket.write(`HTTP/1.1 100 Continue\r\n\r\n${reply("200 OK", "")}`)),
    );
    const store = storeOn(endpoint);
    expect(await store.putObject(put)).toMatchObject({ etag: "e" });
    expect(await store.uploadPart({ ...put, multipartId: "m", partNumber: 1 })).toMatchObject({ etag: "e" });
  });

  test("with news on the way are waited for", async () => {
    const endpoint = await sockets((socket) =>
      socket.once("data", () => socket.write(`HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n${reply("200 OK", "")}`)),
    );
    expect(await storeOn(endpoint).putObject(put)).toMatchObject({ etag: "e" });
  });
});

test("no failure tells a secret", async () => {
  const endpoint = await sockets((socket) => socket.once("data", () => socket.destroy()));
  const refusing = await startServer((request, response) =>
    response.writeHead(403).end(`<Error><Code>X</Code><Message>${request.headers.authorization}</Message></Error>`),
  );
  open.push(refusing);
  for (const store of [storeOn(endpoint), storeOn(refusing.endpoint), storeOn("http://127.0.0.1:1")]) {
    const error = await store.putObject(put).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    const text = inspect(error, { depth: 12, showHidden: true });
    for (const secret of ["hidden", "Signature=", "sessionhidden"]) expect(text).not.toContain(secret);
  }
});
