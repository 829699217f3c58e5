import { createConnection, createServer } from "node:net";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { PostgresStateStoreOptions } from "../src/index.ts";
import { address, anUpload, newSchema, opened, usePostgres } from "./database.ts";

usePostgres();

/** ReadyForQuery, outside a transaction. */
const READY = Buffer.from("Z\0\0\0\u0005I", "latin1");

/** What a session says that an administrator ends. */
function lastWords(): Buffer {
  const fields = Buffer.from("SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0");
  const head = Buffer.from("E\0\0\0\0");
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** A way to the server on which the first `count` sessions end in the packet that says they are ready. */
async function startFickleProxy(count: number) {
  const { hostname, port } = new URL(address());
  let left = count;
  const server = createServer((client) => {
    const upstream = createConnection({ host: hostname, port: Number(port) });
    client.on("data", (data) => upstream.write(data));
    upstream.on("data", (data) => {
      if (left === 0 || !data.subarray(-READY.length).equals(READY)) return client.write(data);
      left -= 1;
      upstream.destroy();
      return client.end(Buffer.concat([data, lastWords()]));
    });
    for (const socket of [client, upstream]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const own = server.address();
  if (own === null || typeof own === "string") throw new Error("The proxy listens on no port.");
  const url = new URL(address());
  url.port = String(own.port);
  return { connectionString: url.href, left: () => left };
}

const WAYS: readonly [string, (connectionString: string) => PostgresStateStoreOptions][] = [
  ["a pool of its own", (connectionString) => ({ connectionString })],
  [
    "a pool that was handed in",
    (connectionString) => {
      const pool = new pg.Pool({ connectionString });
      onTestFinished(() => pool.end());
      return { pool };
    },
  ],
];

test.each(WAYS)("%s survives sessions that end in the moment they begin", async (_, options) => {
  const proxy = await startFickleProxy(2);
  const store = await opened(newSchema(), options(proxy.connectionString));
  expect(proxy.left()).toBe(0);
  expect(await store.insertUpload(anUpload("u"))).toBe(true);
});
