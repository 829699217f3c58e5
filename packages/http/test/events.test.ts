import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Bed, type BedOptions, BUCKET } from "./support/bed.ts";
import { type ClientOptions, EventClient } from "./support/event-client.ts";

const patient = { timeout: 20_000 };
let bed: Bed;
let clients: EventClient[] = [];

async function open(options?: BedOptions): Promise<Bed> {
  bed = await Bed.open(options);
  return bed;
}

async function listen(path = "/api/v1/events", options?: ClientOptions): Promise<EventClient> {
  const client = await EventClient.open(`${bed.url}${path}`, options);
  clients.push(client);
  return client;
}

async function upload(id: string, files: Record<string, string> = { "a.txt": "hello" }): Promise<void> {
  for (const [name, content] of Object.entries(files)) await bed.write(`${id}/${name}`, content);
  expect((await bed.create(id, { upload_id: id })).status).toBe(201);
}

afterEach(async () => {
  for (const client of clients) client.cut();
  clients = [];
  await bed.close();
});

test("a stream of all uploads tells what happens, in the names of the API and in order", async () => {
  await open();
  const client = await listen();
  await upload("first");
  const completed = await client.until("upload:completed");
  expect(completed.data).toEqual({
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    upload_id: "first",
    state: "COMPLETED",
    reason: null,
  });
  const order = [
    "upload:registered",
    "upload:started",
    "file:queued",
    "file:started",
    "file:uploaded",
    "upload:completed",
  ];
  expect(client.names().filter((name) => order.includes(name))).toEqual(order);
  const { data } = await client.until("file:uploaded");
  expect(data).toMatchObject({
    upload_id: "first",
    path: "a.txt",
    key: "first/a.txt",
    state: "UPLOADED",
    size: 5,
  });
  const file = await bed.call(`/uploads/first/files/${data.file_id}`);
  expect(file.body).toMatchObject({ path: "a.txt", etag: data.etag, checksum: data.checksum });
  const { data: scanned } = await client.until("upload:scanned");
  expect(scanned.scan).toMatchObject({ seen: 1, added: 1, started_at: expect.stringMatching(/Z$/) });
  expect(scanned.scan).not.toHaveProperty("device");
});

test("progress has the fields of the upload itself", async () => {
  await open();
  const client = await listen();
  await upload("first");
  const { data } = await client.until("upload:progress", ({ data }) => data.progress === 1);
  const { body } = await bed.call("/uploads/first");
  const { at, state, rate, eta_seconds, ...figures } = data;
  expect(body).toMatchObject(figures);
  expect(figures).toMatchObject({ upload_id: "first", total_files: 1, completed_files: 1, completed_bytes: 5 });
});

test("a stream of one upload tells nothing of others, and types leave out the rest", async () => {
  await open();
  const [all, one, some] = [
    await listen(),
    await listen("/events?types=upload:completed,upload:registered"),
    await listen("/events/?types=upload:completed&types=file:uploaded"),
  ];
  await upload("first");
  await bed.service.finished("first");
  const own = await listen("/api/v1/uploads/first/events/");
  await upload("second");
  await bed.service.finished("second");
  await bed.service.cancel("first");
  await own.until("upload:cancelled");
  expect(new Set(own.heard.map(({ data }) => data.upload_id))).toEqual(new Set(["first"]));
  await all.until("upload:cancelled");
  expect(one.names()).toEqual(["upload:registered", "upload:completed", "upload:registered", "upload:completed"]);
  expect(some.names()).toEqual(["file:uploaded", "upload:completed", "file:uploaded", "upload:completed"]);
});

test("an unknown upload is not found, before any stream begins; unknown types and parameters are refused", async () => {
  await open();
  expect(await bed.call("/uploads/none/events")).toMatchObject({ status: 404, body: { code: "UPLOAD_NOT_FOUND" } });
  const head = await bed.call("/uploads/none/events", { method: "HEAD" });
  expect(head.status).toBe(404);
  expect(await bed.call("/events?types=upload:exploded")).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST" },
  });
  expect(await bed.call("/events?type=upload:failed")).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST" },
  });
  expect(await bed.call("/events", { method: "POST", body: {} })).toMatchObject({ status: 405 });
});

test("the head of a stream keeps caches and proxies away, HEAD shows it, and it takes no place", async () => {
  await open({ server: { events: { maxStreams: 1 } } });
  for (let again = 0; again < 3; again++) {
    const head = await bed.call("/api/v1/events", { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(head.headers.get("content-type")).toBe("text/event-stream");
  }
  const client = await listen();
  expect(client.headers).toMatchObject({
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-store, no-transform",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "content-security-policy": expect.stringContaining("default-src 'none'"),
    "x-request-id": expect.any(String),
  });
  expect(client.headers).not.toHaveProperty("content-encoding");
});

test("a client is told when to come back and where it is before the first event", async () => {
  await open();
  const client = await listen();
  await client.when(() => client.lastEventId !== "");
  expect(client.retry).toBeGreaterThanOrEqual(1000);
  expect(client.retry).toBeLessThan(3000);
  expect(client.heard).toEqual([]);
  client.cut();
  await upload("first");
  await bed.service.finished("first");
  const again = await listen("/events", { lastEventId: client.lastEventId });
  await again.until("upload:completed");
  expect(again.names()[0]).toBe("upload:registered");
});

test("whoever comes back gets what it missed, once; by header or by parameter, and the header counts more", async () => {
  await open();
  const client = await listen();
  await upload("first");
  await client.until("upload:completed");
  const all = client.heard.map(({ id }) => id);
  expect(new Set(all).size).toBe(all.length);
  const middle = client.heard[2]!;
  const rest = all.slice(3);
  const later = (since: EventClient) =>
    since.when(() => since.heard.length >= rest.length && since.heard.map(({ id }) => id));
  expect((await later(await listen("/events", { lastEventId: middle.id }))).slice(0, rest.length)).toEqual(rest);
  const byQuery = await listen(`/events?last_event_id=${middle.id}`);
  expect((await later(byQuery)).slice(0, rest.length)).toEqual(rest);
  const both = await listen(`/events?last_event_id=nonsense`, { lastEventId: middle.id });
  expect((await later(both)).slice(0, rest.length)).toEqual(rest);
  const filtered = await listen("/uploads/first/events?types=upload:completed", { lastEventId: middle.id });
  await filtered.until("upload:completed");
  expect(filtered.names()).toEqual(["upload:completed"]);
});

test.each([
  ["nonsense", () => "nonsense"],
  ["of another run", (own: string) => own.replace(/^./, (digit) => (digit === "0" ? "1" : "0"))],
  ["from the future", (own: string) => own.replace(/-.*$/, "-zzzzz")],
  ["not written as ours", (own: string) => own.replace(/-/, "-00-")],
  ["with a line of its own", () => "%0Aevent: file:failed"],
  ["very long", () => "x".repeat(5000)],
])("an id that is %s begins with reset, and goes on from there", async (_what, make) => {
  await open();
  const first = await listen();
  await first.when(() => first.lastEventId !== "");
  const client = await listen("/events", { lastEventId: make(first.lastEventId) });
  const { id } = await client.until("reset");
  expect(client.names()).toEqual(["reset"]);
  await upload("first");
  await client.until("upload:completed");
  const next = client.heard[1]!;
  expect(next.name).toBe("upload:registered");
  const again = await listen("/events", { lastEventId: id });
  await again.until("upload:completed");
  expect(again.heard[0]).toEqual(next);
});

test("an event that is no longer kept begins with reset", async () => {
  await open({ server: { events: { buffer: 5 } } });
  const client = await listen();
  await client.when(() => client.lastEventId !== "");
  const before = client.lastEventId;
  await upload("first");
  const { id } = await client.until("upload:completed");
  const late = await listen("/events", { lastEventId: before });
  await late.until("reset");
  expect(late.names()).toEqual(["reset"]);
  const timely = await listen("/events", { lastEventId: id });
  await bed.service.cancel("first");
  await timely.until("upload:cancelled");
  expect(timely.names()).not.toContain("reset");
});

test("streams of a service of another run, with ids of the first, begin with reset", async () => {
  await open();
  const client = await listen();
  await upload("first");
  const { id } = await client.until("upload:completed");
  await bed.close();
  await open();
  const again = await listen("/events", { lastEventId: id });
  expect((await again.until("reset")).id).not.toBe(id);
});

test("silence is broken by comments, and they move on a client whose filter lets nothing through", async () => {
  await open({ server: { events: { heartbeat: 20 } } });
  const client = await listen("/events?types=warning");
  await client.when(() => client.lastEventId !== "" && client.comments.length >= 2);
  const before = client.lastEventId;
  await upload("first");
  await bed.service.finished("first");
  await client.when(() => client.lastEventId !== before);
  expect(client.heard).toEqual([]);
});

test("hostile names stay data", async () => {
  await open();
  const client = await listen();
  const names = [
    "a\nevent: bye\ndata: {}\n\nb",
    "\r\rid: 1\r\r",
    "‮fdp.exe",
    "<img src=x onerror=alert(1)>",
    "\u2028\u0085",
    ":",
  ];
  await upload("first", Object.fromEntries(names.map((name) => [name, name])));
  await client.until("upload:completed");
  const uploaded = client.heard.filter(({ name }) => name === "file:uploaded").map(({ data }) => data.path);
  expect(uploaded.sort()).toEqual([...names].sort());
  expect(client.names()).not.toContain("bye");
});

test("as many streams as allowed, half of them of one client; a place that is given back is taken again", async () => {
  await open({ server: { events: { maxStreams: 4 } } });
  const first = await listen();
  await listen("/uploads/../events");
  const refused = await bed.call("/events");
  expect(refused).toMatchObject({ status: 503, body: { code: "TOO_MANY_STREAMS" } });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  first.cut();
  await expect
    .poll(
      () =>
        listen().then(
          () => true,
          () => false,
        ),
      patient,
    )
    .toBe(true);
  expect((await bed.call("/health-is-no-route")).status).toBe(404);
});

test("a connection that was used before serves a stream, and is used again after it", async () => {
  const { hashToken } = await import("../src/access/tokens.ts");
  await open({
    server: {
      auth: { tokens: [{ name: "watcher", sha256: hashToken("secret"), scopes: ["admin"] }], sessionAge: 60_000 },
      events: { heartbeat: 20 },
    },
  });
  const login = await bed.call("/session", { body: { token: "secret" }, headers: { origin: bed.url } });
  const cookie = login.headers.get("set-cookie")!.split(";")[0]!;
  const socket = connect(Number(new URL(bed.url).port), "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const head = `Host: ${new URL(bed.url).host}\r\nCookie: ${cookie}\r\n\r\n`;
  socket.write(`GET /api/v1/limits HTTP/1.1\r\n${head}`);
  await expect.poll(() => text, patient).toContain("HTTP/1.1 200");
  socket.write(`GET /api/v1/events HTTP/1.1\r\n${head}`);
  await expect.poll(() => text, patient).toContain("text/event-stream");
  await bed.call("/session", { method: "DELETE", headers: { cookie, origin: bed.url } });
  await expect.poll(() => text, patient).toMatch(/event: bye\ndata: .*"reason":"expired".*\n\n\r\n0\r\n\r\n$/);
  socket.write(`GET /api/v1/limits HTTP/1.1\r\n${head}`);
  await expect.poll(() => text, patient).toContain("HTTP/1.1 401");
  socket.destroy();
});

test("nobody listens without a credential, and a stream ends with the session that opened it", async () => {
  const { hashToken } = await import("../src/access/tokens.ts");
  await open({
    server: {
      auth: { tokens: [{ name: "watcher", sha256: hashToken("secret") }], sessionAge: 300 },
      events: { heartbeat: 20 },
    },
  });
  expect((await bed.call("/events")).status).toBe(401);
  expect((await bed.call("/events", { token: "wrong" })).status).toBe(401);
  const login = await bed.call("/session", { body: { token: "secret" }, headers: { origin: bed.url } });
  const cookie = login.headers.get("set-cookie")!.split(";")[0]!;
  const session = await listen("/events", { headers: { cookie } });
  const token = await listen("/events", { token: "secret" });
  expect((await session.until("bye")).data).toMatchObject({ reason: "expired" });
  await session.ended;
  await token.when(() => token.comments.length > 0);
  expect(token.names()).toEqual([]);
});

test("logging out ends the streams of the session at once, and no others", async () => {
  const { hashToken } = await import("../src/access/tokens.ts");
  await open({
    server: {
      auth: { tokens: [{ name: "watcher", sha256: hashToken("secret") }] },
      events: { heartbeat: 3_600_000 },
    },
  });
  const logIn = async () => {
    const login = await bed.call("/session", { body: { token: "secret" }, headers: { origin: bed.url } });
    return login.headers.get("set-cookie")!.split(";")[0]!;
  };
  const [cookie, other] = [await logIn(), await logIn()];
  const session = await listen("/events", { headers: { cookie } });
  const others = [
    await listen("/events", { headers: { cookie: other } }),
    await listen("/events", { token: "secret" }),
  ];
  await bed.call("/session", { method: "DELETE", headers: { cookie, origin: bed.url } });
  expect((await session.until("bye")).data).toMatchObject({ reason: "expired" });
  await session.ended;
  await bed.service.register({ id: "u", sourceFolder: bed.root, bucket: BUCKET });
  for (const stream of others) await stream.until("upload:registered");
});

test("closing says bye, waits for no client, and refuses what comes then", async () => {
  await open();
  const [reads, stalled] = [await listen(), await listen()];
  stalled.stall();
  const silent = connect(Number(new URL(bed.url).port), "127.0.0.1");
  silent.on("error", () => {});
  silent.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  await upload("first");
  await reads.until("upload:completed");
  await bed.server.close();
  expect((await reads.until("bye")).data).toMatchObject({ reason: "stopping" });
  await reads.ended;
  await expect(listen()).rejects.toThrow();
  silent.destroy();
});

test("streams end when the service stops, although the server goes on", async () => {
  await open({ server: { events: { heartbeat: 20 } } });
  const client = await listen();
  await bed.service.stop();
  expect((await client.until("bye")).data).toMatchObject({ reason: "stopping" });
  await client.ended;
  expect(await bed.call("/events")).toMatchObject({ status: 503, body: { code: "SERVICE_STOPPED" } });
  expect((await bed.call("/events", { method: "HEAD" })).status).toBe(503);
});

test("a request that is cut off at once leaves nothing behind", async () => {
  await open({ server: { events: { maxStreams: 2 } } });
  for (let again = 0; again < 30; again++) {
    const cut = request(`${bed.url}/events`, { agent: false }).on("error", () => {});
    cut.end();
    if (again % 2 === 0)
      await new Promise((resolve) => cut.once("socket", (socket) => socket.once("connect", resolve)));
    cut.destroy();
  }
  await expect
    .poll(
      () =>
        listen().then(
          () => true,
          () => false,
        ),
      patient,
    )
    .toBe(true);
});

test.each([{ buffer: 0 }, { heartbeat: 1.5 }, { maxStreams: -1 }, { maxBacklog: Number.NaN }, { bufer: 5 }])(
  "options that make no sense are refused: %o",
  async (events) => {
    await open();
    await expect(Bed.open({ server: { events } })).rejects.toMatchObject({ code: "INVALID_OPTION" });
  },
);
