import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { AllowedHosts, canonicalHost, checkListening, isLocalConnection } from "../../src/access/hosts.ts";

const auth = { tokens: [] };

function codeOf(options: ConstructorParameters<typeof AllowedHosts>[0], hosts: readonly string[], url = "/"): string {
  const rawHeaders = ["Accept", "*/*", ...hosts.flatMap((host) => ["Host", host])];
  try {
    new AllowedHosts(options).check({ rawHeaders, url } as IncomingMessage);
    return "ok";
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
}

test.each([
  "localhost",
  "LOCALHOST:8080",
  "localhost.",
  "127.0.0.1:1",
  "127.1.2.3",
  "[::1]",
  "[::1]:8080",
  "[0:0:0:0:0:0:0:1]:8080",
])("without auth, loopback is answered at any port: %s", (host) => {
  expect(codeOf({}, [host])).toBe("ok");
});

test.each([
  "evil.example",
  "localhost.evil.example",
  "evil.example:8080",
  "192.168.0.1",
  "0.0.0.0",
  "[fe80::1]",
  "[::]",
  "",
  "localhost@evil.example",
  "evil.example@localhost",
  "localhost/evil",
  "local host",
  "[::1",
  "::1",
  "localhost:port",
])("without auth, no other name is answered: %s", (host) => {
  expect(codeOf({}, [host])).toBe("HOST_NOT_ALLOWED");
});

test("a request without Host is refused, unless any host may be named", () => {
  expect(codeOf({}, [])).toBe("HOST_NOT_ALLOWED");
  expect(codeOf({ auth }, [])).toBe("ok");
});

test("every host that a request names must be allowed: of two headers, and of a target in absolute form", () => {
  expect(codeOf({}, ["localhost", "evil.example"])).toBe("HOST_NOT_ALLOWED");
  expect(codeOf({}, ["localhost"], "http://evil.example/uploads")).toBe("HOST_NOT_ALLOWED");
  expect(codeOf({}, ["evil.example"], "http://localhost/uploads")).toBe("HOST_NOT_ALLOWED");
  expect(codeOf({}, ["localhost"], "http://user@localhost/uploads")).toBe("HOST_NOT_ALLOWED");
  expect(codeOf({}, ["localhost"], "http://127.0.0.1:80/uploads")).toBe("ok");
});

test("with auth any well-formed host is answered, and with allowedHosts only those", () => {
  expect(codeOf({ auth }, ["anything.example:99"])).toBe("ok");
  expect(codeOf({ auth }, ["any thing"])).toBe("HOST_NOT_ALLOWED");
  const allowedHosts = ["Uploads.Example", "fd00::5", "10.0.0.1"];
  for (const host of ["uploads.example:443", "[fd00:0::5]:8080", "10.0.0.1"])
    expect(codeOf({ auth, allowedHosts }, [host])).toBe("ok");
  for (const host of ["localhost", "127.0.0.1", "other.example"])
    expect(codeOf({ auth, allowedHosts }, [host])).toBe("HOST_NOT_ALLOWED");
});

test.each([[[]], [["a.example:80"]], [["http://a.example"]], [[""]], [["[::1]:80"]], [["*"]], ["localhost"]])(
  "allowedHosts that are no names are refused: %j",
  (allowedHosts) => {
    expect(() => new AllowedHosts({ allowedHosts: allowedHosts as string[] })).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION" }),
    );
  },
);

test("one host has one spelling", () => {
  expect(canonicalHost("EXAMPLE.com.:1")).toBe("example.com");
  expect(canonicalHost("[2001:DB8:0:0::1]")).toBe("[2001:db8::1]");
  expect(canonicalHost("a b")).toBeNull();
});

test.each(["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost"])("without auth one may listen on %s", (host) => {
  expect(() => checkListening(host, {})).not.toThrow();
});

test.each(["0.0.0.0", "::", "", "192.168.1.5", "example.com", "localhost.example.com", "::ffff:10.0.0.1"])(
  "without auth one may not listen on %j; with it, one may",
  (host) => {
    expect(() => checkListening(host, {})).toThrow(expect.objectContaining({ code: "AUTH_REQUIRED" }));
    expect(() => checkListening(host, { auth })).not.toThrow();
  },
);

test.each([
  [true, { remoteAddress: "127.0.0.1", localAddress: "127.0.0.1" }],
  [true, { remoteAddress: "::ffff:127.0.0.1", localAddress: "::ffff:127.0.0.1" }],
  [true, { remoteAddress: "::1", localAddress: "::1" }],
  [false, { remoteAddress: "10.0.0.7", localAddress: "10.0.0.1" }],
  [false, { remoteAddress: "127.0.0.1", localAddress: "10.0.0.1" }],
  [false, { remoteAddress: "::ffff:10.0.0.7", localAddress: "::ffff:127.0.0.1" }],
  [false, {}],
])("a connection is local (%s) when both of its ends are: %j", (expected, socket) => {
  expect(isLocalConnection(socket as IncomingMessage["socket"])).toBe(expected);
});
