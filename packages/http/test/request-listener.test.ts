import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type AppOptions, type BucketlineListener, createRequestListener } from "../src/index.ts";
import { Bed } from "./support/bed.ts";

let bed: Bed;
let uploads: BucketlineListener;
let server: Server;

afterEach(async () => {
  await uploads.close();
  server.close();
  await bed.close();
});

/** A server of node:http that takes what it mounts at off the address, as Express does, and keeps the whole of it. */
async function mounted(options: Omit<AppOptions, "service"> = {}): Promise<string> {
  bed = await Bed.open();
  uploads = await createRequestListener({ service: bed.service, rateLimit: false, ...options });
  const answer = (request: IncomingMessage & { originalUrl?: string }, response: ServerResponse) => {
    if (!request.url?.startsWith("/in/")) return response.end("the host's");
    request.originalUrl = request.url;
    request.url = request.url.slice("/in".length);
    uploads.listener(request, response);
  };
  server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("answers below the prefix on somebody else's server, where the prefix was taken off, too", async () => {
  const url = await mounted({ prefix: "/in" });
  expect(await (await fetch(`${url}/`)).text()).toBe("the host's");
  const body = JSON.stringify({ source_folder: bed.root, destination_bucket: "bucket", upload_id: "u" });
  const headers = { "content-type": "application/json" };
  const created = await fetch(`${url}/in/uploads`, { method: "POST", body, headers });
  expect([created.status, created.headers.get("location")]).toEqual([201, "/in/api/v1/uploads/u"]);
  expect((await fetch(`${url}/in/api/v1/uploads/u?x`)).status).toBe(200);
  const nothing = await fetch(`${url}/in/nothing`);
  expect(await nothing.json()).toMatchObject({ code: "ROUTE_NOT_FOUND" });
});

test("ends event streams when it is closed, so that the host's server can close", async () => {
  const url = await mounted({ prefix: "/in" });
  const stream = await fetch(`${url}/in/events`);
  await uploads.close();
  expect(await stream.text()).toContain("event: bye");
  const closed = once(server, "close");
  server.close();
  await closed;
});

test("without auth it answers callers on this machine only, by the connection", async () => {
  const url = await mounted({ prefix: "/in" });
  expect((await fetch(`${url}/in/uploads`)).status).toBe(200);
  const passedOn = await fetch(`${url}/in/uploads`, { headers: { "x-forwarded-for": "192.0.2.1" } });
  expect(await passedOn.json()).toMatchObject({ code: "AUTH_REQUIRED" });
});
