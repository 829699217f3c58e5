import fastify, { type FastifyInstance, type FastifyServerOptions } from "fastify";
import { afterEach, describe, expect, test } from "vitest";
import { bucketline, createServer, type HttpOptions } from "../src/index.ts";
import { Bed } from "./support/bed.ts";

let bed: Bed;
let app: FastifyInstance | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
  await bed.close();
});

async function mount(on: FastifyInstance, options: HttpOptions & { prefix?: string }): Promise<void> {
  // biome-ignore lint/nursery/noMisusedPromises: Fastify waits for plugins that return a promise
  await on.register(bucketline, options);
}

/** A host's own server with routes of its own. */
async function host(server: FastifyServerOptions, options: { prefix?: string }): Promise<string> {
  bed = await Bed.open();
  app = fastify(server);
  app.get("/mine", async (_request, reply) => reply.header("x-mine", "yes").send({ mine: true }));
  app.post("/form", async (request) => ({ body: request.body }));
  app.addContentTypeParser("text/plain", { parseAs: "string" }, (_request, body, done) => done(null, body));
  await mount(app, { service: bed.service, ...options });
  return await app.listen({ host: "127.0.0.1", port: 0 });
}

const status = async (url: string, init?: RequestInit) => (await fetch(url, init)).status;

describe("in a host's server", () => {
  test("a prefix keeps everything below it, and the host's own routes stay as they are", async () => {
    const url = await host({}, { prefix: "/bucketline" });
    const mine = await fetch(`${url}/mine`);
    expect(await mine.json()).toEqual({ mine: true });
    expect([...mine.headers.keys()].sort()).toEqual([
      "connection",
      "content-length",
      "content-type",
      "date",
      "keep-alive",
      "x-mine",
    ]);
    expect(await status(`${url}/mine/`)).toBe(404);
    const form = await fetch(`${url}/form`, {
      method: "POST",
      body: "plain",
      headers: { "content-type": "text/plain" },
    });
    expect(await form.json()).toEqual({ body: "plain" });
    const nothing = await fetch(`${url}/nothing`);
    expect(nothing.headers.get("content-type")).toBe("application/json; charset=utf-8");
    for (const path of ["/uploads", "/api/v1/uploads", "/openapi.json", "/docs", "/redoc"]) {
      expect(await status(`${url}${path}`), path).toBe(404);
      expect(await status(`${url}/bucketline${path}`), path).toBe(200);
      expect(await status(`${url}/bucketline${path}/`), path).toBe(200);
    }
    const missing = await fetch(`${url}/bucketline/nothing`);
    expect(await missing.json()).toMatchObject({ code: "ROUTE_NOT_FOUND" });
    const other = await fetch(`${url}/bucketline/uploads`, { method: "PUT" });
    expect([other.status, other.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
  });

  test("links and the document name the prefix", async () => {
    const url = await host({}, { prefix: "/a/b" });
    const body = JSON.stringify({ source_folder: bed.root, destination_bucket: "bucket", upload_id: "u" });
    const headers = { "content-type": "application/json" };
    const created = await fetch(`${url}/a/b/uploads`, { method: "POST", body, headers });
    expect(created.headers.get("location")).toBe("/a/b/api/v1/uploads/u");
    expect(await status(`${url}${created.headers.get("location")}`)).toBe(200);
    const document = (await (await fetch(`${url}/a/b/openapi.json`)).json()) as { paths: object; servers: object[] };
    expect(document.servers).toEqual([{ url: "/a/b" }]);
    expect(Object.keys(document.paths)).toContain("/api/v1/uploads");
    expect(await (await fetch(`${url}/a/b/redoc`)).text()).toContain('spec-url="/a/b/openapi.json"');
    expect(await (await fetch(`${url}/a/b/docs`)).text()).toContain('src="/a/b/docs/static/swagger-ui-bundle.js"');
  });

  test("without a prefix, paths that are not ours stay the host's", async () => {
    const url = await host({}, {});
    expect(await status(`${url}/mine`)).toBe(200);
    const nothing = await fetch(`${url}/nothing`);
    expect(nothing.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(nothing.headers.get("content-security-policy")).toBeNull();
    const ours = await fetch(`${url}/api/v1/nothing`);
    expect(await ours.json()).toMatchObject({ code: "ROUTE_NOT_FOUND" });
    expect(await status(`${url}/uploads/`)).toBe(200);
  });

  test.each([
    { routerOptions: { ignoreTrailingSlash: true } },
    { routerOptions: { ignoreDuplicateSlashes: true } },
    { ajv: { customOptions: { removeAdditional: "all", coerceTypes: "array" } } },
  ])("settings of the host's server change nothing: %j", async (server) => {
    const url = await host(server as FastifyServerOptions, {});
    expect(await status(`${url}/uploads/`)).toBe(200);
    expect(await status(`${url}/api/v1/uploads`, { method: "HEAD" })).toBe(200);
    const body = JSON.stringify({ source_folder: bed.root, destination_bucket: "bucket", unknown: 1, dot: "true" });
    const headers = { "content-type": "application/json" };
    const refused = await fetch(`${url}/uploads`, { method: "POST", body, headers });
    expect(await refused.json()).toMatchObject({
      errors: expect.arrayContaining([
        { field: "body.unknown", message: "is not known" },
        { field: "body.dot", message: "must be boolean" },
      ]),
    });
  });

  test("several services stand side by side below their prefixes", async () => {
    bed = await Bed.open();
    const other = await Bed.open();
    try {
      app = fastify();
      await mount(app, { prefix: "/one", service: bed.service });
      await mount(app, { prefix: "/two", service: other.service });
      const url = await app.listen({ host: "127.0.0.1", port: 0 });
      await bed.create("", { upload_id: "only-here" });
      expect(await status(`${url}/one/uploads/only-here`)).toBe(200);
      expect(await status(`${url}/two/uploads/only-here`)).toBe(404);
    } finally {
      await other.close();
    }
  });

  test("wrong options are refused by name", async () => {
    bed = await Bed.open();
    const refused = async (options: object) => {
      const one = fastify();
      await expect(mount(one, options as never)).rejects.toMatchObject({ code: "INVALID_OPTION" });
      await one.close();
    };
    await refused({});
    await refused({ service: {} });
    await refused({ service: bed.service, bodyLimit: 0 });
  });
});

describe("a server of its own", () => {
  test("answers HEAD as GET, without a body", async () => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "u" });
    for (const path of ["/uploads", "/api/v1/uploads/u/", "/openapi.json", "/limits", "/redoc"]) {
      const get = await bed.call(path);
      const head = await bed.call(path, { method: "HEAD" });
      expect([head.status, head.text], path).toEqual([get.status, ""]);
      expect(head.headers.get("content-type"), path).toBe(get.headers.get("content-type"));
    }
  });

  test("lets requests in flight finish when it is closed, takes no new ones, and closes", async () => {
    bed = await Bed.open();
    let finish = () => {};
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const begun = new Promise<void>((resolve) => {
      const get = bed.service.get.bind(bed.service);
      bed.service.get = async (id) => {
        resolve();
        await held;
        return await get(id);
      };
    });
    await bed.create("", { pattern: "*" });
    const { body } = await bed.call<{ uploads: { upload_id: string }[] }>("/uploads");
    const answer = bed.call(`/uploads/${body.uploads[0]?.upload_id}`);
    await begun;
    const closed = bed.server.close();
    finish();
    expect((await answer).status).toBe(200);
    await closed;
    await expect(bed.call("/uploads")).rejects.toThrow();
  });

  test("ends event streams when it is closed, without waiting for their time to be up", async () => {
    bed = await Bed.open({ server: { closeTimeout: 3_600_000 } });
    const streams = await Promise.all(["/events", "/api/v1/events"].map((path) => fetch(`${bed.url}${path}`)));
    const ended = streams.map((stream) => stream.text());
    await bed.server.close();
    expect(streams.map((stream) => stream.status)).toEqual([200, 200]);
    await Promise.all(ended);
  });

  test("says why it cannot listen, and leaves nothing open", async () => {
    bed = await Bed.open();
    const { port } = new URL(bed.url);
    const options = { service: bed.service, port: Number(port) };
    await expect(createServer(options)).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("cuts off what does not finish in time", async () => {
    bed = await Bed.open({ server: { closeTimeout: 1 } });
    const begun = new Promise<void>((resolve) => {
      bed.service.list = () => {
        resolve();
        return new Promise(() => {});
      };
    });
    const answer = bed.call("/uploads");
    answer.catch(() => {});
    await begun;
    await bed.server.close();
    await expect(answer).rejects.toThrow();
  });

  test("bounds how long a request may take to come, with and without its body", async () => {
    bed = await Bed.open();
    const { requestTimeout, headersTimeout } = bed.server.app.server;
    expect(requestTimeout).toBe(60_000);
    expect(headersTimeout).toBeLessThanOrEqual(requestTimeout);
  });

  test("writes IPv6 addresses as URLs do", async () => {
    bed = await Bed.open({ server: { host: "::1" } });
    expect(bed.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await bed.call("/uploads")).status).toBe(200);
  });

  test("the pages of the document can be left out", async () => {
    bed = await Bed.open({ server: { docs: false } });
    expect((await bed.call("/docs")).status).toBe(404);
    expect((await bed.call("/redoc")).status).toBe(404);
    expect((await bed.call("/openapi.json")).status).toBe(200);
  });
});
