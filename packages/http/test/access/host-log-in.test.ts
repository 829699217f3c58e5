import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AuthOptions, HostPrincipal } from "../../src/index.ts";
import { Bed } from "../support/bed.ts";
import { ADMIN, AUTH, READER, WRONG } from "../support/credentials.ts";

const PEOPLE: Readonly<Record<string, HostPrincipal>> = {
  ada: { name: "ada", scopes: ["admin"] },
  guest: { name: "guest", scopes: ["read"] },
  nothing: { name: "nothing", scopes: [] },
};
const JSON_BODY = { "content-type": "application/json" };

let bed: Bed;
afterEach(() => bed.close());

/** A host that goes by a cookie of its own. */
const byCookie: NonNullable<AuthOptions["authenticate"]> = async ({ headers }) =>
  PEOPLE[/shop=(\w+)/.exec(headers.cookie ?? "")?.[1] ?? ""];

const as = (name: string) => ({ cookie: `shop=${name}` });
const status = async (path: string, headers: Record<string, string>, method = "GET") =>
  (await bed.call(path, { method, headers: method === "GET" ? headers : { ...JSON_BODY, ...headers } })).status;

describe("whom the host knows", () => {
  let origin: string;
  beforeEach(async () => {
    bed = await Bed.open({ server: { auth: { authenticate: byCookie } } });
    origin = new URL(bed.url).origin;
    await bed.service.register({ id: "a", sourceFolder: bed.root, bucket: "bucket" });
  });

  test("may do what its scopes say, and nobody else gets anything", async () => {
    expect(await status("/uploads", {})).toBe(401);
    expect(await status("/uploads", as("mallory"))).toBe(401);
    expect(await status("/uploads", as("nothing"))).toBe(403);
    expect(await status("/uploads", as("guest"))).toBe(200);
    expect(await status("/uploads/a/pause", { ...as("guest"), origin }, "POST")).toBe(403);
    expect(await status("/uploads/a/pause", { ...as("ada"), origin }, "POST")).toBe(200);
    expect(await status("/health", {})).toBe(200);
    const ready = await bed.call("/ready");
    expect(Object.keys(ready.body)).toEqual(["status"]);
    expect((await bed.call("/ready", { headers: as("guest") })).body).toHaveProperty("details");
  });

  test("changes nothing for a page of another site, nor where no page is named", async () => {
    const refused: Record<string, string>[] = [
      {},
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", origin },
      { "sec-fetch-site": "none" },
    ];
    for (const headers of refused) {
      const { status, body } = await bed.call("/uploads/a/pause", {
        method: "POST",
        headers: { ...JSON_BODY, ...as("ada"), ...headers },
      });
      expect([headers, status, body.code]).toEqual([headers, 403, "ORIGIN_NOT_ALLOWED"]);
    }
    expect((await bed.service.get("a")).state).not.toBe("PAUSED");
    expect(
      await status("/uploads", { ...as("ada"), "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }),
    ).toBe(403);
    expect(await status("/uploads/a/pause", { ...as("ada"), "sec-fetch-site": "same-origin" }, "POST")).toBe(200);
  });

  test("is told by name, and has no session to log out of", async () => {
    const { body } = await bed.call("/session", { headers: as("guest") });
    expect(body).toEqual({ name: "guest", scopes: ["read"], expires_at: null, auth: true, session: false });
  });

  test("there is no log-in page, and no token to be guessed", async () => {
    const page = await bed.call("/", { headers: { accept: "text/html" } });
    expect([page.status, page.headers.get("content-type")]).toEqual([401, expect.stringContaining("problem+json")]);
    const guess = await bed.call("/session", { body: { token: "guess" } });
    expect([guess.status, guess.headers.get("set-cookie")]).toEqual([401, null]);
    expect(await status("/uploads", { ...as("guest"), authorization: "Bearer of-the-host" })).toBe(200);
    const { body } = await bed.call<{ components: object; security?: unknown }>("/openapi.json", {
      headers: as("guest"),
    });
    expect(body.components).not.toHaveProperty("securitySchemes");
    expect(body.security).toBeUndefined();
  });
});

describe("beside tokens", () => {
  beforeEach(async () => {
    bed = await Bed.open({ server: { auth: { ...AUTH, authenticate: byCookie } } });
  });

  test("a Bearer credential decides alone, then a session, then the host", async () => {
    const caller = async (headers: Record<string, string>) =>
      (await bed.call<{ name?: string }>("/session", { headers })).body.name;
    expect(await caller({ ...as("guest"), authorization: `Bearer ${ADMIN}` })).toBe("ops");
    expect(await caller({ ...as("guest"), authorization: `Bearer ${WRONG}` })).toBeUndefined();
    const logIn = await bed.call("/session", { body: { token: READER } });
    const [session = ""] = (logIn.headers.get("set-cookie") ?? "").split(";");
    expect(await caller({ cookie: `shop=ada; ${session}` })).toBe("viewer");
    expect(await caller(as("ada"))).toBe("ada");
    expect(await caller({ cookie: `shop=ada; ${session.slice(0, -2)}xx` })).toBe("ada");
  });

  test("programs with a token need not say which page they are", async () => {
    await bed.service.register({ id: "a", sourceFolder: bed.root, bucket: "bucket" });
    expect(await status("/uploads/a/pause", { ...as("ada"), authorization: `Bearer ${ADMIN}` }, "POST")).toBe(200);
  });
});

test.each([
  ["throws", () => Promise.reject(new Error("the shop's database 5f3e is down"))],
  ["names nobody", () => ({ name: "", scopes: ["admin"] })],
  ["makes up a scope", () => ({ name: "x", scopes: ["root"] })],
  ["has a text for scopes", () => ({ name: "x", scopes: "admin" })],
  ["has no time as expiresAt", () => ({ name: "x", scopes: ["admin"], expiresAt: "tomorrow" })],
  ["returns true", () => true],
])("a host that %s lets nobody in", async (_what, authenticate) => {
  bed = await Bed.open({ server: { auth: { authenticate: authenticate as never } } });
  const { status, body, text } = await bed.call("/uploads");
  expect([status, body.code]).toEqual([503, "AUTH_UNAVAILABLE"]);
  expect(text).not.toContain("5f3e");
  expect((await bed.call("/health")).status).toBe(200);
  expect(Object.keys((await bed.call("/ready")).body)).toEqual(["status"]);
});

test("a log-in that is over counts as none", async () => {
  bed = await Bed.open({
    server: { auth: { authenticate: () => ({ name: "x", scopes: ["admin"], expiresAt: Date.now() }) } },
  });
  expect((await bed.call("/uploads")).status).toBe(401);
});

test("who has been logged out by the host is put off the event streams within minutes, who has not comes back", async () => {
  const known = new Set(["ada"]);
  const authenticate: typeof byCookie = async (request) => {
    const found = await byCookie(request);
    return found && known.has(found.name) ? found : null;
  };
  bed = await Bed.open({ server: { auth: { authenticate }, events: { heartbeat: 20 } } });
  const stream = await fetch(`${bed.url}/events`, { headers: as("ada") });
  expect(stream.status).toBe(200);
  known.clear();
  const later = Date.now() + 5 * 60_000;
  vi.useFakeTimers({ toFake: ["Date"], now: later });
  try {
    expect(await stream.text()).toMatch(/event: bye\ndata: .*"expired"/);
    expect(await status("/events", as("ada"))).toBe(401);
  } finally {
    vi.useRealTimers();
  }
});

test("auth with none of the three, or something that is no function, is refused by name", async () => {
  bed = await Bed.open();
  const open = (auth: object) => Bed.open({ server: { auth } });
  await expect(open({})).rejects.toMatchObject({ code: "INVALID_OPTION" });
  await expect(open({ authenticate: {} })).rejects.toMatchObject({ code: "INVALID_OPTION" });
});
