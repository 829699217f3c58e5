import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { LOG_REDACTION } from "../../src/index.ts";
import { Bed, BUCKET } from "../support/bed.ts";
import { ADMIN, AUTH, READER, WRONG } from "../support/credentials.ts";

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly route?: string;
  readonly status?: number;
  readonly reqId?: string;
  readonly caller?: string | null;
  readonly [field: string]: unknown;
}

let bed: Bed;
afterEach(async () => {
  await bed.close();
});

const INFO = 30;
const DEBUG = 20;
const WARN = 40;

/** A bed whose server, and whose service, log into a list. */
async function logging(level = "debug"): Promise<Line[]> {
  const lines: Line[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const logger = pino({ level, redact: LOG_REDACTION }, destination);
  bed = await Bed.open({ server: { auth: AUTH, logger }, service: { logger } });
  return lines;
}

const requests = (lines: readonly Line[]) => lines.filter(({ msg }) => msg === "request");

/** Lines come once the connection's last byte is out, which the client may be faster than. */
async function requestsOf(lines: readonly Line[], count: number): Promise<Line[]> {
  await expect.poll(() => requests(lines).length, { timeout: 10_000, interval: 10 }).toBe(count);
  return requests(lines);
}

describe("the log of requests", () => {
  test("has one line for each, with its id, route, status, time and caller", async () => {
    const lines = await logging();
    const { headers } = await bed.call("/api/v1/uploads", { token: READER });
    await bed.call("/api/v1/uploads/none", { token: ADMIN, headers: { "x-request-id": "mine-1" } });
    await bed.call("/api/v1/uploads");
    const [listed, missing, refused] = await requestsOf(lines, 3);
    expect(listed).toMatchObject({
      level: INFO,
      method: "GET",
      route: "/api/v1/uploads",
      path: "/api/v1/uploads",
      status: 200,
      ms: expect.any(Number),
      caller: "viewer",
      address: "127.0.0.1",
      reqId: headers.get("x-request-id"),
    });
    expect(missing).toMatchObject({ route: "/api/v1/uploads/:upload_id", status: 404, caller: "ops", reqId: "mine-1" });
    expect(refused).toMatchObject({ status: 401, caller: null });
    expect(lines.filter(({ reqId }) => reqId === listed?.reqId)).toHaveLength(1);
  });

  test("has probes that go well at debug level only", async () => {
    const lines = await logging();
    await bed.call("/health");
    await bed.call("/ready");
    await bed.call("/metrics", { token: READER });
    await bed.call("/metrics");
    expect((await requestsOf(lines, 4)).map(({ route, level }) => [route, level])).toEqual([
      ["/health", DEBUG],
      ["/ready", DEBUG],
      ["/metrics", DEBUG],
      ["/metrics", INFO],
    ]);
  });

  test("says of a failure what was answered, and why", async () => {
    const lines = await logging();
    await bed.service.stop();
    await bed.call("/api/v1/uploads", { token: READER });
    const [line] = await requestsOf(lines, 1);
    expect(line).toMatchObject({ level: WARN, status: 503 });
    expect(lines.find(({ reqId, err }) => reqId === line?.reqId && err !== undefined)).toBeDefined();
  });

  test("never holds a credential, a query, or lines that a client makes up", async () => {
    const lines = await logging("trace");
    await bed.call(`/api/v1/uploads?state=PENDING&token=${WRONG}`, { token: ADMIN });
    await bed.call("/api/v1/uploads", { token: WRONG, headers: { cookie: `bucketline_session=${WRONG}` } });
    const { headers } = await bed.call("/session", { body: { token: ADMIN } });
    const cookie = String(headers.get("set-cookie")).split(";", 1)[0] ?? "";
    await bed.call("/session", { headers: { cookie } });
    await bed.call("/uploads/%0a%7b%22level%22:60%7d", { token: READER, headers: { "x-request-id": 'a"b{}' } });
    await requestsOf(lines, 5);
    const text = JSON.stringify(lines);
    for (const secret of [ADMIN, READER, WRONG, cookie.split("=")[1] ?? "none"]) expect(text).not.toContain(secret);
    expect(text).not.toContain("state=PENDING");
    expect(text).not.toContain('a\\"b{}');
    expect(lines.every(({ level }) => level < 60)).toBe(true);
  });
});

test("a logger that is shared tells each thing once", async () => {
  const lines = await logging();
  await bed.write("a/one");
  await bed.service.register({ id: "u", sourceFolder: `${bed.root}/a`, bucket: BUCKET, mode: "once" });
  await bed.service.finished("u");
  await bed.call("/uploads/u", { token: READER });
  await requestsOf(lines, 1);
  expect(lines.filter(({ msg, uploadId }) => msg === "upload:completed" && uploadId === "u")).toHaveLength(1);
});
