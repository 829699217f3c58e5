import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type ObjectStore, ObjectStoreError, systemClock } from "@bucketline/core";
import { faulty, MemoryBuckets, MemoryObjectStore } from "@bucketline/core/testing";
import { afterEach, describe, expect, test } from "vitest";
import { Bed, BUCKET } from "./support/bed.ts";

let bed: Bed;
afterEach(() => bed?.close());

const post = (path: string, body?: unknown) =>
  bed.call(`/api/v1/uploads/${path}`, body === undefined ? { method: "POST" } : { body });
const problem = (status: number, code: string) => ({ status, body: { code } });

/** A bucket whose calls of one method can be made to fail or to hang. */
function faultyObjects() {
  const buckets = new MemoryBuckets();
  buckets.create(BUCKET);
  const objects = new MemoryObjectStore({ state: buckets, clock: systemClock, capabilities: { minPartSize: 1 } });
  return faulty<ObjectStore>(objects, [], { clock: systemClock });
}

describe("pause and resume", () => {
  test("stop and go on", async () => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "u", mode: "watch" });
    const paused = await post("u/pause");
    expect(paused).toMatchObject({ status: 200, body: { state: "PAUSED", status: "active" } });
    expect(await post("u/pause")).toMatchObject(problem(409, "INVALID_TRANSITION"));
    expect(await post("u/check", {})).toMatchObject(problem(409, "INVALID_TRANSITION"));
    const resumed = await post("u/resume");
    expect(resumed.headers.get("etag")).not.toBe(paused.headers.get("etag"));
    expect(await post("nobody/pause")).toMatchObject(problem(404, "UPLOAD_NOT_FOUND"));
  });
});

describe("retry", () => {
  test("queues failed files again, and says how many", async () => {
    const objects = faultyObjects();
    const denied = new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET }, "no");
    objects.inject({ method: "putObject", times: 2, before: denied });
    bed = await Bed.open({ service: { objects: objects.port } });
    await bed.write("a");
    await bed.write("b");
    await bed.create("", { upload_id: "u" });
    await expect(bed.service.finished("u")).rejects.toThrow();
    expect(await post("u/retry")).toEqual(expect.objectContaining({ status: 200, body: { upload_id: "u", files: 2 } }));
    await bed.service.finished("u");
    expect(await post("u/retry")).toMatchObject({ body: { files: 0 } });
    expect(await post("nobody/retry")).toMatchObject(problem(404, "UPLOAD_NOT_FOUND"));
  });
});

describe("check", () => {
  test("waits for the scan when asked to, and answers at once otherwise", async () => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "u", mode: "watch", schedule: "manual" });
    await bed.write("late");
    const waited = await post("u/check", { wait: true });
    expect(waited).toMatchObject({ status: 200, body: { upload_id: "u", scan: { complete: true, seen: 1 } } });
    expect(await post("u/check")).toMatchObject({ status: 202, body: { upload_id: "u", status: "started" } });
    expect((await bed.call("/uploads/u")).body).toMatchObject({ last_scan: { seen: 1 }, watch: { state: "polling" } });
  });

  test("says so when the folder cannot be read", async () => {
    bed = await Bed.open();
    await bed.write("gone/a");
    await bed.create("gone", { upload_id: "u", mode: "watch", schedule: "manual" });
    await post("u/check", { wait: true });
    await rm(join(bed.root, "gone"), { recursive: true });
    expect(await post("u/check", { wait: true })).toMatchObject({ status: 200, body: { scan: null } });
    expect((await bed.call("/uploads/u")).body.reason).toMatchObject({ code: "SOURCE_NOT_FOUND" });
  });

  test.each([{}, { wait: true }])("is refused at once when it cannot be done: %j", async (body) => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "u" });
    await bed.call("/uploads/u", { method: "DELETE" });
    expect(await post("u/check", body)).toMatchObject(problem(409, "UPLOAD_CANCELLED"));
    expect(await post("nobody/check", body)).toMatchObject(problem(404, "UPLOAD_NOT_FOUND"));
    await bed.create("", { upload_id: "far", host: "elsewhere" });
    expect(await post("far/check", body)).toMatchObject(problem(409, "UPLOAD_ELSEWHERE"));
    expect(await post("u/check", { ...body, now: true })).toMatchObject(problem(400, "INVALID_REQUEST"));
  });

  test("needs a service that is started", async () => {
    bed = await Bed.open({ started: false });
    await bed.create("", { upload_id: "u" });
    const refused = await post("u/check", {});
    expect(refused).toMatchObject(problem(503, "SERVICE_NOT_STARTED"));
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
  });
});

describe("plan", () => {
  test("of a new upload says what would be done, and registers nothing", async () => {
    bed = await Bed.open();
    for (let n = 0; n < 5; n++) await bed.write(`f${n}`, "12");
    const body = { source_folder: bed.root, destination_bucket: BUCKET, mode: "once", upload_id: "new" };
    const planned = await bed.call("/uploads/plan?limit=2", { body });
    expect(planned).toMatchObject({
      status: 200,
      body: {
        upload_id: "new",
        truncated: true,
        items: [{ action: "upload", cause: "new", path: "f0", key: "new/f0", size: 2 }, { path: "f1" }],
        totals: { actions: { upload: { files: 5, bytes: 10 }, unchanged: { files: 0, bytes: 0 } }, complete: true },
      },
    });
    expect(planned.body.items).toHaveLength(2);
    expect((await bed.call("/uploads")).body.uploads).toEqual([]);
  });

  test("of an upload says what a scan would do", async () => {
    bed = await Bed.open();
    await bed.write("a", "1");
    await bed.create("", { upload_id: "u", mode: "once" });
    await bed.service.finished("u");
    await bed.write("b", "22");
    const planned = await post("u/plan");
    expect(planned.body).toMatchObject({
      truncated: false,
      items: [
        { action: "unchanged", path: "a" },
        { action: "upload", path: "b" },
      ],
    });
    expect((await post("u/plan", { limit: 0 })).body).toMatchObject({
      items: [],
      truncated: true,
      totals: { complete: true },
    });
    expect(await post("u/plan", { limit: 1001 })).toMatchObject(problem(400, "INVALID_REQUEST"));
    expect(await post("nobody/plan")).toMatchObject(problem(404, "UPLOAD_NOT_FOUND"));
    const foreign = { source_folder: "/", destination_bucket: BUCKET };
    expect(await bed.call("/uploads/plan", { body: foreign })).toMatchObject(problem(403, "SOURCE_NOT_ALLOWED"));
  });
});

describe("verify", () => {
  test("finds what is missing, and sends it again when asked to", async () => {
    bed = await Bed.open();
    await bed.write("a");
    await bed.write("b");
    await bed.create("", { upload_id: "u" });
    await bed.service.finished("u");
    bed.buckets.get(BUCKET)?.objects.delete("u/a");
    const found = await post("u/verify", { limit: 5 });
    expect(found).toMatchObject({
      status: 200,
      body: { checked_files: 2, missing: 1, requeued: 0, truncated: false, findings: [{ kind: "missing", path: "a" }] },
    });
    expect((await post("u/verify", { limit: 0 })).body).toMatchObject({ missing: 1, findings: [], truncated: true });
    expect((await post("u/verify", { repair: true })).body).toMatchObject({ missing: 1, requeued: 1 });
    await bed.service.finished("u");
    expect((await post("u/verify", { deep: true })).body).toMatchObject({ missing: 0, different: 0, extra: 0 });
  });
});

describe("a client that goes away", () => {
  test("ends its waiting for a scan", async () => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "u", mode: "watch" });
    const waiting = new Promise<AbortSignal>((resolve) => {
      bed.service.check = (_id, { signal } = {}) => {
        if (signal) resolve(signal);
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      };
    });
    const client = new AbortController();
    const answer = bed.call("/uploads/u/check", { body: { wait: true }, signal: client.signal });
    const signal = await waiting;
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    client.abort();
    await expect(answer).rejects.toThrow();
    await aborted;
  });

  test.each([
    ["verify", { deep: true }, "headObject"],
    ["plan", { ask_bucket: true }, "headObject"],
  ] as const)("ends %s", async (action, body, method) => {
    const objects = faultyObjects();
    bed = await Bed.open({ service: { objects: objects.port } });
    await bed.write("a");
    await bed.create("", { upload_id: "u" });
    await bed.service.finished("u");
    await bed.write("b");
    let tell: (signal: AbortSignal) => void = () => {};
    const asked = new Promise<AbortSignal>((resolve) => {
      tell = resolve;
    });
    const hang = ({ args }: { args: readonly unknown[] }) => {
      const { signal } = args[0] as { signal: AbortSignal };
      tell(signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    objects.inject({ method, times: Number.POSITIVE_INFINITY, run: hang });
    const client = new AbortController();
    const answer = bed.call(`/uploads/u/${action}`, { body, signal: client.signal });
    const signal = await asked;
    expect(signal.aborted).toBe(false);
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    client.abort();
    await expect(answer).rejects.toThrow();
    await aborted;
  });
});
