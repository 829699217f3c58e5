import fastify from "fastify";
import { afterEach, expect, test, vi } from "vitest";
import { bucketline } from "../../src/index.ts";
import { Bed } from "../support/bed.ts";
import { ADMIN, AUTH, READER, WRONG } from "../support/credentials.ts";
import { hosted } from "../support/host.ts";
import { AUDIENCE, Provider } from "../support/provider.ts";

let bed: Bed;
let provider: Provider | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await bed.close();
  await provider?.close();
  provider = undefined;
});

/** Logs in. @returns what a browser would send as Cookie from then on, and the whole Set-Cookie */
async function logIn(token: string) {
  const answer = await bed.call("/session", { body: { token } });
  expect(answer.status).toBe(200);
  const set = answer.headers.get("set-cookie") ?? "";
  return { set, cookie: set.split(";")[0]!, body: answer.body };
}

const own = () => ({ origin: bed.url });

test("a browser logs in with a token, is known by its cookie, and logs out", async () => {
  bed = await Bed.open({ server: { auth: { ...AUTH, sessionAge: 60_000 } } });
  const { cookie, set, body } = await logIn(READER);
  expect(set).toMatch(/^bucketline_session_\d+=[A-Za-z0-9_-]{43}; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Strict$/);
  expect(body).toMatchObject({ name: "viewer", scopes: ["read"], auth: true });
  const left = Date.parse(String(body.expires_at)) - Date.now();
  expect(left).toBeGreaterThan(50_000);
  expect(left).toBeLessThanOrEqual(60_000);
  expect(await bed.call("/session", { headers: { cookie } })).toMatchObject({ status: 200, body });
  expect((await bed.call("/uploads", { headers: { cookie } })).status).toBe(200);
  expect((await bed.call("/uploads/x/pause", { method: "POST", headers: { cookie, ...own() } })).status).toBe(403);
  const out = await bed.call("/session", { method: "DELETE", headers: { cookie, ...own() } });
  expect(out.status).toBe(204);
  expect(out.headers.get("set-cookie")).toMatch(/^bucketline_session_\d+=; .*Expires=Thu, 01 Jan 1970/);
  expect((await bed.call("/uploads", { headers: { cookie } })).status).toBe(401);
});

test("a session ends at its age", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const { cookie } = await logIn(ADMIN);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 12 * 3_600_000 - 60_000 });
  expect((await bed.call("/uploads", { headers: { cookie } })).status).toBe(200);
  vi.setSystemTime(Date.now() + 61_000);
  expect((await bed.call("/uploads", { headers: { cookie } })).status).toBe(401);
});

test("who logs in again has one session, and a cookie that somebody made up is none", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const { cookie } = await logIn(READER);
  const again = await bed.call("/session", { body: { token: ADMIN }, headers: { cookie, ...own() } });
  expect(again.headers.get("set-cookie")).not.toContain(cookie);
  expect((await bed.call("/uploads", { headers: { cookie } })).status).toBe(401);
  const [name] = cookie.split("=");
  const made = ["", "x", "A".repeat(43), "A".repeat(44), "%00", "../../x", "__proto__"];
  for (const value of made)
    expect([value, (await bed.call("/uploads", { headers: { cookie: `${name}=${value}` } })).status]).toEqual([
      value,
      401,
    ]);
});

test("changes with a session need to come from our own page", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const { cookie } = await logIn(ADMIN);
  const pause = async (headers: Record<string, string>) =>
    (await bed.call("/uploads/x/pause", { method: "POST", headers: { cookie, ...headers } })).body.code;
  const foreign = [
    {},
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "http://127.0.0.1" },
    { origin: `${bed.url}0` },
    { origin: bed.url.replace("//", "//evil.example@") },
  ];
  for (const headers of foreign) expect([headers, await pause(headers)]).toEqual([headers, "ORIGIN_NOT_ALLOWED"]);
  expect(await pause(own())).toBe("UPLOAD_NOT_FOUND");
  for (const site of ["cross-site", "same-site", "none"]) {
    const headers = { host: new URL(bed.url).host, cookie, "sec-fetch-site": site, ...own() };
    const answer = await bed.server.app.inject({ url: "/uploads/x/pause", method: "POST", headers });
    expect([site, answer.json().code]).toEqual([site, "ORIGIN_NOT_ALLOWED"]);
  }
  // A token is no ambient authority: no page of another origin has it.
  const headers = { cookie, origin: "http://evil.example" };
  expect((await bed.call("/uploads/x/pause", { method: "POST", token: ADMIN, headers })).status).toBe(404);
});

test("nobody is logged in by a page of another origin", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const headers = { origin: "http://evil.example" };
  const answer = await bed.call("/session", { body: { token: READER }, headers });
  expect(answer).toMatchObject({ status: 403, body: { code: "ORIGIN_NOT_ALLOWED" } });
  expect(answer.headers.has("set-cookie")).toBe(false);
});

test("a wrong token logs nobody in, and a wrong Bearer is not helped by a good cookie", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const wrong = await bed.call("/session", { body: { token: WRONG } });
  expect(wrong).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED", detail: "The token is not valid." } });
  expect(wrong.headers.get("www-authenticate")).toContain('error="invalid_token"');
  expect(wrong.text).not.toContain(WRONG);
  const { cookie } = await logIn(ADMIN);
  expect((await bed.call("/uploads", { token: WRONG, headers: { cookie } })).status).toBe(401);
  const basic = { cookie, authorization: "Basic b3BzOm9wcw==" };
  expect((await bed.call("/uploads", { headers: basic })).status).toBe(200);
});

test("a JWT logs in for as long as it lasts, and not without one of our scopes", async () => {
  provider = await Provider.open();
  bed = await Bed.open({ server: { auth: { jwt: { issuer: provider.issuer, audience: AUDIENCE } } } });
  const exp = Math.floor(Date.now() / 1000) + 600;
  const { cookie, body } = await logIn(await provider.token({ exp, sub: "<b>me</b>\u202e" }));
  expect(body).toMatchObject({ name: "<b>me</b>\u202e", expires_at: new Date(exp * 1000).toISOString() });
  expect((await bed.call("/uploads", { headers: { cookie } })).status).toBe(200);
  const none = await bed.call("/session", { body: { token: await provider.token({ scope: "openid" }) } });
  expect(none).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
  expect((await bed.call("/uploads", { token: await provider.token({ scope: "openid" }) })).status).toBe(403);
  const late = await bed.call("/session", { body: { token: await provider.token({ exp: exp - 3600 }) } });
  expect(late).toMatchObject({ status: 401, body: { detail: "The token has expired." } });
  vi.useFakeTimers({ toFake: ["Date"], now: exp * 1000 });
  expect((await bed.call("/uploads", { headers: { cookie } })).status).toBe(401);
});

test("a provider that is away is not the caller's fault, nor ours", async () => {
  provider = await Provider.open();
  provider.trouble = "status";
  bed = await Bed.open({ server: { auth: { ...AUTH, jwt: { issuer: provider.issuer, audience: AUDIENCE } } } });
  const token = await provider.token();
  for (const answer of [await bed.call("/uploads", { token }), await bed.call("/session", { body: { token } })]) {
    expect(answer).toMatchObject({ status: 503, body: { code: "AUTH_UNAVAILABLE" } });
    expect(answer.text).not.toContain(provider.issuer);
  }
  expect((await bed.call("/uploads", { token: READER })).status).toBe(200);
});

test("a browser without a session gets the login page, with status 401; programs and scripts do not", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const accept = "text/html,application/xhtml+xml,*/*;q=0.8";
  // Node's fetch, too, says of itself that it is a script.
  const page = async (headers: Record<string, string>, url = "/") =>
    await bed.server.app.inject({ url, headers: { host: "localhost", ...headers } });
  for (const url of ["/", "/docs", "/uploads", "/nowhere"]) {
    const answer = await page({ accept, "sec-fetch-mode": "navigate", "sec-fetch-site": "cross-site" }, url);
    expect([url, answer.statusCode]).toEqual([url, 401]);
    expect(answer.headers).toMatchObject({ "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
    expect(answer.body).toContain('data-session="/api/v1/session"');
  }
  for (const headers of [
    {},
    { accept: "application/json" },
    { accept, "sec-fetch-mode": "cors" },
    { accept, authorization: `Bearer ${WRONG}` },
  ]) {
    const answer = await page(headers);
    expect([headers, answer.statusCode]).toEqual([headers, 401]);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
  }
});

test("what is sent is answered as to a program, whatever the browser would like to see", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  for (const method of ["POST", "DELETE", "PUT"] as const) {
    const headers = { host: "localhost", accept: "text/html" };
    const answer = await bed.server.app.inject({ url: "/uploads/x", method, headers });
    expect([method, answer.statusCode, answer.json().code]).toEqual([method, 401, "UNAUTHORIZED"]);
  }
});

test("the login page needs nothing from elsewhere, and its policy admits what is in it", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const { body, headers } = await bed.server.app.inject({
    url: "/",
    headers: { host: "localhost", accept: "text/html" },
  });
  expect(headers["content-security-policy"]).toMatch(
    /^default-src 'none'; script-src 'sha256-[\w+/]+='; style-src 'sha256-[\w+/]+='; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
  expect(body).not.toMatch(/\b(src|href)="(?!data:,")/);
  expect(body).not.toMatch(/\bon[a-z]+="|style="/);
  expect(body).not.toMatch(/<input[^>]*\bname=/);
});

test("below a prefix the login page asks there, and over https the cookie is held to its host", async () => {
  bed = await Bed.open();
  const app = await hosted({ prefix: "/up", service: bed.service, auth: AUTH }, { server: { trustProxy: true } });
  const headers = { host: "uploads.example", "x-forwarded-proto": "https" };
  const page = await app.inject({ url: "/up/", headers: { ...headers, accept: "text/html" } });
  expect(page.body).toContain('data-session="/up/api/v1/session"');
  const answer = await app.inject({ url: "/up/session", method: "POST", headers, payload: { token: ADMIN } });
  expect(answer.headers["set-cookie"]).toMatch(
    /^__Host-bucketline_session_[\w-]{8}=[^;]+; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Strict$/,
  );
  expect(answer.headers["strict-transport-security"]).toBe("max-age=15552000");
  const cookie = String(answer.headers["set-cookie"]).split(";")[0]!;
  const pause = { url: "/up/uploads/x/pause", method: "POST" } as const;
  const good = await app.inject({ ...pause, headers: { ...headers, cookie, origin: "https://uploads.example" } });
  expect(good.statusCode).toBe(404);
  const plain = await app.inject({ ...pause, headers: { ...headers, cookie, origin: "https://uploads.example:444" } });
  expect(plain.statusCode).toBe(403);
  await app.close();
});

test("services side by side below their prefixes do not log each other out", async () => {
  bed = await Bed.open();
  const both = fastify();
  // biome-ignore lint/nursery/noMisusedPromises: Fastify waits for plugins that return a promise
  for (const prefix of ["/one", "/two"]) await both.register(bucketline, { service: bed.service, auth: AUTH, prefix });
  const headers = { host: "localhost" };
  const cookies: string[] = [];
  for (const prefix of ["/one", "/two"]) {
    const answer = await both.inject({ method: "POST", url: `${prefix}/session`, headers, payload: { token: ADMIN } });
    cookies.push(String(answer.headers["set-cookie"]).split(";")[0]!);
  }
  expect(new Set(cookies.map((cookie) => cookie.split("=")[0])).size).toBe(2);
  for (const url of ["/one/uploads", "/two/uploads", "/one/docs/json"])
    expect((await both.inject({ url, headers: { ...headers, cookie: cookies.join("; ") } })).statusCode).toBe(200);
  await both.close();
});

test("a host may have its own idea of who calls, for its own routes", async () => {
  bed = await Bed.open();
  const principal = { getter: () => ({ name: "somebody", scopes: ["admin"] }) };
  const app = await hosted(
    { prefix: "/up", service: bed.service, auth: AUTH },
    {
      own: (host) =>
        void host.decorateRequest("principal", principal as never).get("/own", async (request) => request.principal),
    },
  );
  const headers = { host: "localhost" };
  expect((await app.inject({ url: "/own", headers })).json()).toMatchObject({ name: "somebody" });
  expect((await app.inject({ url: "/up/uploads", headers })).statusCode).toBe(401);
  const authorization = `Bearer ${READER}`;
  const answer = await app.inject({ url: "/up/session", headers: { ...headers, authorization } });
  expect(answer.json()).toMatchObject({ name: "viewer", scopes: ["read"] });
  await app.close();
});

test("a host's own routes are left alone", async () => {
  bed = await Bed.open();
  const rateLimit = { max: 1, window: 60_000 };
  const app = await hosted(
    { prefix: "/up", service: bed.service, auth: AUTH, rateLimit },
    { own: (host) => void host.decorateRequest("principal", null).get("/own", async () => "open") },
  );
  const host = { host: "own.example" };
  for (let i = 0; i < 3; i += 1) {
    const answer = await app.inject({ url: "/own", headers: host });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).not.toHaveProperty("content-security-policy");
  }
  expect((await app.inject({ url: "/up/uploads", headers: host })).statusCode).toBe(401);
  await app.close();
});
