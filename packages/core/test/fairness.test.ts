import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SourceRoot } from "../src/index.ts";
import { type Process, World } from "./support/bed.ts";
import { fill, register } from "./support/folders.ts";
import { gate } from "./support/records.ts";

const ALWAYS = Number.POSITIVE_INFINITY;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

const uploaded = (process: Process, id: string) => process.named("file:uploaded").filter((one) => one.uploadId === id);
const started = (process: Process) => process.named("file:started").map((one) => one.uploadId);

/** Every request of the method takes so long. */
function slow(process: Process, method: "putObject" | "uploadPart", delayMs: number): void {
  const rule = { times: ALWAYS, delayMs } as const;
  process.objects.inject(method === "putObject" ? { method, ...rule } : { method, ...rule });
}

/** What `read` makes of each read of files in the folder of the upload. */
function onRead(process: Process, id: string, read: (proceed: () => Promise<number>) => Promise<number>): void {
  process.fileSystem.inject({
    method: "openRoot",
    times: ALWAYS,
    when: (path) => path.endsWith(`/${id}`),
    run: async ({ proceed }) => {
      const root = (await proceed()) as SourceRoot;
      const open: SourceRoot["open"] = async (path, options) => {
        const handle = await root.open(path, options);
        return {
          stat: () => handle.stat(),
          read: (target, position) => read(() => handle.read(target, position)),
          close: () => handle.close(),
        };
      };
      return {
        path: root.path,
        facts: root.facts,
        readFolder: (path: string) => root.readFolder(path),
        stat: (path: string, options?: object) => root.stat(path, options),
        open,
      };
    },
  });
}

describe("a tiny upload beside a huge one", () => {
  test("finishes after a few turns, whatever the other has waiting", async () => {
    fill(world, "huge", 2_000);
    fill(world, "tiny", 3);
    const process = world.boot();
    slow(process, "putObject", 100);
    await process.service.start();
    await register(process, "huge");
    await world.until(() => uploaded(process, "huge").length > 20);
    const before = uploaded(process, "huge").length;
    await register(process, "tiny");
    await world.until(process.service.finished("tiny"));
    // Five are in flight when it comes; it gets the next places that come free.
    expect(uploaded(process, "huge").length - before).toBeLessThanOrEqual(10);
    expect(uploaded(process, "huge").length).toBeLessThan(1_000);
  });

  test("does not wait for the end of huge files: they make room, and no part is sent twice", async () => {
    fill(world, "huge", 3, 8 * 60);
    fill(world, "tiny", 3);
    const process = world.boot({ concurrency: 2, partConcurrency: 2 });
    slow(process, "uploadPart", 1_000);
    await process.service.start();
    await register(process, "huge");
    await world.until(() => process.named("file:progress").length > 4);
    const since = world.clock.monotonic();
    await register(process, "tiny");
    await world.until(process.service.finished("tiny"));
    expect(world.clock.monotonic() - since).toBeLessThan(10_000);
    expect(uploaded(process, "huge")).toEqual([]);
    await world.until(process.service.finished("huge"));
    expect(process.calls("uploadPart")).toBe(3 * 60);
    expect(process.calls("createMultipart")).toBe(3);
  });

  test("and what made room goes on as soon as there is room again, while the others are still on their way", async () => {
    fill(world, "huge", 2, 8 * 100);
    fill(world, "other", 1, 8 * 100);
    fill(world, "tiny", 1);
    const process = world.boot({ concurrency: 3, partConcurrency: 1 });
    slow(process, "uploadPart", 1_000);
    await process.service.start();
    await register(process, "huge");
    // There is a place left, so that it is known that there are no more files.
    await world.until(() => process.named("file:progress").length > 1);
    await register(process, "other");
    await world.until(() => started(process).length === 3);
    await register(process, "tiny");
    await world.until(process.service.finished("tiny"));
    await world.clock.advance(1_000);
    expect(started(process)).toEqual(["huge", "huge", "other", "tiny", "huge"]);
  });

  test("and of two huge ones each gets its part", async () => {
    fill(world, "one", 2, 8 * 200);
    fill(world, "two", 2, 8 * 200);
    const process = world.boot({ concurrency: 2, partConcurrency: 1 });
    slow(process, "uploadPart", 500);
    await process.service.start();
    await register(process, "one");
    await world.until(() => process.named("file:progress").length > 2);
    await register(process, "two");
    await world.clock.advance(60_000);
    const parts = (id: string) => process.named("file:progress").filter((told) => told.uploadId === id).length;
    expect(parts("two") / parts("one")).toBeGreaterThan(0.7);
    // Whoever has its place keeps it: nobody is asked to make room for one that has as much.
    expect(started(process)).toHaveLength(3);
  });

  test("with a single place they take turns", async () => {
    fill(world, "huge", 1, 8 * 100);
    fill(world, "tiny", 1);
    const process = world.boot({ concurrency: 1, partConcurrency: 1 });
    slow(process, "uploadPart", 1_000);
    await process.service.start();
    await register(process, "huge");
    await world.until(() => process.named("file:progress").length > 2);
    await register(process, "tiny");
    await world.until(process.service.finished("tiny"), 10_000);
    expect(process.named("file:retrying")).toEqual([]);
    await world.until(process.service.finished("huge"));
    expect(process.calls("uploadPart")).toBe(100);
  });
});

describe("priorities", () => {
  test("the higher one first, then the equal ones in turn, then the lower one", async () => {
    for (const id of ["low", "high", "one", "two"]) fill(world, id, 20);
    fill(world, "first", 2);
    const process = world.boot({ concurrency: 2 });
    // All others are scanned before any of their files can be begun.
    const { promise: scanned, open } = gate();
    process.objects.inject({ method: "putObject", times: 2, run: ({ proceed }) => scanned.then(proceed) });
    slow(process, "putObject", 20);
    await process.service.start();
    await register(process, "first");
    await world.until(() => started(process).length === 2);
    await register(process, "low", { priority: -1 });
    await register(process, "one");
    await register(process, "two");
    await register(process, "high", { priority: 5 });
    await world.until(() => process.named("upload:scanned").length === 5);
    open();
    await world.until(process.service.finished("low"));
    const order = started(process).slice(2);
    expect(order.slice(0, 20)).toEqual(Array(20).fill("high"));
    expect(order.slice(60)).toEqual(Array(20).fill("low"));
    const middle = order.slice(20, 60);
    for (let n = 2; n <= 40; n += 2) {
      const ones = middle.slice(0, n).filter((id) => id === "one").length;
      expect(Math.abs(2 * ones - n)).toBeLessThanOrEqual(2);
    }
  });

  test("a huge file makes room for a higher one, and keeps its place before a lower one", async () => {
    fill(world, "huge", 1, 8 * 40);
    fill(world, "high", 3);
    fill(world, "low", 3);
    const process = world.boot({ concurrency: 1, partConcurrency: 1 });
    slow(process, "uploadPart", 1_000);
    await process.service.start();
    await register(process, "huge");
    await world.until(() => process.named("file:progress").length > 0);
    await register(process, "low", { priority: -1 });
    await register(process, "high", { priority: 1 });
    await world.until(process.service.finished("high"));
    expect(uploaded(process, "huge")).toEqual([]);
    await world.until(process.service.finished("low"));
    expect(started(process)).toEqual(["huge", "high", "high", "high", "huge", "low", "low", "low"]);
  });

  test("a changed priority counts from the next file on", async () => {
    fill(world, "one", 100);
    fill(world, "two", 100);
    const process = world.boot({ concurrency: 1 });
    slow(process, "putObject", 10);
    await process.service.start();
    await register(process, "one");
    await register(process, "two");
    await world.until(() => started(process).length > 20);
    const before = started(process).length;
    await process.service.adjust("two", { priority: 1 });
    await world.until(process.service.finished("two"));
    expect(started(process).slice(before + 1, before + 51)).toEqual(Array(50).fill("two"));
  });
});

describe("one slow disk", () => {
  test("a hundred times slower than the other, it does not slow the other down", async () => {
    fill(world, "slow", 100);
    fill(world, "fast", 200);
    const process = world.boot({ concurrency: 4 });
    slow(process, "putObject", 10);
    onRead(process, "slow", async (proceed) => {
      await world.clock.sleep(1_000);
      return await proceed();
    });
    await process.service.start();
    await register(process, "slow");
    await world.until(() => started(process).length >= 4);
    const since = world.clock.monotonic();
    await register(process, "fast");
    await world.until(process.service.finished("fast"));
    // Two of four places: 200 files in pairs of 10 ms, after at most one slow read and its scan.
    expect(world.clock.monotonic() - since).toBeLessThan(4_000);
    await world.until(process.service.finished("slow"));
  });

  test.each([1, 2, 5])("that hangs for ever with all %i places does not stop the others", async (concurrency) => {
    fill(world, "hung", 50);
    fill(world, "well", 50);
    const process = world.boot({ concurrency });
    onRead(process, "hung", () => new Promise<never>(() => {}));
    await process.service.start();
    await register(process, "hung");
    await world.until(() => started(process).length === concurrency);
    const since = world.clock.monotonic();
    await register(process, "well");
    await world.until(process.service.finished("well"));
    expect(world.clock.monotonic() - since).toBeLessThan(10_000);
    // Its own files do not pile up: as many hang as there are places, and no more.
    expect(started(process).filter((id) => id === "hung")).toHaveLength(concurrency);
    process.kill();
  });

  test("and another one", async () => {
    for (const id of ["hung1", "hung2", "hung3"]) fill(world, id, 50);
    fill(world, "well", 50);
    const process = world.boot();
    for (const id of ["hung1", "hung2", "hung3"]) onRead(process, id, () => new Promise<never>(() => {}));
    await process.service.start();
    for (const id of ["hung1", "hung2", "hung3"]) {
      await register(process, id);
      await world.clock.advance(10_000);
    }
    expect(started(process)).toHaveLength(15);
    await register(process, "well");
    await world.until(process.service.finished("well"), 10_000);
    process.kill();
  });

  test("that hangs with parts of a huge file leaves memory to the others", async () => {
    fill(world, "hung", 5, 8 * 4_096);
    fill(world, "well", 20, 8_192);
    const process = world.boot({ concurrency: 5, partConcurrency: 4, chunkSize: 8_192, memoryLimit: 64 * 1_024 });
    onRead(process, "hung", () => new Promise<never>(() => {}));
    await process.service.start();
    await register(process, "hung");
    await world.until(() => started(process).length === 5);
    await register(process, "well");
    await world.until(process.service.finished("well"));
    expect(uploaded(process, "well")).toHaveLength(20);
    process.kill();
  });

  test("whose folders hang does not stop the scans of others", async () => {
    const hung = Array.from({ length: 10 }, (_, index) => `hung${index}`);
    for (const id of hung) fill(world, id, 1);
    fill(world, "well", 5);
    const process = world.boot();
    // Registration looks at the folders, too.
    for (const id of [...hung, "well"]) await register(process, id);
    process.fileSystem.inject({
      method: "openRoot",
      times: ALWAYS,
      when: (path) => path.includes("/hung"),
      hang: "before",
    });
    await process.service.start();
    await world.until(process.service.finished("well"));
    expect(uploaded(process, "well")).toHaveLength(5);
    process.kill();
  });
});
