import { createHash } from "node:crypto";
import { systemClock, UploadService } from "@bucketline/core";
import { MemoryStateStore } from "@bucketline/core/testing";
import { afterEach, expect, test } from "vitest";
import { IdempotencyKeys, scopedKey, uploadIdOf } from "../src/idempotency.ts";
import { createServer } from "../src/index.ts";
import { Bed, BUCKET } from "./support/bed.ts";

let bed: Bed;
afterEach(() => bed?.close());

const keyed = (key: string, settings = {}, token?: string) =>
  bed.call("/api/v1/uploads", {
    body: { source_folder: bed.root, destination_bucket: BUCKET, mode: "once", ...settings },
    headers: { "idempotency-key": key },
    ...(token === undefined ? {} : { token }),
  });

const conflict = { status: 409, body: { code: "IDEMPOTENCY_CONFLICT" } };

test("the same request with the same key creates one upload, whatever the order of its fields", async () => {
  bed = await Bed.open();
  const first = await keyed("k1");
  expect(first).toMatchObject({ status: 201, body: { status: "created" } });
  const again = await keyed("k1");
  expect(again).toMatchObject({ status: 200, body: { upload_id: first.body.upload_id, status: "exists" } });
  const body = `{"mode":"once","destination_bucket":"${BUCKET}","source_folder":${JSON.stringify(bed.root)}}`;
  const reordered = await bed.call("/uploads", { body, headers: { "idempotency-key": "k1" } });
  expect(reordered.body.upload_id).toBe(first.body.upload_id);
  expect((await keyed("k2")).body.upload_id).not.toBe(first.body.upload_id);
});

test("several requests with one key at once create one upload", async () => {
  bed = await Bed.open();
  const answers = await Promise.all(Array.from({ length: 6 }, () => keyed("k")));
  expect(new Set(answers.map(({ body }) => body.upload_id)).size).toBe(1);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
});

test("another request with the same key is refused, even when only what can be adjusted differs", async () => {
  bed = await Bed.open();
  await keyed("k");
  expect(await keyed("k", { pattern: "*.txt" })).toMatchObject(conflict);
  expect(await keyed("k", { priority: 1 })).toMatchObject(conflict);
  await keyed("named", { upload_id: "a" });
  expect(await keyed("named", { upload_id: "b" })).toMatchObject(conflict);
  expect((await bed.call("/uploads/b")).status).toBe(404);
});

test("a request that was refused does not use up its key", async () => {
  bed = await Bed.open();
  expect((await keyed("k", { pattern: "[" })).status).toBe(422);
  expect((await keyed("k")).status).toBe(201);
});

test("a key that no header can carry, or that is too long, is refused", async () => {
  bed = await Bed.open();
  expect((await keyed("k".repeat(255))).status).toBe(201);
  expect(await keyed("k".repeat(256))).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
  expect((await keyed("")).status).toBe(400);
});

test("keys of two clients are two keys", async () => {
  const token = (name: string) => `token-of-${name}-0123456789abcdef`;
  const tokens = ["a", "b"].map((name) => ({
    name,
    sha256: createHash("sha256").update(token(name)).digest("hex"),
    scopes: ["admin"] as const,
  }));
  bed = await Bed.open({ server: { auth: { tokens } } });
  const a = await keyed("k", {}, token("a"));
  const b = await keyed("k", { pattern: "*.txt" }, token("b"));
  expect([a.status, b.status]).toEqual([201, 201]);
  expect(a.body.upload_id).not.toBe(b.body.upload_id);
});

test("after a restart the same request finds its upload, and another one is refused", async () => {
  bed = await Bed.open();
  const first = await keyed("k");
  const service = new UploadService({
    state: new MemoryStateStore({ clock: systemClock, state: bed.ledger }),
    objects: bed.objects,
    allowedRoots: [bed.root],
  });
  const server = await createServer({ service, port: 0 });
  try {
    const post = async (settings: object) => {
      const body = JSON.stringify({ source_folder: bed.root, destination_bucket: BUCKET, mode: "once", ...settings });
      const headers = { "content-type": "application/json", "idempotency-key": "k" };
      const response = await fetch(`${server.url}/uploads`, { method: "POST", body, headers });
      return { status: response.status, body: await response.json() };
    };
    expect(await post({})).toEqual({ status: 200, body: { upload_id: first.body.upload_id, status: "exists" } });
    expect(await post({ pattern: "*.txt" })).toMatchObject(conflict);
  } finally {
    await server.close();
    await service.stop();
  }
});

test("ids that come from keys are UUIDs of version 8", () => {
  const id = uploadIdOf(scopedKey(null, "k"));
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uploadIdOf(scopedKey(null, "k"))).toBe(id);
  const named = { name: "k", scopes: [], expiresAt: null };
  expect(uploadIdOf(scopedKey(named, "k"))).not.toBe(id);
});

test("the newest keys are remembered, and no more than a bounded number", () => {
  const keys = new IdempotencyKeys();
  for (let n = 0; n <= 10_000; n++) keys.remember(`key ${n}`, { n });
  expect(() => keys.refuseReuse("key 0", "another")).not.toThrow();
  expect(() => keys.refuseReuse("key 1", "another")).toThrow(/Idempotency-Key/);
});
