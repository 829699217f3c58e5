import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import fastify from "fastify";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createServer } from "../../src/index.ts";
import { Bed, BUCKET } from "../support/bed.ts";
import { ADMIN, AUTH, READER } from "../support/credentials.ts";
import { fallibleBed } from "../support/fallible-bed.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";

let bed: Bed;
let exporter: InMemorySpanExporter;
let provider: BasicTracerProvider;
beforeEach(() => {
  exporter = new InMemorySpanExporter();
  provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
});
afterEach(async () => {
  await bed.close();
});

const tracing = () => ({ tracer: provider.getTracer("test") });
const ended = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);

/** Spans end with the connection's last byte, which the client may be faster than. */
async function spanOf(name: string) {
  await expect.poll(() => ended(name).length, { timeout: 10_000, interval: 10 }).toBeGreaterThan(0);
  const [span] = ended(name);
  if (!span) throw new Error(name);
  return span;
}

describe("a request", () => {
  test("is a server span with the pattern of its route, inside what the caller says", async () => {
    bed = await Bed.open({ server: { tracing: tracing(), auth: AUTH } });
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, "x-request-id": "r-1", "user-agent": "curl/8" };
    await bed.call("/api/v1/uploads/secret-free?token=hidden", { headers, token: READER });
    const span = await spanOf("GET /api/v1/uploads/:upload_id");
    expect(span.kind).toBe(SpanKind.SERVER);
    expect(span.spanContext().traceId).toBe(TRACE);
    expect(span.parentSpanContext).toMatchObject({ spanId: PARENT, isRemote: true });
    expect(span.status.code).toBe(SpanStatusCode.UNSET);
    expect(span.attributes).toEqual({
      "http.request.method": "GET",
      "http.route": "/api/v1/uploads/:upload_id",
      "http.response.status_code": 404,
      "url.path": "/api/v1/uploads/secret-free",
      "url.scheme": "http",
      "client.address": "127.0.0.1",
      "network.protocol.version": "1.1",
      "user_agent.original": "curl/8",
      "bucketline.request.id": "r-1",
      "bucketline.error.code": "UPLOAD_NOT_FOUND",
      "enduser.id": "viewer",
    });
  });

  test("begins a trace of its own when the caller's header says nothing that holds", async () => {
    bed = await Bed.open({ server: { tracing: tracing() } });
    const zero = "0".repeat(32);
    const malformed = ["x", `ff-${TRACE}-${PARENT}-01`, `00-${zero}-${PARENT}-01`, `00-${TRACE}-${PARENT}-01-more`];
    for (const traceparent of malformed) await bed.call("/health", { headers: { traceparent } });
    await expect.poll(() => ended("GET /health").length, { timeout: 10_000, interval: 10 }).toBe(malformed.length);
    for (const span of ended("GET /health")) {
      expect(span.parentSpanContext).toBeUndefined();
      expect(span.spanContext().traceId).not.toBe(TRACE);
    }
    const later = `cc-${TRACE}-${PARENT}-01-what-the-future-will-bring`;
    await bed.call("/ready", { headers: { traceparent: later } });
    expect((await spanOf("GET /ready")).spanContext().traceId).toBe(TRACE);
  });

  test("a caller who is not sampled decides for the span, too", async () => {
    bed = await Bed.open({ server: { tracing: tracing() } });
    await bed.call("/health", { headers: { traceparent: `00-${TRACE}-${PARENT}-00` } });
    await bed.call("/ready");
    await spanOf("GET /ready");
    expect(ended("GET /health")).toEqual([]);
  });

  test("that is refused has the code, and one that fails is an error", async () => {
    const fallible = await fallibleBed({ server: { tracing: tracing(), auth: AUTH } });
    ({ bed } = fallible);
    await bed.call("/uploads");
    await bed.call("/no/such", { token: READER });
    fallible.state.inject({ method: "listUploads", times: 100, before: new Error("disk with a secret name") });
    await bed.call("/api/v1/uploads", { token: ADMIN });
    expect((await spanOf("GET /uploads")).attributes).toMatchObject({
      "http.response.status_code": 401,
      "bucketline.error.code": "UNAUTHORIZED",
    });
    expect((await spanOf("GET")).attributes).not.toHaveProperty("http.route");
    const failed = await spanOf("GET /api/v1/uploads");
    expect(failed.status.code).toBe(SpanStatusCode.ERROR);
    expect(failed.attributes).toMatchObject({ "http.response.status_code": 500, "error.type": "500" });
    expect(JSON.stringify([failed.attributes, failed.events, failed.status])).not.toContain("secret");
  });

  test("whose client goes away ends all the same", async () => {
    bed = await Bed.open({ server: { tracing: tracing() } });
    const cut = new AbortController();
    const stream = await fetch(`${bed.url}/api/v1/events`, { signal: cut.signal });
    await stream.body?.getReader().read();
    expect(ended("GET /api/v1/events")).toEqual([]);
    cut.abort();
    const span = await spanOf("GET /api/v1/events");
    expect(span.attributes).toMatchObject({ "http.response.status_code": 200, "bucketline.http.aborted": true });
  });
});

describe("uploads", () => {
  const upload = async () => {
    await bed.write("a/one");
    await bed.service.register({ id: "u", sourceFolder: `${bed.root}/a`, bucket: BUCKET, mode: "once" });
    await bed.service.finished("u");
  };

  test("are traced as long as the server is open", async () => {
    bed = await Bed.open({ server: { tracing: tracing() } });
    await upload();
    expect((await spanOf("bucketline.file")).attributes).toMatchObject({ "bucketline.outcome": "uploaded" });
    await spanOf("bucketline.upload");
    await bed.server.close();
    exporter.reset();
    await bed.service.register({ id: "v", sourceFolder: `${bed.root}/a`, bucket: BUCKET, mode: "once" });
    await bed.service.finished("v");
    expect(exporter.getFinishedSpans()).toEqual([]);
  });

  test("are left to a host that traces them itself", async () => {
    bed = await Bed.open({ server: { tracing: { ...tracing(), uploads: false } } });
    await upload();
    await bed.call("/health");
    await spanOf("GET /health");
    expect(ended("bucketline.file")).toEqual([]);
  });

  test("what is no tracer is refused", async () => {
    bed = await Bed.open();
    const tracer = {} as ReturnType<typeof tracing>["tracer"];
    const opening = createServer({ service: bed.service, port: 0, tracing: { tracer } });
    await expect(opening).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });
});

describe("a delivery to a webhook", () => {
  test("is a client span, and the receiver is told its id; the URL, which may be secret, is not in it", async () => {
    const told: string[] = [];
    const receiver = fastify();
    receiver.post("/hook/secret", async ({ headers }) => {
      told.push(String(headers.traceparent));
      return {};
    });
    const url = `${await receiver.listen({ host: "127.0.0.1", port: 0 })}/hook/secret`;
    const secret = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
    const webhooks = [{ name: "ops", url, secret }];
    bed = await Bed.open({ started: false, server: { tracing: tracing(), webhooks } });
    await bed.service.start();
    await bed.write("a/one");
    await bed.service.register({ id: "u", sourceFolder: `${bed.root}/a`, bucket: BUCKET, mode: "once" });
    const span = await spanOf("POST");
    const { traceId, spanId } = span.spanContext();
    expect(told).toEqual([`00-${traceId}-${spanId}-01`]);
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.attributes).toEqual({
      "http.request.method": "POST",
      "http.response.status_code": 200,
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(url).port),
    });
    await receiver.close();
  });
});
