import { ObjectStoreError } from "@bucketline/core";
import fastify from "fastify";
import { register as globalRegistry } from "prom-client";
import { afterEach, describe, expect, test } from "vitest";
import { createServer } from "../../src/index.ts";
import { Bed, BUCKET } from "../support/bed.ts";
import { ADMIN, AUTH, READER } from "../support/credentials.ts";
import { type Family, parseExposition, sampleValue } from "../support/exposition.ts";
import { type FallibleBed, fallibleBed } from "../support/fallible-bed.ts";

let bed: Bed;
afterEach(async () => {
  await bed.close();
});

const OPEN = "application/openmetrics-text; version=1.0.0";

async function scrape(headers: Record<string, string> = {}): Promise<ReadonlyMap<string, Family>> {
  const { status, text } = await bed.call("/metrics", { headers });
  expect(status).toBe(200);
  return parseExposition(text);
}

/** Scrapes until the figures, which are kept for a second, say so. */
async function scrapeUntil(name: string, value: number, labels: Record<string, string> = {}) {
  let families = await scrape();
  await expect
    .poll(
      async () => {
        families = await scrape();
        return sampleValue(families, name, labels);
      },
      { timeout: 10_000, interval: 200 },
    )
    .toBe(value);
  return families;
}

/** Two small files, one in parts, one that is refused for good and one that is repeated once. */
async function run(): Promise<FallibleBed> {
  const fallible = await fallibleBed({ service: { chunkSize: 10, retry: { baseMs: 1 } } });
  ({ bed } = fallible);
  await bed.write("a/one", "12345");
  await bed.write("a/two", "1234567");
  await bed.write("a/parts", "x".repeat(25));
  await bed.write("a/refused", "no");
  await bed.write("a/again", "once more");
  const of = (path: string) => ({ when: ({ key }: { readonly key: string }) => key.endsWith(path) });
  const error = (kind: "rejected" | "transient") => () =>
    new ObjectStoreError({ kind, operation: "putObject", bucket: BUCKET }, "of the test.");
  fallible.objects.inject({ method: "putObject", times: 100, ...of("refused"), before: error("rejected") });
  fallible.objects.inject({ method: "putObject", times: 3, ...of("again"), before: error("transient") });
  await bed.service.register({ id: "u", sourceFolder: `${bed.root}/a`, bucket: BUCKET, mode: "once" });
  await bed.service.finished("u").catch(() => {});
  return fallible;
}

describe("what a run has done", () => {
  test("is what the counters say, and the figures of the ledger", async () => {
    await run();
    const families = await scrapeUntil("bucketline_uploads", 1, { state: "failed" });
    const value = (name: string, labels?: Record<string, string>) =>
      sampleValue(families, `bucketline_${name}`, labels);
    expect({
      uploaded: value("files_uploaded_total"),
      bytes: value("files_uploaded_bytes_total"),
      failed: value("files_failed_total", { code: "OBJECT_REJECTED" }),
      retried: value("file_retries_total", { code: "STORE_UNAVAILABLE" }),
      attempts: value("file_attempts_total"),
      parts: value("part_duration_seconds_count"),
      partBytes: value("parts_sent_bytes_total"),
      scans: value("scan_duration_seconds_count"),
      seen: value("scan_files_seen_total"),
      completed: value("upload_changes_total", { change: "completed" }),
      failures: value("upload_changes_total", { change: "failed" }),
    }).toEqual({
      uploaded: 4,
      bytes: 5 + 7 + 25 + 9,
      failed: 1,
      retried: 1,
      attempts: 6,
      parts: 3,
      partBytes: 25,
      scans: 1,
      seen: 5,
      completed: 0,
      failures: 1,
    });
    expect([
      value("files", { state: "uploaded" }),
      value("files", { state: "failed" }),
      value("files", { state: "pending" }),
      value("ledger_bytes", { state: "uploaded" }),
      value("ledger_bytes", { state: "missing" }),
      value("queue_files"),
      value("files_in_flight"),
      value("concurrency_limit"),
      value("uploads_not_counted"),
      value("ready"),
      value("store_up"),
      value("lease_valid"),
    ]).toEqual([4, 1, 0, 46, 2, 0, 0, 5, 0, 1, 1, 1]);
  });

  test("counters begin anew with a new server, and the global registry has nothing of ours", async () => {
    await run();
    const other = await createServer({ service: bed.service, port: 0 });
    const { body } = await other.app.inject({ url: "/metrics", headers: { host: "localhost" } });
    expect(sampleValue(parseExposition(body), "bucketline_files_uploaded_total")).toBe(0);
    expect(sampleValue(await scrape(), "bucketline_files_uploaded_total")).toBe(4);
    await other.close();
    expect(await globalRegistry.getMetricsAsJSON()).toEqual([]);
  });
});

describe("webhooks", () => {
  test("are counted by name and outcome, and what waits for them by state", async () => {
    const receiver = fastify();
    let status = 500;
    receiver.post("/hook", async (_request, reply) => reply.code(status).send());
    const url = `${await receiver.listen({ host: "127.0.0.1", port: 0 })}/hook`;
    const secret = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
    bed = await Bed.open({ started: false, server: { webhooks: [{ name: "ops", url, secret }] } });
    await bed.service.start();
    await bed.write("a/one");
    await bed.service.register({ id: "u", sourceFolder: `${bed.root}/a`, bucket: BUCKET, mode: "once" });
    const outcome = (name: string) => ({ webhook: "ops", outcome: name });
    const refused = await scrapeUntil("bucketline_webhook_deliveries_total", 1, outcome("retrying"));
    expect(sampleValue(refused, "bucketline_webhook_delivery_duration_seconds_count", { webhook: "ops" })).toBe(1);
    const waiting = await scrapeUntil("bucketline_notices", 1, { state: "due", subscriber: "ops" });
    expect(sampleValue(waiting, "bucketline_notices", { state: "dead", subscriber: "ops" })).toBe(0);
    status = 410;
    await bed.write("b/one");
    await bed.service.register({ id: "v", sourceFolder: `${bed.root}/b`, bucket: BUCKET, mode: "once" });
    await scrapeUntil("bucketline_webhook_deliveries_total", 1, outcome("dead"));
    await scrapeUntil("bucketline_notices", 1, { state: "dead", subscriber: "ops" });
    await receiver.close();
  });
});

describe("series of uploads", () => {
  test("are those of a bounded number, the first registered; the sums have all", async () => {
    bed = await Bed.open({ server: { metrics: { uploads: 2 } } });
    await bed.write("a/one");
    for (const id of ["a", "b", "c"])
      await bed.service.register({
        ...{ id, sourceFolder: `${bed.root}/a`, bucket: BUCKET },
        ...(id === "a" && { schedule: 90_000 }),
      });
    const families = await scrapeUntil("bucketline_files", 3, { state: "uploaded" });
    const ids = families.get("bucketline_upload_files")?.samples.map(({ labels }) => labels.upload_id);
    expect(new Set(ids)).toEqual(new Set(["a", "b"]));
    expect(sampleValue(families, "bucketline_uploads_without_series")).toBe(1);
    expect(sampleValue(families, "bucketline_upload_scan_interval_seconds", { upload_id: "a" })).toBe(90);
    expect(sampleValue(families, "bucketline_upload_scan_interval_seconds", { upload_id: "b" })).toBe(60);
    expect(sampleValue(families, "bucketline_upload_scan_age_seconds", { upload_id: "a" })).toBeGreaterThanOrEqual(0);
    expect(sampleValue(families, "bucketline_oldest_scan_age_seconds")).toBeGreaterThanOrEqual(0);
    expect(sampleValue(families, "bucketline_watches", { state: "polling" })).toBe(3);
  });

  test("an upload that is over, paused or scanned by hand has no scan age", async () => {
    bed = await Bed.open();
    await bed.write("a/one");
    const shared = { sourceFolder: `${bed.root}/a`, bucket: BUCKET };
    await bed.service.register({ id: "over", ...shared, mode: "once" });
    await bed.service.register({ id: "paused", ...shared });
    await bed.service.register({ id: "manual", ...shared, schedule: "manual" });
    await bed.service.finished("over");
    await bed.service.finished("paused");
    await bed.service.pause("paused");
    const families = await scrapeUntil("bucketline_uploads", 1, { state: "paused" });
    const of = (name: string) =>
      new Set(families.get(`bucketline_${name}`)?.samples.map(({ labels }) => labels.upload_id));
    expect(of("upload_files")).toEqual(new Set(["paused", "manual"]));
    expect(of("upload_scan_age_seconds")).toEqual(new Set());
    expect(families.get("bucketline_oldest_scan_age_seconds")?.samples).toEqual([]);
  });

  test("a number that is none is refused", async () => {
    bed = await Bed.open();
    for (const uploads of [-1, 1.5, Number.NaN]) {
      const opening = createServer({ service: bed.service, port: 0, metrics: { uploads } });
      await expect(opening).rejects.toMatchObject({ code: "INVALID_OPTION" });
    }
  });
});

describe("requests", () => {
  test("are counted by pattern, method and status, whatever clients write", async () => {
    bed = await Bed.open();
    for (const id of ["x", "y", "z"]) await bed.call(`/api/v1/uploads/${id}`);
    await bed.call("/uploads/x/");
    await bed.call("/no/such/page");
    await bed.call("/nor/this/one");
    await bed.call("/uploads/x", { method: "PURGE" });
    await bed.call("/api/v1/uploads", { body: {} });
    const families = await scrape();
    const counted = families.get("bucketline_http_requests_total")?.samples ?? [];
    const of = (method: string, route: string) =>
      counted.filter(({ labels }) => labels.method === method && labels.route === route);
    expect(of("GET", "/api/v1/uploads/:upload_id")).toMatchObject([{ labels: { status: "404" }, value: 3 }]);
    expect(of("GET", "/uploads/:upload_id")).toMatchObject([{ labels: { status: "404" }, value: 1 }]);
    expect(of("GET", "none")).toMatchObject([{ labels: { status: "404" }, value: 2 }]);
    expect(of("POST", "/api/v1/uploads")).toMatchObject([{ labels: { status: "400" }, value: 1 }]);
    for (const { labels } of counted) expect(labels.route).toMatch(/^(none|\/[\w/:.*-]*)$/);
    const durations = families.get("bucketline_http_request_duration_seconds");
    expect(durations?.samples.some(({ labels }) => labels.route === "/api/v1/uploads/:upload_id")).toBe(true);
  });

  test("refusals are counted, too, and event streams apart", async () => {
    bed = await Bed.open({ server: { auth: AUTH } });
    await bed.call("/uploads");
    const cut = new AbortController();
    const headers = { authorization: `Bearer ${READER}` };
    const stream = await fetch(`${bed.url}/events`, { headers, signal: cut.signal });
    const reader = stream.body?.getReader();
    await reader?.read();
    const open = await scrape(headers);
    expect(
      sampleValue(open, "bucketline_http_requests_total", { method: "GET", route: "/uploads", status: "401" }),
    ).toBe(1);
    expect(sampleValue(open, "bucketline_event_streams")).toBe(1);
    cut.abort();
    await reader?.read().catch(() => {});
    const streams = async () => sampleValue(await scrape(headers), "bucketline_event_streams");
    await expect.poll(streams, { timeout: 10_000, interval: 200 }).toBe(0);
    const after = await scrape(headers);
    expect(
      sampleValue(after, "bucketline_http_requests_total", { method: "GET", route: "/events", status: "200" }),
    ).toBe(1);
    const durations = after.get("bucketline_http_request_duration_seconds")?.samples ?? [];
    expect(durations.filter(({ labels }) => labels.route === "/events")).toEqual([]);
  });
});

describe("a scrape", () => {
  test("needs the scope read when auth is on", async () => {
    bed = await Bed.open({ server: { auth: AUTH } });
    expect((await bed.call("/metrics")).status).toBe(401);
    for (const token of [READER, ADMIN]) expect((await bed.call("/metrics", { token })).status).toBe(200);
  });

  test("is OpenMetrics for those that ask for it, with the same values", async () => {
    await run();
    const plain = await bed.call("/metrics");
    expect(plain.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const prometheus = `${OPEN};q=0.8,application/openmetrics-text;version=0.0.1;q=0.7,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`;
    const open = await bed.call("/metrics", { headers: { accept: prometheus } });
    expect(open.headers.get("content-type")).toBe(`${OPEN}; charset=utf-8`);
    const families = parseExposition(open.text, true);
    expect(families.get("bucketline_files_uploaded")?.type).toBe("counter");
    expect(sampleValue(families, "bucketline_files_uploaded_total")).toBe(4);
    expect(parseExposition((await bed.call("/metrics")).text).has("bucketline_files_uploaded_total")).toBe(true);
    for (const accept of ["*/*", "text/plain", "text/html,*/*;q=0.8", `text/plain;q=0.9,${OPEN};q=0.2`, `${OPEN};q=0`])
      expect((await bed.call("/metrics", { headers: { accept } })).headers.get("content-type")).toContain("text/plain");
  });

  test("reads the ledger once for all who ask at once, and page by page, never the files", async () => {
    const fallible = await fallibleBed();
    ({ bed } = fallible);
    await bed.write("a/one");
    await bed.service.register({ id: "u", sourceFolder: `${bed.root}/a`, bucket: BUCKET, mode: "once" });
    await bed.service.finished("u");
    const times = Number.POSITIVE_INFINITY;
    const pass = { times, run: ({ proceed }: { proceed: () => unknown }) => proceed() };
    const counters = fallible.state.inject({ method: "counters", ...pass });
    const files = fallible.state.inject({ method: "listFiles", ...pass });
    await Promise.all(Array.from({ length: 20 }, () => scrape()));
    expect(counters.fired).toBeGreaterThan(0);
    expect(counters.fired).toBeLessThan(10);
    expect(files.fired).toBe(0);
  });

  test("goes on without a ledger that hangs, and says so", async () => {
    const fallible = await fallibleBed();
    ({ bed } = fallible);
    const times = Number.POSITIVE_INFINITY;
    const hang = fallible.state.inject({ method: "listUploads", times, hang: "before" });
    const families = await scrape();
    expect(sampleValue(families, "bucketline_store_up")).toBe(0);
    expect(sampleValue(families, "bucketline_ready")).toBe(0);
    expect(families.get("bucketline_queue_files")?.samples).toEqual([]);
    expect(families.get("bucketline_uploads")?.samples).toEqual([]);
    expect(sampleValue(families, "bucketline_files_in_flight")).toBe(0);
    hang.remove();
  });

  test("leaves no listener behind when its server has closed, or never listened", async () => {
    bed = await Bed.open();
    const { service } = bed;
    const heard = new Map<string, Set<unknown>>();
    const listenersOf = (name: string) => {
      const listeners = heard.get(name) ?? new Set();
      heard.set(name, listeners);
      return listeners;
    };
    const { on, off } = service;
    const watched = {
      on: (name: never, listener: never) => {
        listenersOf(name).add(listener);
        return on(name, listener);
      },
      off: (name: never, listener: never) => {
        listenersOf(name).delete(listener);
        return off(name, listener);
      },
    };
    Object.assign(service, watched);
    const other = await createServer({ service, port: 0 });
    expect(heard.get("file:uploaded")?.size).toBe(1);
    await other.close();
    const opening = createServer({ service, port: Number(new URL(bed.url).port) });
    await expect(opening).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect([...heard].filter(([, left]) => left.size > 0)).toEqual([]);
  });
});
