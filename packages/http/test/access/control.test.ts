import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Bed } from "../support/bed.ts";
import { ADMIN, AUTH, READER, WRONG } from "../support/credentials.ts";

let bed: Bed;
afterEach(async () => await bed.close());

const codeOf = (answer: { body: Record<string, unknown>; status: number }) => [answer.status, answer.body.code];

/** What the server answers to these very bytes. */
async function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(bed.url);
  return await new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.end(text));
    socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
    socket.on("error", reject).on("close", () => resolve(answer));
  });
}

test("without auth, callers on this machine may do everything and others nothing, whatever their headers say", async () => {
  bed = await Bed.open();
  expect(await bed.call("/session")).toMatchObject({
    status: 200,
    body: { name: null, scopes: ["read", "admin"], expires_at: null, auth: false, session: false },
  });
  const { app } = bed.server;
  for (const url of ["/uploads", "/health", "/session", "/nowhere", "/metrics"]) {
    const headers = { host: "localhost", "x-client-ip": "127.0.0.1" };
    const answer = await app.inject({ url, headers, remoteAddress: "203.0.113.9" });
    expect([url, answer.statusCode, answer.json().code]).toEqual([url, 403, "AUTH_REQUIRED"]);
  }
  for (const name of ["forwarded", "x-forwarded-for", "x-real-ip"]) {
    const proxied = await bed.call("/uploads", { headers: { [name]: "for=203.0.113.9" } });
    expect([name, ...codeOf(proxied)]).toEqual([name, 403, "AUTH_REQUIRED"]);
  }
});

test("without auth the server does not listen beyond this machine", async () => {
  await expect(Bed.open({ server: { host: "0.0.0.0" } })).rejects.toMatchObject({ code: "AUTH_REQUIRED" });
  bed = await Bed.open({ server: { host: "0.0.0.0", auth: AUTH } });
  expect((await bed.call("/uploads", { token: READER })).status).toBe(200);
});

test("weak configuration is refused before anything listens", async () => {
  const weak = [{ auth: {} }, { auth: { tokens: [] } }, { allowedHosts: [] }, { rateLimit: { max: 0, window: 1 } }];
  for (const server of weak)
    await expect(Bed.open({ server })).rejects.toMatchObject({ name: "InputError", code: "INVALID_OPTION" });
  bed = await Bed.open();
});

test("a missing, a wrong and a weak credential are told apart, as RFC 6750 says", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const missing = await bed.call("/uploads");
  expect(codeOf(missing)).toEqual([401, "UNAUTHORIZED"]);
  expect(missing.headers.get("www-authenticate")).toBe('Bearer realm="bucketline"');
  const wrong = await bed.call("/uploads", { token: WRONG });
  expect(codeOf(wrong)).toEqual([401, "UNAUTHORIZED"]);
  expect(wrong.headers.get("www-authenticate")).toContain('error="invalid_token"');
  const weak = await bed.call("/uploads/x/pause", { method: "POST", token: READER });
  expect(codeOf(weak)).toEqual([403, "FORBIDDEN"]);
  expect(weak.headers.get("www-authenticate")).toContain('error="insufficient_scope", scope="admin"');
  expect(codeOf(await bed.call("/uploads/x/pause", { method: "POST", token: ADMIN }))).toEqual([
    404,
    "UPLOAD_NOT_FOUND",
  ]);
});

test("unknown paths and methods are told to those who may read only", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  for (const [method, path, status] of [
    ["GET", "/nowhere", 404],
    ["GET", "/api/v1/nowhere", 404],
    ["PUT", "/uploads", 405],
    ["OPTIONS", "/uploads", 405],
  ] as const) {
    expect([path, (await bed.call(path, { method })).status]).toEqual([path, 401]);
    expect([path, (await bed.call(path, { method, token: READER })).status]).toEqual([path, status]);
  }
});

test("requests that name another host are refused: header, absolute form, none, twice", async () => {
  bed = await Bed.open();
  const { host } = new URL(bed.url);
  const statusOf = async (text: string) => /^HTTP\/1\.1 (\d+)/.exec(await raw(text))?.[1];
  const end = "Connection: close\r\n\r\n";
  expect(await statusOf(`GET /uploads HTTP/1.1\r\nHost: ${host}\r\n${end}`)).toBe("200");
  expect(await statusOf(`GET /uploads HTTP/1.1\r\nHost: evil.example\r\n${end}`)).toBe("403");
  expect(await statusOf(`GET http://evil.example/uploads HTTP/1.1\r\nHost: ${host}\r\n${end}`)).toBe("403");
  expect(await statusOf(`GET /uploads HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\n${end}`)).toMatch(/40[03]/);
  expect(await statusOf(`GET /uploads HTTP/1.0\r\n${end}`)).toBe("403");
  expect(await statusOf(`GET /uploads HTTP/1.1\r\n${end}`)).toBe("400");
});

test("only JSON is taken, with a body and without", async () => {
  bed = await Bed.open();
  const types = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "",
  ];
  for (const type of types) {
    for (const [method, path] of [
      ["POST", "/uploads"],
      ["POST", "/uploads/x/pause"],
      ["DELETE", "/uploads/x"],
      ["PATCH", "/uploads/x"],
      ["POST", "/session"],
    ] as const) {
      const headers = { host: "localhost", "content-type": type };
      for (const payload of ["{}", undefined]) {
        const answer = await bed.server.app.inject({ url: path, method, headers, ...(payload ? { payload } : {}) });
        expect([type, path, answer.statusCode, answer.json().code]).toEqual([
          type,
          path,
          415,
          "UNSUPPORTED_MEDIA_TYPE",
        ]);
      }
    }
  }
  const untyped = await raw(
    `POST /uploads HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`,
  );
  expect(untyped).toMatch(/^HTTP\/1\.1 415 /);
  expect((await bed.call("/uploads/x/pause", { method: "POST" })).status).toBe(404);
});

test("a body has a limit, and is not read for those who may not send one", async () => {
  bed = await Bed.open({ server: { auth: AUTH, bodyLimit: 1000 } });
  const body = { source_folder: "x".repeat(2000), destination_bucket: "b" };
  expect(codeOf(await bed.call("/uploads", { body, token: ADMIN }))).toEqual([413, "BODY_TOO_LARGE"]);
  expect((await bed.call("/uploads", { body })).status).toBe(401);
  expect((await bed.call("/uploads", { body, token: READER })).status).toBe(403);
  expect((await bed.call("/session", { body: { token: "x".repeat(2000) } })).status).toBe(413);
});

test("pages of other origins can do nothing on a machine whose callers need no credential", async () => {
  bed = await Bed.open();
  const own = bed.url;
  const post = async (headers: Record<string, string>) =>
    (
      await bed.server.app.inject({
        url: "/uploads/x/pause",
        method: "POST",
        headers: { host: new URL(own).host, ...headers },
      })
    ).statusCode;
  for (const refused of [
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "http://localhost:1" },
    { origin: own.replace(/\d+$/, "1") },
    { origin: "nonsense" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site", origin: own },
  ])
    expect([refused, await post(refused)]).toEqual([refused, 403]);
  for (const taken of [{}, { origin: own }, { "sec-fetch-site": "same-origin" }, { "sec-fetch-site": "none" }])
    expect([taken, await post(taken)]).toEqual([taken, 404]);
  const reading = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
  expect(codeOf(await bed.call("/uploads", { headers: reading }))).toEqual([403, "ORIGIN_NOT_ALLOWED"]);
});

test("every answer has the security headers, refusals too", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const answers = [
    await bed.call("/uploads", { token: READER }),
    await bed.call("/uploads"),
    await bed.call("/health"),
    await bed.call("/nowhere", { token: READER }),
    await bed.call("/uploads", { token: ADMIN, body: "{" }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 401, 200, 404, 400]);
  for (const { headers } of answers)
    expect(Object.fromEntries(headers)).toMatchObject({
      "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-store",
    });
  for (const { headers } of answers)
    for (const absent of ["strict-transport-security", "access-control-allow-origin", "server", "x-powered-by"])
      expect(headers.has(absent)).toBe(false);
});

test("X-Request-Id is taken over only when it is harmless", async () => {
  bed = await Bed.open();
  const idFor = async (id: string) =>
    (await bed.call("/uploads", { headers: { "x-request-id": id } })).headers.get("x-request-id");
  expect(await idFor("trace-1.2:3_a")).toBe("trace-1.2:3_a");
  for (const harmful of ["a b", "<script>", "x".repeat(129), "ü", '{"a":1}', "a\tb"])
    expect(await idFor(harmful)).toMatch(/^[0-9a-f-]{36}$/);
});

test("too many requests are refused, per principal and per address; health is free", async () => {
  bed = await Bed.open({ server: { auth: AUTH, rateLimit: { max: 5, window: 60_000 } } });
  const statuses = async (path: string, token?: string) => {
    const found: number[] = [];
    for (let i = 0; i < 7; i += 1) found.push((await bed.call(path, token === undefined ? {} : { token })).status);
    return found.join();
  };
  expect(await statuses("/uploads", READER)).toBe("200,200,200,200,200,429,429");
  expect(await statuses("/uploads", ADMIN)).toBe("200,200,200,200,200,429,429");
  expect(await statuses("/uploads")).toBe("401,401,401,401,401,429,429");
  expect(await statuses("/health")).toBe("200,200,200,200,200,200,200");
  const limited = await bed.call("/uploads", { token: READER });
  expect(codeOf(limited)).toEqual([429, "RATE_LIMITED"]);
  expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
});

test("guessing is slow: wrong tokens have a limit of their own per address, which also holds for good ones", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const { app } = bed.server;
  const attempt = async (token: string, remoteAddress: string, url = "/uploads") => {
    const headers = { host: "localhost", authorization: `Bearer ${token}` };
    return (await app.inject({ url, headers, remoteAddress })).statusCode;
  };
  const login = async (token: string, remoteAddress: string) => {
    const headers = { host: "localhost" };
    return (await app.inject({ method: "POST", url: "/session", headers, payload: { token }, remoteAddress }))
      .statusCode;
  };
  for (let i = 0; i < 10; i += 1) expect(await attempt(`guess-${i}`, "2001:db8::1")).toBe(401);
  for (let i = 0; i < 10; i += 1) expect(await login(`guess-${i}`, "2001:db8::2")).toBe(401);
  expect(await attempt("guess", "2001:db8::3")).toBe(429);
  expect(await attempt(ADMIN, "2001:db8::4")).toBe(429);
  expect(await login(ADMIN, "2001:db8::5")).toBe(429);
  // An open route does not tell a good token from a wrong one then, either.
  expect(await attempt(ADMIN, "2001:db8::5", "/health")).toBe(200);
  expect(await attempt(ADMIN, "2001:db8:0:1::1")).toBe(200);
  expect(await attempt("guess", "198.51.100.7")).toBe(401);
});

test("what is unexpected is not told to callers", async () => {
  bed = await Bed.open();
  const secret = "postgres://user:password@db";
  bed.service.list = () => {
    throw new Error(`connect failed: ${secret}`);
  };
  const { status, text } = await bed.call("/uploads");
  expect(status).toBe(500);
  expect(text).toContain("UNEXPECTED");
  for (const told of [secret, "connect failed", "    at ", ".ts:"]) expect(text).not.toContain(told);
});

test("a request that is smuggled behind a refused one is not answered for it", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const { host } = new URL(bed.url);
  const inner = `GET /uploads HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${WRONG}\r\n\r\n`;
  const answer = await raw(
    `POST /uploads HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).not.toContain("HTTP/1.1 200");
});

test("the connection, not a header, says who is near: a request from this machine by another address is refused", async () => {
  bed = await Bed.open();
  await new Promise<void>((resolve, reject) => {
    const { port } = new URL(bed.url);
    const call = httpRequest({
      port,
      host: "127.0.0.1",
      path: "/uploads",
      localAddress: "127.0.0.2",
      headers: { host: "localhost" },
    });
    call.on("response", (response) => {
      response.resume();
      expect(response.statusCode).toBe(200);
      resolve();
    });
    call.on("error", reject).end();
  });
});
