import { connect } from "node:net";
import { ERRORS } from "@bucketline/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HTTP_ERRORS } from "../src/index.ts";
import { Bed, type CallOptions } from "./support/bed.ts";

let bed: Bed;
beforeAll(async () => {
  bed = await Bed.open();
  await bed.create("", { upload_id: "u" });
});
afterAll(() => bed.close());

const json = { "content-type": "application/json" };

const REFUSALS: readonly [what: string, path: string, options: CallOptions, status: number, code: string][] = [
  ["an unknown path", "/nothing", {}, 404, "ROUTE_NOT_FOUND"],
  ["an unknown path of the API", "/api/v1/nothing", { method: "POST" }, 404, "ROUTE_NOT_FOUND"],
  ["an unknown path below an upload", "/uploads/u/nothing/at/all", {}, 404, "ROUTE_NOT_FOUND"],
  ["another method", "/uploads", { method: "DELETE" }, 405, "METHOD_NOT_ALLOWED"],
  ["another method, with a slash", "/api/v1/uploads/u/pause/", {}, 405, "METHOD_NOT_ALLOWED"],
  ["an id that cannot be one", "/uploads/a%20b", {}, 400, "INVALID_REQUEST"],
  ["a path that is no URL", "/uploads/%zz", {}, 400, "INVALID_REQUEST"],
  ["half a JSON document", "/uploads", { body: "{" }, 400, "INVALID_REQUEST"],
  ["an empty body", "/uploads", { body: "" }, 400, "INVALID_REQUEST"],
  ["a poisoned body", "/uploads", { body: '{"__proto__":{"x":1}}' }, 400, "INVALID_REQUEST"],
  ["a constructor in a body", "/uploads", { body: '{"constructor":{"prototype":{}}}' }, 400, "INVALID_REQUEST"],
  ["an array", "/uploads", { body: "[]" }, 400, "INVALID_REQUEST"],
  ["a body that is too large", "/uploads", { body: `"${"x".repeat(65_536)}"` }, 413, "BODY_TOO_LARGE"],
  [
    "a form",
    "/uploads",
    { body: "a=b", headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
  ],
  ["a text", "/uploads", { body: "{}", headers: { "content-type": "text/plain" } }, 415, "UNSUPPORTED_MEDIA_TYPE"],
  ["no upload", "/uploads/nobody", {}, 404, "UPLOAD_NOT_FOUND"],
];

describe("every refusal is a problem document", () => {
  test.each(REFUSALS)("%s", async (_what, path, options, status, code) => {
    const answer = await bed.call(path, options);
    expect(answer.headers.get("content-type")).toBe("application/problem+json; charset=utf-8");
    expect(answer).toMatchObject({ status, body: { status, code, type: `urn:bucketline:problem:${code}` } });
    const remedy =
      code in HTTP_ERRORS ? HTTP_ERRORS[code as keyof typeof HTTP_ERRORS][1] : ERRORS[code as keyof typeof ERRORS];
    expect(answer.body.title).toBe(remedy);
    expect(answer.body.detail).toBeTruthy();
    expect(answer.body.instance).toBe(`urn:bucketline:request:${answer.headers.get("x-request-id")}`);
  });

  test("405 says what the path takes", async () => {
    const allow = async (path: string, method: string) => (await bed.call(path, { method })).headers.get("allow");
    expect(await allow("/uploads", "PUT")).toBe("GET, HEAD, POST");
    expect(await allow("/api/v1/uploads/u/", "POST")).toBe("GET, HEAD, PATCH, DELETE");
    expect(await allow("/api/v1/uploads/u/retry", "OPTIONS")).toBe("POST");
    expect(await allow("/limits", "POST")).toBe("GET, HEAD, PUT");
    expect(await allow("/openapi.json", "POST")).toBe("GET, HEAD");
  });

  test("an upload may be called as a route is", async () => {
    await bed.create("", { upload_id: "plan" });
    expect((await bed.call("/uploads/plan")).body.upload_id).toBe("plan");
    expect((await bed.call("/uploads/plan/pause/", { method: "POST" })).body.state).toBe("PAUSED");
  });

  test.each([
    ["garbage", "nonsense\r\n\r\n", 400, "INVALID_REQUEST"],
    [
      "headers without end",
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"x".repeat(70_000)}\r\n\r\n`,
      431,
      "HEADERS_TOO_LARGE",
    ],
  ])("what is no HTTP request is answered, too: %s", async (_what, bytes, status, code) => {
    const { port } = new URL(bed.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(bytes);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    await new Promise((resolve) => socket.on("close", resolve).on("error", () => {}));
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toMatchObject({ status, code });
  });
});

test("what fails unexpectedly says nothing of itself", async () => {
  const failing = await Bed.open();
  try {
    const secret = "the password is hunter2";
    failing.service.list = () => Promise.reject(new Error(secret));
    const answer = await failing.call("/uploads");
    expect(answer).toMatchObject({ status: 500, body: { code: "UNEXPECTED", detail: "See the service's log." } });
    expect(answer.text).not.toContain("hunter2");
  } finally {
    await failing.close();
  }
});

test("a stopped service says so", async () => {
  const stopped = await Bed.open();
  await stopped.service.stop();
  const answer = await stopped.call("/uploads");
  expect(answer).toMatchObject({ status: 503, body: { code: "SERVICE_STOPPED" } });
  expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
  await stopped.close();
});

test("JSON is taken with a charset, and null as an optional body", async () => {
  const body = '{"priority":1}';
  const headers = { "content-type": "application/json; charset=utf-8" };
  expect((await bed.call("/uploads/u", { method: "PATCH", body, headers })).status).toBe(200);
  expect((await bed.call("/uploads/u/plan", { body: "null", headers: json })).status).toBe(200);
  expect((await bed.call("/uploads/u/plan", { body: "", headers: json })).status).toBe(200);
});
