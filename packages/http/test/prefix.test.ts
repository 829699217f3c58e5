import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createServer } from "../src/index.ts";
import { Bed } from "./support/bed.ts";
import { ADMIN, AUTH, READER } from "./support/credentials.ts";

const PREFIX = "/files/up.load-1";
const BROWSER = { accept: "text/html" };

let bed: Bed;
afterEach(() => bed.close());

describe("a server below a prefix", () => {
  beforeEach(async () => {
    bed = await Bed.open({ server: { prefix: PREFIX, auth: AUTH } });
  });

  test("answers everything there, and says so in its URL", async () => {
    expect(new URL(bed.url).pathname).toBe(PREFIX);
    for (const path of ["/health", "/ready"]) expect((await bed.call(`${PREFIX}${path}`)).status, path).toBe(200);
    const closed = [
      "/api/v1/uploads",
      "/uploads",
      "/metrics",
      "/openapi.json",
      "/docs",
      "/redoc",
      "/docs/static/index.css",
    ];
    for (const path of closed) {
      expect((await bed.call(`${PREFIX}${path}`)).status, path).toBe(401);
      expect((await bed.call(`${PREFIX}${path}`, { token: READER })).status, path).toBe(200);
    }
    const bare = await bed.call(PREFIX, { token: READER, headers: BROWSER });
    expect([bare.status, bare.headers.get("location")]).toEqual([302, "up.load-1/"]);
    expect((await bed.call(`${PREFIX}/`, { token: READER, headers: BROWSER })).text).toContain("./assets/");
  });

  test("answers nothing elsewhere, whoever asks, and says that as problems", async () => {
    const paths = [
      "/",
      "/health",
      "/uploads",
      "/api/v1/uploads",
      "/files",
      "/files/up.load-10/uploads",
      "/FILES/UP.LOAD-1/uploads",
    ];
    for (const path of paths) {
      const { status, body, headers } = await bed.call(path, { token: ADMIN });
      expect([path, status, body.code]).toEqual([path, 404, "ROUTE_NOT_FOUND"]);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    }
    const broken = await bed.call("/elsewhere", { body: "{", token: ADMIN });
    expect(broken.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect((await bed.call(`${PREFIX}/nothing`, { token: ADMIN })).body).toMatchObject({ code: "ROUTE_NOT_FOUND" });
  });

  test("links, Location and the document lead to where it is", async () => {
    const body = { source_folder: bed.root, destination_bucket: "bucket", upload_id: "u" };
    const created = await bed.call(`${PREFIX}/uploads`, { body, token: ADMIN });
    const location = created.headers.get("location") ?? "";
    expect(location).toBe(`${PREFIX}/api/v1/uploads/u`);
    expect((await bed.call(location, { token: READER })).status).toBe(200);
    const document = await bed.call<{ servers: { url: string }[]; paths: object }>(`${PREFIX}/openapi.json`, {
      token: READER,
    });
    expect(document.body.servers).toEqual([{ url: PREFIX }]);
    const paths = Object.keys(document.body.paths);
    expect(paths).toEqual(expect.arrayContaining(["/api/v1/uploads", "/health"]));
    expect(paths.filter((path) => path.startsWith("/files"))).toEqual([]);
    const { body: front } = await bed.call<{ links: Record<string, string> }>(`${PREFIX}/`, { token: READER });
    for (const link of Object.values(front.links).filter((path) => !path.endsWith("/events")))
      expect([link, (await bed.call(link, { token: READER })).status]).toEqual([link, 200]);
  });

  test("a browser logs in there, with a cookie that no other service on the host has", async () => {
    const page = await bed.server.app.inject({ url: `${PREFIX}/`, headers: BROWSER });
    expect([page.statusCode, page.body]).toEqual([
      401,
      expect.stringContaining(`data-session="${PREFIX}/api/v1/session"`),
    ]);
    const headers = { origin: new URL(bed.url).origin };
    const logIn = await bed.call(`${PREFIX}/api/v1/session`, { body: { token: ADMIN }, headers });
    const [cookie = ""] = (logIn.headers.get("set-cookie") ?? "").split(";");
    expect(cookie).toMatch(/^bucketline_session_[\w-]{8}_\d+=/);
    expect((await bed.call(`${PREFIX}/uploads`, { headers: { cookie } })).status).toBe(200);
    const out = await bed.call(`${PREFIX}/session`, {
      method: "DELETE",
      headers: { cookie, ...headers, "content-type": "application/json" },
    });
    expect(out.status).toBe(204);
    expect((await bed.call(`${PREFIX}/uploads`, { headers: { cookie } })).status).toBe(401);
  });

  test("events come there, and metrics name routes without it", async () => {
    const headers = { authorization: `Bearer ${READER}` };
    const stream = await fetch(`${bed.url}/api/v1/events`, { headers });
    expect(stream.headers.get("content-type")).toMatch(/^text\/event-stream/);
    await bed.call(`${PREFIX}/limits/`, { token: READER });
    const { text } = await bed.call(`${PREFIX}/metrics`, { token: READER });
    expect(text).toContain('route="/limits"');
    expect(text).not.toContain(PREFIX);
    await bed.server.close();
    expect(await stream.text()).toContain("event: bye");
  });
});

test.each(["x", "//x", "/x//y", "/../x", "/x/.", "/a:b", "/a*", "/ä", "/a?b", "/a b", "/a%2Fb"])(
  "%j is no prefix",
  async (prefix) => {
    bed = await Bed.open();
    await expect(createServer({ service: bed.service, port: 0, prefix })).rejects.toMatchObject({
      code: "INVALID_OPTION",
    });
  },
);

test.each([
  ["/x/", "/x"],
  ["/", ""],
  ["", ""],
])("%j stands for %j", async (prefix, path) => {
  bed = await Bed.open({ server: { prefix } });
  expect(bed.url).toBe(`${new URL(bed.url).origin}${path}`);
  expect((await bed.call(`${path}/health`)).status).toBe(200);
});
