import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ObjectStoreError, type RegisterOptions } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

let world: World;
let process: Process;
beforeEach(() => {
  world = new World();
  process = world.boot({ owner: "me", host: "here" });
});
afterEach(async () => {
  await world.end();
});

const register = (id: string, options: Partial<RegisterOptions> = {}) =>
  process.service.register({ id, sourceFolder: SOURCE, bucket: BUCKET, ...options });
const probe = (options = {}) => world.until(process.service.probe(options));
const down = () => new ObjectStoreError({ kind: "transient", operation: "checkBucket", bucket: BUCKET }, "down");
const denied = () => new ObjectStoreError({ kind: "denied", operation: "checkBucket", bucket: BUCKET }, "no");
const forever = { times: Number.POSITIVE_INFINITY } as const;

describe("probe", () => {
  test("says of a service at work that all is well, in plain JSON", async () => {
    await register("u");
    await process.service.start();
    await world.until(process.service.finished("u"));
    const health = await probe();
    expect(JSON.parse(JSON.stringify(health))).toEqual(health);
    const scan = (await process.service.get("u")).lastScan;
    expect(health).toEqual({
      started: true,
      stopping: false,
      owner: expect.stringMatching(/^me#/),
      host: "here",
      store: { ok: true, reason: null },
      lease: { valid: true, ageMs: expect.any(Number) },
      buckets: [{ bucket: BUCKET, ok: true, reason: null }],
      monitor: { alive: true, watched: 1, scanning: 0, lastScanAt: scan?.finishedAt, intervalMs: expect.any(Number) },
      inFlight: 0,
      concurrency: { current: 5, limit: 5 },
    });
  });

  test("works before the start, and says so", async () => {
    await register("u");
    expect(await probe()).toMatchObject({
      started: false,
      stopping: false,
      store: { ok: true },
      lease: { valid: false, ageMs: null },
      buckets: [{ bucket: BUCKET, ok: true }],
      monitor: { alive: false, watched: 0, lastScanAt: null },
    });
  });

  test("works after the stop, and says so", async () => {
    await register("u");
    await process.service.start();
    await world.until(process.service.stop());
    expect(await probe()).toMatchObject({
      started: false,
      stopping: true,
      store: { ok: false, reason: { code: "SERVICE_STOPPED" } },
      lease: { valid: false },
      buckets: [],
      monitor: { alive: false },
    });
  });

  test("says that a ledger does not answer, in time", async () => {
    await register("u");
    const hanging = process.state.inject({ method: "listUploads", ...forever, hang: "before" });
    const begun = world.clock.monotonic();
    const health = await probe({ timeout: 300 });
    expect(world.clock.monotonic() - begun).toBeLessThan(400);
    const message = expect.stringContaining("300 ms");
    expect(health).toMatchObject({ store: { ok: false, reason: { code: "STATE_UNAVAILABLE", message } }, buckets: [] });
    hanging.remove();
    expect((await probe()).store.ok).toBe(true);
  });

  test("says what the ledger throws", async () => {
    await register("u");
    process.state.inject({ method: "listUploads", before: new Error("disk I/O error") });
    expect((await probe()).store).toEqual({ ok: false, reason: { code: "UNEXPECTED", message: "disk I/O error" } });
  });

  test("a ledger that cannot be opened", async () => {
    process.state.inject({ method: "open", ...forever, hang: "before" });
    expect((await probe({ timeout: 10 })).store.ok).toBe(false);
    process.kill();
  });

  test("asks each bucket once, all at once, and says which one does not answer, in time", async () => {
    for (const bucket of ["b1", "b2", "b3"]) world.buckets.create(bucket);
    for (const [n, bucket] of ["b1", "b2", "b3", "b1", "b3"].entries()) await register(`u${n}`, { bucket });
    const before = process.calls("checkBucket");
    const only = (name: string) => ({ when: ({ bucket }: { readonly bucket: string }) => bucket === name });
    process.objects.inject({ method: "checkBucket", ...forever, ...only("b1"), before: down });
    process.objects.inject({ method: "checkBucket", ...forever, ...only("b2"), hang: "before" });
    process.objects.inject({ method: "checkBucket", ...forever, ...only("b3"), delayMs: 800 });
    const begun = world.clock.monotonic();
    const { buckets } = await probe({ timeout: 1_000 });
    expect(world.clock.monotonic() - begun).toBeLessThan(1_200);
    expect(buckets).toEqual([
      { bucket: "b1", ok: false, reason: expect.objectContaining({ code: "STORE_UNAVAILABLE" }) },
      { bucket: "b2", ok: false, reason: expect.objectContaining({ message: expect.stringContaining("1000 ms") }) },
      { bucket: "b3", ok: true, reason: null },
    ]);
    expect(process.calls("checkBucket") - before).toBe(1);
  });

  test("a bucket that may not be asked answers all the same", async () => {
    await register("u");
    process.objects.inject({ method: "checkBucket", before: denied });
    expect((await probe()).buckets).toMatchObject([{ bucket: BUCKET, ok: true, reason: { code: "ACCESS_DENIED" } }]);
  });

  test("leaves out the buckets of uploads that are over, and asks twenty at most", async () => {
    for (let n = 0; n < 25; n++) world.buckets.create(`b${n}`);
    await register("done", { bucket: "b0", mode: "once" });
    await register("gone", { bucket: "b1" });
    await process.service.start();
    await world.until(process.service.finished("done"));
    await world.until(process.service.cancel("gone"));
    await register("watched", { bucket: "b2" });
    await world.until(process.service.finished("watched"));
    expect((await probe()).buckets.map(({ bucket }) => bucket)).toEqual(["b2"]);
    for (let n = 3; n < 25; n++) await world.until(register(`u${n}`, { bucket: `b${n}` }));
    expect((await probe()).buckets).toHaveLength(20);
  });

  test("ends with the caller's signal, and refuses a wrong timeout", async () => {
    await register("u");
    process.objects.inject({ method: "checkBucket", ...forever, hang: "before" });
    const giveUp = new AbortController();
    const asking = process.service.probe({ signal: giveUp.signal });
    giveUp.abort(new Error("enough"));
    await expect(world.until(asking)).rejects.toThrow("enough");
    await expect(process.service.probe({ signal: giveUp.signal })).rejects.toThrow("enough");
    await expect(process.service.probe({ timeout: 0 })).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });
});

describe("status", () => {
  test("asks nobody, and follows what is in flight", async () => {
    for (const name of ["a", "b", "c"]) world.write(name, "x");
    const held = process.objects.inject({ method: "putObject", ...forever, hang: "before" });
    await process.service.start();
    await register("u", { mode: "once" });
    await world.until(() => held.fired === 3);
    const calls = process.calls("checkBucket");
    expect(process.service.status()).toMatchObject({
      started: true,
      inFlight: 3,
      concurrency: { current: 5, limit: 5 },
    });
    expect(process.calls("checkBucket")).toBe(calls);
    held.remove();
    await world.until(process.service.pause("u"));
    expect(process.service.status()).toMatchObject({ inFlight: 0, monitor: { watched: 0 } });
  });

  test("shows a lease that nobody hears of: it grows old, and then is not valid", async () => {
    await process.service.start();
    expect(process.service.status().lease).toEqual({ valid: true, ageMs: 0 });
    process.state.inject({ method: "heartbeat", ...forever, hang: "before" });
    await world.clock.advance(20_000);
    expect(process.service.status().lease).toMatchObject({ valid: true });
    expect(process.service.status().lease.ageMs).toBeGreaterThan(9_000);
    await world.clock.advance(15_000);
    expect(process.service.status().lease).toMatchObject({ valid: false });
    process.kill();
  });

  test("shows a scan under way, and a store that asks to slow down", async () => {
    world.write("a", "x");
    let go = () => {};
    process.fileSystem.inject({
      method: "openRoot",
      nth: 2,
      run: ({ proceed }) => new Promise((resolve) => (go = () => resolve(proceed()))),
    });
    const slow = () => new ObjectStoreError({ kind: "throttled", operation: "putObject", bucket: BUCKET }, "slow down");
    process.objects.inject({ method: "putObject", before: slow });
    await process.service.start();
    await register("u", { mode: "once" });
    await world.clock.advance(100);
    expect(process.service.status().monitor).toMatchObject({ scanning: 1, lastScanAt: null });
    go();
    await world.until(process.service.finished("u"));
    expect(process.service.status().monitor).toMatchObject({ scanning: 0, lastScanAt: expect.any(Number) });
    expect(process.service.status().concurrency).toEqual({ current: 2, limit: 5 });
  });
});
