import { SignJWT } from "jose";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { JwtVerifier } from "../../src/access/jwt.ts";
import type { JwtOptions } from "../../src/index.ts";
import { AUDIENCE, Provider } from "../support/provider.ts";

let provider: Provider;
beforeEach(async () => {
  provider = await Provider.open();
});
afterEach(async () => {
  vi.useRealTimers();
  await provider.close();
});

const verifier = (options: Partial<JwtOptions> = {}) =>
  new JwtVerifier({ issuer: provider.issuer, audience: AUDIENCE, ...options });
const seconds = () => Math.floor(Date.now() / 1000);
const unavailable = expect.objectContaining({ code: "AUTH_UNAVAILABLE", status: 503 });

test("a good token is somebody with scopes and an end; the keys are discovered, and asked for once", async () => {
  const check = verifier();
  const exp = seconds() + 100;
  const token = await provider.token({ exp, scope: "bucketline:admin other bucketline:read" });
  const found = { name: "somebody", scopes: ["read", "admin"], expiresAt: exp * 1000 };
  expect(await Promise.all([check.check(token), check.check(token)])).toEqual([found, found]);
  expect(await check.check(token)).toEqual(found);
  expect(provider.requests).toEqual(["/.well-known/openid-configuration", "/keys"]);
});

test("with jwksUrl nothing is discovered", async () => {
  expect(await verifier({ jwksUrl: `${provider.issuer}/keys` }).check(await provider.token())).toMatchObject({
    scopes: ["read"],
  });
  expect(provider.requests).toEqual(["/keys"]);
});

test.each([
  ["another issuer", { iss: "https://other.example" }],
  ["another audience", { aud: "other" }],
  ["no audience", { aud: undefined }],
  ["no end", { exp: undefined }],
  ["not begun", { nbf: Math.floor(Date.now() / 1000) + 120 }],
])("a token is not valid: %s", async (_what, claims) => {
  expect(await verifier().check(await provider.token(claims as Record<string, string>))).toBe("invalid");
});

test("an expired token says so, and clocks may be half a minute apart", async () => {
  const check = verifier();
  expect(await check.check(await provider.token({ exp: seconds() - 60 }))).toBe("expired");
  expect(await check.check(await provider.token({ exp: seconds() - 15 }))).toMatchObject({ name: "somebody" });
  expect(await check.check(await provider.token({ nbf: seconds() + 15 }))).toMatchObject({ name: "somebody" });
});

test("only the algorithms that are allowed: not none, and not the public key as a shared secret", async () => {
  const check = verifier();
  await provider.addKey("rsa", "RS512");
  expect(await check.check(await provider.token({}, { kid: "rsa", alg: "RS512" }))).toBe("invalid");
  const [, payload = ""] = (await provider.token()).split(".");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  expect(await check.check(`${none}.${payload}.`)).toBe("invalid");
  const secret = new TextEncoder().encode(await provider.publicKey("first"));
  const forged = new SignJWT({ iss: provider.issuer, aud: AUDIENCE, exp: seconds() + 60 });
  expect(await check.check(await forged.setProtectedHeader({ alg: "HS256", kid: "first" }).sign(secret))).toBe(
    "invalid",
  );
  expect(provider.requests).toEqual([]);
  expect(
    await verifier({ algorithms: ["RS512"] }).check(await provider.token({}, { kid: "rsa", alg: "RS512" })),
  ).toMatchObject({ name: "somebody" });
});

test("a signature by another key is not valid, nor is rubbish", async () => {
  const check = verifier();
  await provider.addKey("second");
  expect(await check.check(await provider.token({}, { kid: "first", signer: "second" }))).toBe("invalid");
  const token = await provider.token();
  const rubbish = ["a.b.c", "..", "", "e30.e30.e30", `${token}x`, token.slice(0, -3), token.replace(/^[^.]+/, "e30")];
  for (const text of rubbish) expect(await check.check(text)).toBe("invalid");
});

test("where a token names no key, each of its kind is tried", async () => {
  provider.keys = [];
  await provider.addKey("a");
  await provider.addKey("b");
  const check = verifier();
  expect(await check.check(await provider.token({}, { kid: "", signer: "b" }))).toMatchObject({ name: "somebody" });
  provider.keys.length = 0;
  await provider.addKey("c");
  expect(await check.check(await provider.token({}, { kid: "", signer: "c" }))).toBe("invalid");
});

test("keys that come later are found, but made-up key ids do not make us ask each time", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  const check = verifier();
  await check.check(await provider.token());
  const asked = provider.requests.length;
  await provider.addKey("second");
  const token = await provider.token({}, { kid: "second" });
  for (let i = 0; i < 20; i += 1) expect(await check.check(token)).toBe("invalid");
  expect(provider.requests).toHaveLength(asked);
  vi.setSystemTime(Date.now() + 31_000);
  expect(await check.check(token)).toMatchObject({ name: "somebody" });
  expect(provider.requests).toHaveLength(asked + 1);
});

test.each(["status", "garbage", "huge", "redirect"] as const)(
  "a provider in trouble (%s) makes tokens neither good nor bad, and is asked again after a while",
  async (trouble) => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const check = verifier();
    const token = await provider.token();
    provider.trouble = trouble;
    for (let i = 0; i < 5; i += 1) await expect(check.check(token)).rejects.toEqual(unavailable);
    expect(provider.requests).toHaveLength(1);
    provider.trouble = "none";
    await expect(check.check(token)).rejects.toEqual(unavailable);
    vi.setSystemTime(Date.now() + 10_000);
    expect(await check.check(token)).toMatchObject({ name: "somebody" });
  },
);

test("a provider that is not there or says nothing is waited for no longer than the timeout", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation(() => AbortSignal.abort());
  provider.trouble = "silence";
  const token = await provider.token();
  await expect(verifier().check(token)).rejects.toEqual(unavailable);
  expect(timeout).toHaveBeenCalledWith(5000);
  timeout.mockRestore();
  await provider.close();
  await expect(verifier().check(token)).rejects.toEqual(unavailable);
});

test("while the provider is away, fresh keys serve", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  const check = verifier();
  const token = await provider.token({ exp: seconds() + 9999 });
  await check.check(token);
  await provider.addKey("second");
  const other = await provider.token({}, { kid: "second" });
  provider.trouble = "status";
  vi.setSystemTime(Date.now() + 31_000);
  await expect(check.check(other)).rejects.toEqual(unavailable);
  expect(await check.check(token)).toMatchObject({ name: "somebody" });
  await expect(check.check(other)).rejects.toEqual(unavailable);
  expect(await check.check(`${token.slice(0, -8)}AAAAAAAA`)).toBe("invalid");
});

test.each([{ issuer: "https://other.example" }, { jwks_uri: 5 }, { jwks_uri: "file:///etc/passwd" }])(
  "a discovery document that says something odd is not followed: %j",
  async (discovery) => {
    provider.discovery = discovery;
    await expect(verifier().check(await provider.token())).rejects.toEqual(unavailable);
    expect(provider.requests).toEqual(["/.well-known/openid-configuration"]);
  },
);

test("keys are not fetched over plain http from elsewhere, even when they could be", async () => {
  provider.discovery = { jwks_uri: `${provider.issuer.replace("127.0.0.1", "0.0.0.0")}/keys` };
  await expect(verifier().check(await provider.token())).rejects.toEqual(unavailable);
  expect(provider.requests).toEqual(["/.well-known/openid-configuration"]);
});

test.each([
  ["realm_access.roles", { realm_access: { roles: ["viewer", "boss"] } }, ["read", "admin"]],
  ["https://example.com/roles", { "https://example.com/roles": ["boss"] }, ["admin"]],
  ["roles", { roles: "viewer other" }, ["read"]],
  ["roles", { roles: { viewer: true } }, []],
  ["roles.length", { roles: ["viewer"] }, []],
  ["__proto__.constructor", {}, []],
  ["missing.deep.path", { missing: null }, []],
])("scopes come from the claim %s: %j", async (scopeClaim, claims, scopes) => {
  const check = verifier({ scopeClaim, scopeNames: { read: "viewer", admin: "boss" } });
  expect(await check.check(await provider.token(claims))).toMatchObject({ scopes });
});

test("who has no subject is called by the client", async () => {
  const check = verifier();
  expect(await check.check(await provider.token({ sub: undefined, client_id: "robot" }))).toMatchObject({
    name: "robot",
  });
  expect(await check.check(await provider.token({ sub: undefined }))).toMatchObject({ name: "jwt" });
});

test.each([
  { issuer: "http://issuer.example" },
  { issuer: "nonsense" },
  { audience: "" },
  { audience: [] },
  { jwksUrl: "http://keys.example/" },
  { algorithms: [] },
  { algorithms: ["none"] },
  { algorithms: ["RS256", "HS256"] },
  { scopeClaim: "" },
  { scopeNames: { read: "" } },
  { scopeNames: { root: "x" } },
])("weak options are refused: %j", (options) => {
  expect(() => verifier(options as Partial<JwtOptions>)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
});
