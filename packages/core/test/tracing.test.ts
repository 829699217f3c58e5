import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineStep, ObjectStoreError, type RegisterOptions } from "../src/index.ts";
import { type TraceOptions, traceUploads } from "../src/tracing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

let world: World;
let process: Process;
let exporter: InMemorySpanExporter;
let provider: BasicTracerProvider;
let stop: () => void;
beforeEach(() => {
  world = new World();
  process = world.boot();
  exporter = new InMemorySpanExporter();
  provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
});
afterEach(async () => {
  await world.end();
});

const tracer = () => provider.getTracer("test");
const begin = (options: TraceOptions = {}) => {
  stop = traceUploads(process.service, tracer(), { clock: world.clock, ...options });
};
const register = (options: Partial<RegisterOptions> = {}) =>
  process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", ...options });

const ended = (name?: string) => exporter.getFinishedSpans().filter((span) => name === undefined || span.name === name);
const outcomes = (name: string) => ended(name).map(({ attributes }) => attributes["bucketline.outcome"]);
const ms = ([seconds, nanos]: [number, number]) => seconds * 1_000 + nanos / 1e6;
const isInside = (child: ReadableSpan, parent: ReadableSpan | undefined) =>
  child.parentSpanContext?.spanId === parent?.spanContext().spanId &&
  child.spanContext().traceId === parent?.spanContext().traceId;

async function run(): Promise<void> {
  await process.service.start();
  await register();
  await world.until(process.service.finished("u").catch(() => {}));
}

describe("spans", () => {
  test("of the run, the file and its parts lie in each other, and say what they are about", async () => {
    world.write("big", "0123456789abcdefghij");
    begin();
    process.objects.inject({ method: "uploadPart", times: 3, delayMs: 40 });
    await run();
    const [upload] = ended("bucketline.upload");
    const [file] = ended("bucketline.file");
    const parts = ended("bucketline.part");
    expect(ended()).toHaveLength(5);
    expect(upload).toMatchObject({ parentSpanContext: undefined, kind: SpanKind.INTERNAL });
    expect(upload?.attributes).toEqual({
      "bucketline.upload.id": "u",
      "bucketline.upload.mode": "once",
      "bucketline.outcome": "completed",
      "aws.s3.bucket": BUCKET,
    });
    expect(file?.attributes).toEqual({
      "bucketline.upload.id": "u",
      "bucketline.file.path": "big",
      "bucketline.file.attempt": 1,
      "bucketline.outcome": "uploaded",
      "file.size": 20,
      "aws.s3.bucket": BUCKET,
      "aws.s3.key": "u/big",
    });
    expect(isInside(file as ReadableSpan, upload)).toBe(true);
    const sizes = parts.map((part) => [part.attributes["aws.s3.part_number"], part.attributes["bucketline.part.size"]]);
    expect(sizes.sort()).toEqual([
      [1, 8],
      [2, 8],
      [3, 4],
    ]);
    for (const part of parts) {
      expect(isInside(part, file)).toBe(true);
      expect(part).toMatchObject({ kind: SpanKind.CLIENT, status: { code: SpanStatusCode.UNSET } });
      expect(part.attributes).toMatchObject({ "aws.s3.bucket": BUCKET, "aws.s3.key": "u/big" });
      expect(ms(part.endTime) - ms(part.startTime)).toBeGreaterThanOrEqual(40);
      expect(ms(part.startTime)).toBeGreaterThanOrEqual(ms(file?.startTime ?? [0, 0]));
      expect(ms(part.endTime)).toBeLessThanOrEqual(ms(file?.endTime ?? [0, 0]));
    }
  });

  test("of the steps of its pipeline lie in the attempt", async () => {
    world.write("a", "x");
    const refuses = defineStep({ name: "refuses", check: async () => ({ accepted: false, message: "no good" }) });
    const passes = defineStep({ name: "passes", check: async () => ({ accepted: true }) });
    process = world.boot({ pipelines: { p: [passes, refuses] } });
    begin();
    await process.service.start();
    await register({ pipeline: "p" });
    await world.until(process.service.finished("u").catch(() => {}));
    const [file] = ended("bucketline.file");
    expect(outcomes("bucketline.step")).toEqual(["passed", "rejected"]);
    for (const step of ended("bucketline.step")) expect(isInside(step, file)).toBe(true);
    const [, refused] = ended("bucketline.step");
    expect(refused?.status).toEqual({ code: SpanStatusCode.ERROR, message: "no good" });
    expect(refused?.attributes).toMatchObject({
      "bucketline.step.name": "refuses",
      "bucketline.step.bytes_in": 0,
      "bucketline.error.code": "FILE_REJECTED",
    });
    expect(outcomes("bucketline.file")).toEqual(["failed"]);
  });

  test("of each attempt, with the error that ended it", async () => {
    world.write("a", "1");
    begin();
    const lost = () =>
      new ObjectStoreError({ kind: "integrity", operation: "putObject", bucket: BUCKET, key: "u/a" }, "other bytes");
    process.objects.inject({ method: "putObject", before: lost, times: 1 });
    await run();
    const [first, second] = ended("bucketline.file");
    expect(first?.status).toEqual({ code: SpanStatusCode.ERROR, message: expect.stringContaining("other bytes") });
    expect(first?.attributes).toMatchObject({
      "bucketline.outcome": "retrying",
      "bucketline.error.code": "INTEGRITY",
      "error.type": "INTEGRITY",
    });
    expect(second?.attributes).toMatchObject({ "bucketline.outcome": "uploaded", "bucketline.file.attempt": 2 });
    expect(second?.status.code).toBe(SpanStatusCode.UNSET);
  });

  test("of an upload that fails", async () => {
    world.write("a", "1");
    begin();
    const rejected = () => new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET }, "no");
    process.objects.inject({ method: "putObject", before: rejected, times: 9 });
    await run();
    expect(outcomes("bucketline.file")).toEqual(["failed"]);
    const [upload] = ended("bucketline.upload");
    expect(upload?.status.code).toBe(SpanStatusCode.ERROR);
    expect(upload?.attributes["bucketline.error.code"]).toBe("UPLOAD_FAILED");
  });

  test("a reopened upload has another run", async () => {
    world.write("a", "1");
    begin();
    await process.service.start();
    await register({ mode: "watch" });
    await world.until(process.service.finished("u"));
    world.write("b", "2");
    await world.until(process.service.check("u"));
    await world.until(process.service.finished("u"));
    expect(outcomes("bucketline.upload")).toEqual(["completed", "completed"]);
    const [, second] = ended("bucketline.upload");
    expect(isInside(ended("bucketline.file")[1] as ReadableSpan, second)).toBe(true);
  });

  test("belong to a parent of the caller's", async () => {
    world.write("a", "1");
    const own = tracer().startSpan("own");
    const parent: Context = trace.setSpan(ROOT_CONTEXT, own);
    begin({ parent });
    await run();
    own.end();
    const [around] = ended("own");
    expect(isInside(ended("bucketline.upload")[0] as ReadableSpan, around)).toBe(true);
    expect(isInside(ended("bucketline.file")[0] as ReadableSpan, ended("bucketline.upload")[0])).toBe(true);
  });
});

describe("every span ends", () => {
  async function hold(method: "putObject" | "uploadPart") {
    world.write("a", method === "putObject" ? "1" : "0123456789abcdefghij");
    const rule = { times: Number.POSITIVE_INFINITY, hang: "before" } as const;
    const { objects } = process;
    const held = method === "putObject" ? objects.inject({ method, ...rule }) : objects.inject({ method, ...rule });
    begin();
    await process.service.start();
    await register();
    await world.until(() => held.fired > 0);
    return held;
  }

  test("with a pause, and a resumption begins anew", async () => {
    const held = await hold("putObject");
    await world.until(process.service.pause("u"));
    expect(outcomes("bucketline.file")).toEqual(["interrupted"]);
    expect(outcomes("bucketline.upload")).toEqual(["paused"]);
    held.remove();
    await process.service.resume("u");
    await world.until(process.service.finished("u"));
    expect(outcomes("bucketline.file")).toEqual(["interrupted", "uploaded"]);
    expect(outcomes("bucketline.upload")).toEqual(["paused", "completed"]);
  });

  test("with a cancellation", async () => {
    await hold("uploadPart");
    await world.until(process.service.cancel("u"));
    expect(outcomes("bucketline.file")).toEqual(["interrupted"]);
    expect(outcomes("bucketline.upload")).toEqual(["cancelled"]);
  });

  test("when another process has paused the upload", async () => {
    await hold("putObject");
    const other = world.boot();
    await world.until(other.service.pause("u"));
    await world.until(() => ended("bucketline.upload").length === 1, 60_000);
    expect(outcomes("bucketline.upload")).toEqual(["paused"]);
    expect(outcomes("bucketline.file")).toEqual(["interrupted"]);
  });

  test("when tracing stops, and nothing more is traced", async () => {
    const held = await hold("putObject");
    stop();
    expect(outcomes("bucketline.file")).toEqual(["interrupted"]);
    expect(outcomes("bucketline.upload")).toEqual(["interrupted"]);
    held.remove();
    await world.until(process.service.pause("u"));
    await process.service.resume("u");
    await world.until(process.service.finished("u"));
    expect(ended()).toHaveLength(2);
    stop();
  });

  test("when there are too many: the oldest makes room", async () => {
    for (const name of ["a", "b", "c"]) world.write(name, "1");
    const held = process.objects.inject({ method: "putObject", times: Number.POSITIVE_INFINITY, hang: "before" });
    begin({ limit: 2 });
    await process.service.start();
    await register();
    await world.until(() => held.fired === 3);
    expect(ended().map(({ attributes }) => attributes["bucketline.file.path"])).toEqual(["a"]);
    stop();
    expect(ended("bucketline.file")).toHaveLength(3);
  });

  test("also when tracing began in the middle of the upload", async () => {
    world.write("a", "1");
    const held = process.objects.inject({ method: "putObject", hang: "before" });
    await process.service.start();
    await register();
    await world.until(() => held.fired === 1);
    begin();
    await world.until(process.service.pause("u"));
    expect(ended()).toEqual([]);
    await process.service.resume("u");
    await world.until(process.service.finished("u"));
    expect(outcomes("bucketline.file")).toEqual(["uploaded"]);
  });
});

test("a wrong limit is refused", () => {
  expect(() => begin({ limit: 0 })).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
});
