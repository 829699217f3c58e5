import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify, { type RouteOptions } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accessControl } from "../../src/access/control.ts";
import type { App } from "../../src/context.ts";
import { Bed } from "../support/bed.ts";
import { ADMIN, AUTH, READER, WRONG } from "../support/credentials.ts";
import { hosted } from "../support/host.ts";
import { AUDIENCE, Provider } from "../support/provider.ts";

/**
 * What asks for no credential. Kept here on purpose, and not taken from the routes: a route that is open by mistake, or new and
 * forgotten, is not on the list and fails.
 */
const OPEN = new Set(["GET /health", "GET /ready", "POST /session"]);
/** Reading that takes more than reading. */
const ADMIN_READS = new Set(["GET /export"]);
/** What changes nothing of anybody else's. */
const READER_CHANGES = new Set(["DELETE /session"]);

interface Route {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  /** The documented route that it is another way to: no prefix, no slash at the end, GET for HEAD. */
  readonly plain: string;
  /** Answers what no other route takes, with 404 or 405. */
  readonly isRefusal: boolean;
}

let bed: Bed;
let provider: Provider;
let guarded: App;
let local: App;
/** For people whom its host knows, and no others. */
let vouched: App;
let routes: readonly Route[];
let documented: { paths: Record<string, Record<string, { security?: unknown; responses: Record<string, unknown> }>> };
let caller = 0;

function routesOf({ method, url, config }: RouteOptions): Route[] {
  return [method].flat().map((one) => ({
    name: `${one} ${url}`,
    method: one,
    url: url.replace(/:\w+|\*/g, "x"),
    plain: `${one === "HEAD" ? "GET" : one} ${url.replace(/^\/api\/v1(?=\/)/, "").replace(/(?<=.)\/$/, "")}`,
    isRefusal: config?.refusal === true,
  }));
}

beforeAll(async () => {
  bed = await Bed.open();
  provider = await Provider.open();
  const { service } = bed;
  const found: Route[] = [];
  const auth = { ...AUTH, jwt: { issuer: provider.issuer, audience: AUDIENCE } };
  guarded = await hosted(
    { service, rateLimit: false, auth, allowedHosts: ["uploads.example"] },
    { onRoute: (route) => found.push(...routesOf(route)) },
  );
  local = await hosted({ service, rateLimit: false });
  vouched = await hosted({
    service,
    rateLimit: false,
    auth: { authenticate: ({ headers }) => peopleOfTheHost(headers.cookie) },
    allowedHosts: ["uploads.example"],
  });
  routes = found;
  const document = await guarded.inject({
    url: "/openapi.json",
    headers: { host: "uploads.example", ...bearer(READER) },
  });
  documented = document.json();
});

afterAll(async () => {
  await guarded.close();
  await local.close();
  await vouched.close();
  await provider.close();
  await bed.close();
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** @throws Error for one cookie, as a host whose database is down */
function peopleOfTheHost(cookie: string | undefined) {
  if (cookie === "shop=down") throw new Error("no database");
  const scopes = { "shop=admin": ["admin"], "shop=reader": ["read"], "shop=nothing": [] } as const;
  return Object.hasOwn(scopes, cookie ?? "")
    ? { name: "somebody", scopes: scopes[cookie as keyof typeof scopes] }
    : undefined;
}

/** From an address of its own each time, so that the limit of wrong credentials does not answer instead. */
async function answerTo(app: App, { method, url }: Route, headers: Record<string, string>, remoteAddress?: string) {
  caller += 1;
  const address =
    remoteAddress ?? (app === local ? "127.0.0.1" : `10.${caller >> 16}.${(caller >> 8) & 255}.${caller & 255}`);
  const host = app === local ? "localhost" : "uploads.example";
  const answer = await app.inject({
    method: method as "GET",
    url,
    headers: { host, ...headers },
    remoteAddress: address,
  });
  const code =
    method === "HEAD" || !/json/.test(String(answer.headers["content-type"])) ? undefined : answer.json().code;
  return { status: answer.statusCode, code, headers: answer.headers };
}

/** As a browser says it of a page of this service. */
const OWN_PAGE = { "sec-fetch-site": "same-origin" };

const isOpen = ({ plain, isRefusal }: Route) => OPEN.has(plain) && !isRefusal;

/** All routes that are not as they should be, at once. */
async function exceptions(of: readonly Route[], app: App, headers: Record<string, string>, ...good: number[]) {
  const found: string[] = [];
  for (const route of of) {
    const { status, code } = await answerTo(app, route, headers);
    if (!good.includes(status)) found.push(`${route.name}: ${status} ${code}`);
  }
  return found;
}

test("every documented route is among those that are walked, and says what it refuses", () => {
  const names = new Set(routes.map(({ name }) => name));
  const operations = Object.entries(documented.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  expect(operations.length).toBeGreaterThan(20);
  for (const { path, method, operation } of operations) {
    expect(names).toContain(`${method} ${path.replace(/\{(\w+)\}/g, ":$1")}`);
    expect([path, Object.keys(operation.responses)]).toEqual([path, expect.arrayContaining(["401", "403"])]);
    const isOpenRoute = OPEN.has(`${method} ${path.replace(/^\/api\/v1(?=\/)/, "")}`);
    expect([path, operation.security]).toEqual([path, isOpenRoute ? [] : undefined]);
  }
});

test("the walk goes to all there are: aliases, slashes, HEAD, documents, pages", () => {
  const names = routes.map(({ name }) => name);
  for (const name of [
    "POST /api/v1/uploads",
    "POST /api/v1/uploads/",
    "POST /uploads",
    "POST /uploads/",
    "HEAD /uploads",
    "GET /openapi.json",
    "GET /redoc",
  ])
    expect(names).toContain(name);
  for (const open of OPEN) expect(names).toContain(open);
  expect(routes.some(({ url }) => url.startsWith("/docs/static/"))).toBe(true);
});

test("without a credential nothing is answered but what is open", async () => {
  expect(
    await exceptions(
      routes.filter((route) => !isOpen(route)),
      guarded,
      {},
      401,
    ),
  ).toEqual([]);
  for (const route of routes.filter(isOpen)) {
    const { status, headers } = await answerTo(guarded, route, {});
    expect([route.name, [401, 403, 404, 405, 500]]).toEqual([route.name, expect.not.arrayContaining([status])]);
    expect(headers).not.toHaveProperty("www-authenticate");
  }
});

test("with a credential that is no good, neither", async () => {
  const closed = routes.filter((route) => !isOpen(route));
  const expired = await provider.token({ exp: Math.floor(Date.now() / 1000) - 3600, scope: "bucketline:admin" });
  const foreign = await provider.token({ aud: "another service", scope: "bucketline:admin" });
  const ended = { cookie: `bucketline_session=${"A".repeat(43)}` };
  for (const headers of [bearer(WRONG), bearer(expired), bearer(foreign), bearer(""), ended])
    expect(await exceptions(closed, guarded, headers, 401)).toEqual([]);
});

test("every refusal has a challenge, a stable code and the headers", async () => {
  for (const route of routes.filter((each) => !isOpen(each))) {
    const { headers, code } = await answerTo(guarded, route, bearer(WRONG));
    expect([route.name, headers]).toEqual([
      route.name,
      expect.objectContaining({
        "www-authenticate": expect.stringContaining('error="invalid_token"'),
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "content-security-policy": expect.stringContaining("frame-ancestors 'none'"),
      }),
    ]);
    if (route.method !== "HEAD") expect([route.name, code]).toEqual([route.name, "UNAUTHORIZED"]);
  }
});

/** What takes the scope `admin`. */
const adminOnly = () =>
  routes.filter(
    ({ method, plain, isRefusal }) =>
      !isRefusal &&
      !OPEN.has(plain) &&
      (ADMIN_READS.has(plain) || (!["GET", "HEAD"].includes(method) && !READER_CHANGES.has(plain))),
  );

test("who may only read changes nothing, and does not get what is for admins", async () => {
  const closed = adminOnly();
  expect(closed.length).toBeGreaterThan(30);
  expect(await exceptions(closed, guarded, bearer(READER), 403)).toEqual([]);
  expect(await exceptions(closed, guarded, bearer(await provider.token({ scope: "bucketline:read" })), 403)).toEqual(
    [],
  );
});

test("who is somebody, but has no scope, gets nothing", async () => {
  const nothing = bearer(await provider.token({ scope: "openid email" }));
  expect(
    await exceptions(
      routes.filter((route) => !isOpen(route)),
      guarded,
      nothing,
      403,
    ),
  ).toEqual([]);
});

test("where the host says who calls, nobody else is answered, whatever they bring", async () => {
  const closed = routes.filter((route) => !isOpen(route));
  const ended = { cookie: `bucketline_session=${"A".repeat(43)}` };
  const html = { accept: "text/html", "sec-fetch-mode": "navigate" };
  for (const headers of [{}, { cookie: "shop=mallory" }, ended, bearer(ADMIN), bearer(WRONG), html])
    expect(await exceptions(closed, vouched, headers, 401)).toEqual([]);
  expect(await exceptions(closed, vouched, { cookie: "shop=nothing", ...OWN_PAGE }, 403)).toEqual([]);
  expect(await exceptions(closed, vouched, { cookie: "shop=down", ...OWN_PAGE }, 503)).toEqual([]);
});

test("whom the host knows has its scopes and no more, and no page of another site has them", async () => {
  expect(await exceptions(adminOnly(), vouched, { cookie: "shop=reader", ...OWN_PAGE }, 403)).toEqual([]);
  const unsafe = routes.filter((route) => !isOpen(route) && !["GET", "HEAD", "OPTIONS"].includes(route.method));
  for (const headers of [{}, { origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }])
    expect(await exceptions(unsafe, vouched, { cookie: "shop=admin", ...headers }, 403)).toEqual([]);
});

test("a wrong Host is refused everywhere, even with a good credential; probes learn that the service is there", async () => {
  const probes = (route: Route) => isOpen(route) && route.method !== "POST";
  const headers = { host: "evil.example", ...bearer(ADMIN) };
  expect(
    await exceptions(
      routes.filter((route) => !probes(route)),
      guarded,
      headers,
      403,
    ),
  ).toEqual([]);
  expect(await exceptions(routes, local, { host: "evil.example" }, 403)).toEqual([]);
});

test("without auth, nobody beyond this machine is answered anything", async () => {
  for (const route of routes) {
    const { status, code } = await answerTo(local, route, {}, "192.0.2.1");
    expect([route.name, status, code]).toEqual([
      route.name,
      403,
      route.method === "HEAD" ? undefined : "AUTH_REQUIRED",
    ]);
  }
});

test("without auth, no page of another origin changes anything", async () => {
  const unsafe = routes.filter(({ method, isRefusal }) => !isRefusal && !["GET", "HEAD", "OPTIONS"].includes(method));
  expect(await exceptions(unsafe, local, { origin: "http://evil.example" }, 403)).toEqual([]);
  expect(await exceptions(unsafe, local, { "sec-fetch-site": "cross-site" }, 403)).toEqual([]);
  expect(await exceptions(unsafe, local, { "content-type": "text/plain" }, 415)).toEqual([]);
});

test("a route without a scope is for admins", async () => {
  const app: App = fastify().withTypeProvider<TypeBoxTypeProvider>();
  await accessControl(app, { service: bed.service, options: { service: bed.service, auth: AUTH } });
  app.get("/forgotten", async () => "secret");
  const statusFor = async (headers: Record<string, string>) =>
    (await app.inject({ url: "/forgotten", headers: { host: "x.example", ...headers } })).statusCode;
  expect(await statusFor(bearer(READER))).not.toBe(200);
  expect(await statusFor(bearer(ADMIN))).toBe(200);
  await app.close();
});
