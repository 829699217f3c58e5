import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ObjectStoreError } from "../src/index.ts";
import type { FaultedCall } from "../src/testing/index.ts";
import { BUCKET, type Process, World } from "./support/bed.ts";
import { fill, register } from "./support/folders.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const MINUTE = 60_000;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

/** Bytes of bodies that leave the process, by upload; each request takes 5 ms. */
function meter(process: Process): (id?: string) => number {
  const sent: { id: string; bytes: number }[] = [];
  const run = async ({ args, proceed }: FaultedCall) => {
    const [{ key, body }] = args as [{ key: string; body: Uint8Array }];
    sent.push({ id: key.split("/")[0] ?? "", bytes: body.length });
    await world.clock.sleep(5);
    return await proceed();
  };
  process.objects.inject({ method: "putObject", times: ALWAYS, run });
  process.objects.inject({ method: "uploadPart", times: ALWAYS, run });
  return (id) => sent.reduce((sum, one) => sum + (id === undefined || one.id === id ? one.bytes : 0), 0);
}

const failure = () =>
  new ObjectStoreError({ kind: "transient", operation: "uploadPart", bucket: BUCKET }, "made to fail");

describe("a bandwidth limit", () => {
  test.each([
    ["small files", 3_000, 20],
    ["files in parts", 30, 2_000],
  ])("of an upload, with %s: bytes per second over a minute", async (_, count, size) => {
    fill(world, "u", count, size);
    const process = world.boot({ chunkSize: 50 });
    const sent = meter(process);
    await process.service.start();
    await register(process, "u", { bandwidthLimit: 500 });
    await world.until(() => sent() > 0);
    await world.clock.advance(MINUTE);
    expect(sent() / 60 / 500).toBeGreaterThan(0.97);
    expect(sent() / 60 / 500).toBeLessThan(1.03);
  });

  test("of the service is shared by its uploads", async () => {
    fill(world, "one", 2_000, 20);
    fill(world, "two", 20, 2_000);
    const process = world.boot({ chunkSize: 20, bandwidthLimit: 400 });
    const sent = meter(process);
    await process.service.start();
    await register(process, "one");
    await register(process, "two");
    await world.until(() => sent("one") > 0 && sent("two") > 0);
    const before = sent();
    await world.clock.advance(MINUTE);
    expect((sent() - before) / 60 / 400).toBeGreaterThan(0.95);
    expect((sent() - before) / 60 / 400).toBeLessThan(1.05);
    expect(sent("one") / sent("two")).toBeGreaterThan(0.8);
    expect(sent("one") / sent("two")).toBeLessThan(1.25);
  });

  test("much below a body per second still lets bodies go, and no request runs out of time", async () => {
    fill(world, "u", 3, 1_000);
    const process = world.boot({ chunkSize: 1_000, requestTimeout: 1_000, lease: 3_000 });
    meter(process);
    const since = world.clock.monotonic();
    await process.service.start();
    await register(process, "u", { bandwidthLimit: 10 });
    await world.until(process.service.finished("u"));
    expect(world.clock.monotonic() - since).toBeGreaterThan(199_000);
    expect(process.calls("putObject")).toBe(3);
    expect([process.named("file:retrying"), process.named("warning")]).toEqual([[], []]);
  });

  test("does not hold up other uploads: what waits for it takes no place", async () => {
    fill(world, "limited", 10, 1_000);
    fill(world, "free", 100, 10);
    const process = world.boot({ concurrency: 2, chunkSize: 500 });
    meter(process);
    await process.service.start();
    await register(process, "limited", { bandwidthLimit: 10 });
    await world.until(() => process.named("file:started").length === 2);
    await world.clock.advance(3_000);
    const since = world.clock.monotonic();
    await register(process, "free");
    await world.until(process.service.finished("free"));
    // Two at a time, 5 ms each.
    expect(world.clock.monotonic() - since).toBeLessThan(1_000);
  });

  test("takes no memory while it makes bodies wait", async () => {
    fill(world, "limited", 10, 4_096 * 4);
    fill(world, "free", 10, 4_096);
    const process = world.boot({ concurrency: 4, chunkSize: 4_096, memoryLimit: 4_096 });
    meter(process);
    await process.service.start();
    await register(process, "limited", { bandwidthLimit: 1 });
    await world.until(() => process.named("file:started").length > 0);
    await register(process, "free");
    await world.until(process.service.finished("free"));
  });

  test("counts what is sent again", async () => {
    fill(world, "u", 1, 4_000);
    const process = world.boot({ chunkSize: 1_000, partConcurrency: 1 });
    const part = process.objects.inject({ method: "uploadPart", nth: 1, times: 2, after: failure });
    meter(process);
    const since = world.clock.monotonic();
    await process.service.start();
    await register(process, "u", { bandwidthLimit: 1_000 });
    await world.until(process.service.finished("u"));
    expect(part.fired).toBe(2);
    // Six bodies, of which one is paid for beforehand and one afterwards.
    expect(world.clock.monotonic() - since).toBeGreaterThan(3_900);
  });

  test.each([
    ["the service's", (process: Process) => process.service.setLimits({ bandwidthLimit: null })],
    ["the upload's", (process: Process) => process.service.adjust("u", { bandwidthLimit: null })],
  ])("that is lifted wakes what waits: %s", async (_, lift) => {
    fill(world, "u", 10, 1_000);
    const process = world.boot({ bandwidthLimit: _ === "the service's" ? 1 : 1e9, chunkSize: 500 });
    await process.service.start();
    await register(process, "u", _ === "the service's" ? {} : { bandwidthLimit: 1 });
    await world.clock.advance(MINUTE);
    expect(process.named("file:uploaded")).toEqual([]);
    await lift(process);
    const since = world.clock.monotonic();
    await world.until(process.service.finished("u"));
    expect(world.clock.monotonic() - since).toBeLessThan(1_000);
  });

  test.each(["pause", "cancel", "stop"] as const)("does not stand in the way of %s", async (command) => {
    fill(world, "u", 4, 4_000);
    const process = world.boot({ chunkSize: 1_000 });
    await process.service.start();
    await register(process, "u", { bandwidthLimit: 1 });
    await world.until(() => process.named("file:started").length > 1);
    await world.clock.advance(1_000);
    const since = world.clock.monotonic();
    const end: Promise<unknown> = command === "stop" ? process.service.stop() : process.service[command]("u");
    await world.until(end);
    expect(world.clock.monotonic() - since).toBeLessThan(100);
    const files = [...(world.ledger.files.get("u")?.after(undefined) ?? [])];
    expect(files.map(({ owner }) => owner)).toEqual([null, null, null, null]);
    if (command !== "cancel") expect(files.map(({ state }) => state)).toEqual(Array(4).fill("PENDING"));
  });

  test("a restart or a pause is no way round it", async () => {
    fill(world, "u", 20, 1_000);
    const process = world.boot({ chunkSize: 1_000 });
    const sent = meter(process);
    await process.service.start();
    await register(process, "u", { bandwidthLimit: 10 });
    await world.until(() => sent() > 0);
    for (let n = 0; n < 10; n++) {
      await world.until(process.service.pause("u"));
      await process.service.resume("u");
      await world.clock.advance(1_000);
    }
    expect(sent()).toBe(1_000);
  });
});
