// Starts the server and asks for its pages.

import assert from "node:assert/strict";
import { UploadService } from "@bucketline/core";
import { MemoryObjectStore } from "@bucketline/core/testing";
import { createServer } from "@bucketline/http";
import { SqliteStateStore } from "@bucketline/store-sqlite";

const service = new UploadService({
  state: new SqliteStateStore(":memory:"),
  objects: new MemoryObjectStore({ buckets: ["my-bucket"] }),
});
const server = await createServer({ service, port: 0 });

/** `/` answers programs with JSON and browsers with the dashboard. */
async function get(path, type, accept = "*/*") {
  const answer = await fetch(new URL(path, server.url), { headers: { accept } });
  assert.equal(answer.status, 200, path);
  assert.match(answer.headers.get("content-type") ?? "", type, path);
  return await answer.text();
}

/** A page is there when its scripts and styles are, too. */
async function getPage(path) {
  const page = await get(path, /^text\/html/, "text/html");
  const parts = [...page.matchAll(/(?:src|href)="([^"#]+\.(?:js|css))"/g)].map((match) => match[1]);
  assert.notEqual(parts.length, 0, `${path} names no script`);
  const base = new URL(path, server.url);
  for (const part of parts) assert.ok((await get(new URL(part, base), /javascript|css/)).length > 0, part);
}

try {
  await service.start();
  for (const path of ["/", "/docs", "/redoc"]) await getPage(path);
  const { openapi, paths } = JSON.parse(await get("/openapi.json", /json/));
  assert.match(openapi, /^3\./);
  assert.ok(Object.keys(paths).length > 10);
} finally {
  await server.close();
  await service.stop();
}
