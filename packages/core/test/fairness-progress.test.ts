import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ObjectStoreError, type SourceRoot } from "../src/index.ts";
import { BUCKET, type Process, World } from "./support/bed.ts";
import { fill, register } from "./support/folders.ts";
import { gate } from "./support/records.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

const started = (process: Process, id: string) => process.named("file:started").filter((one) => one.uploadId === id);

/** Opening a file, and each read of one, take so long. */
function slowDisk(process: Process, openMs: number, readMs: number): void {
  const run = async ({ proceed }: { proceed: () => unknown }) => {
    const root = (await proceed()) as SourceRoot;
    const open: SourceRoot["open"] = async (path, options) => {
      await world.clock.sleep(openMs);
      const handle = await root.open(path, options);
      return {
        stat: () => handle.stat(),
        read: async (target, position) => {
          await world.clock.sleep(readMs);
          return await handle.read(target, position);
        },
        close: () => handle.close(),
      };
    };
    const readFolder: SourceRoot["readFolder"] = (path) => root.readFolder(path);
    const stat: SourceRoot["stat"] = (path, options) => root.stat(path, options);
    return { path: root.path, facts: root.facts, readFolder, stat, open };
  };
  process.fileSystem.inject({ method: "openRoot", times: ALWAYS, run });
}

/** Hours of the world's local time that are over for today. */
function closedHours(): string {
  const hour = (offset: number) => String(new Date(world.clock.now() + offset * HOUR).getHours()).padStart(2, "0");
  return `${hour(3)}:00-${hour(4)}:00`;
}

describe("uploads that make room for each other", () => {
  test("both go on when a small file alone takes longer than its turn", async () => {
    fill(world, "one", 2);
    fill(world, "two", 2);
    const process = world.boot({ concurrency: 1 });
    slowDisk(process, 3_000, 3_000);
    await process.service.start();
    await register(process, "one");
    await register(process, "two");
    await world.until(Promise.all(["one", "two"].map((id) => process.service.finished(id))), 2 * MINUTE);
    expect([started(process, "one").length, started(process, "two").length]).toEqual([2, 2]);
  });

  test("both go on when to list the parts of a huge file takes longer than its turn, and no part is sent twice", async () => {
    fill(world, "one", 1, 8 * 40);
    fill(world, "two", 1, 8 * 40);
    const process = world.boot({ concurrency: 1, partConcurrency: 2 });
    process.objects.inject({ method: "uploadPart", times: ALWAYS, delayMs: 1_000 });
    process.objects.inject({ method: "listParts", times: ALWAYS, delayMs: 8_000 });
    await process.service.start();
    await register(process, "one");
    await register(process, "two");
    await world.until(Promise.all(["one", "two"].map((id) => process.service.finished(id))), 10 * MINUTE);
    expect(process.calls("uploadPart")).toBe(80);
  });

  test("both go on when to compare a file by its content takes longer than its turn", async () => {
    const size = 12 * 1024 * 1024;
    fill(world, "one", 1, size);
    fill(world, "two", 1, size);
    const process = world.boot({ concurrency: 1, chunkSize: 2 * size, stabilityThreshold: 0, monitorInterval: 1e9 });
    slowDisk(process, 0, 1_000);
    await process.service.start();
    for (const id of ["one", "two"]) {
      await register(process, id, { mode: "watch", compare: "hash" });
      await world.until(process.service.finished(id));
      world.touch(`${id}/f00000`, -30_000);
    }
    const puts = process.calls("putObject");
    for (const id of ["one", "two"]) await world.until(process.service.check(id));
    await world.until(Promise.all(["one", "two"].map((id) => process.service.finished(id))), 2 * MINUTE);
    expect(process.calls("putObject")).toBe(puts);
  });

  test("a tiny one does not wait until a huge file has been compared", async () => {
    const size = 20 * 1024 * 1024;
    fill(world, "huge", 1, size);
    fill(world, "tiny", 1);
    const process = world.boot({ concurrency: 1, chunkSize: 2 * size, stabilityThreshold: 0, monitorInterval: 1e9 });
    slowDisk(process, 0, 1_000);
    await process.service.start();
    await register(process, "huge", { mode: "watch", compare: "hash" });
    await world.until(process.service.finished("huge"));
    world.touch("huge/f00000", -30_000);
    await world.until(process.service.check("huge"));
    await world.until(() => started(process, "huge").length === 2);
    await register(process, "tiny");
    await world.until(process.service.finished("tiny"), 10_000);
    expect((await process.service.get("huge")).state).toBe("IN_PROGRESS");
    await world.until(process.service.finished("huge"));
    expect(started(process, "huge")).toHaveLength(2);
  });

  test("nobody is begun again and again where the service's bandwidth makes all wait", async () => {
    fill(world, "one", 1, 8 * 6);
    fill(world, "two", 1, 8 * 6);
    const process = world.boot({ concurrency: 1, partConcurrency: 1, bandwidthLimit: 1 });
    const since = world.clock.monotonic();
    await process.service.start();
    await register(process, "one");
    await register(process, "two");
    await world.until(Promise.all(["one", "two"].map((id) => process.service.finished(id))), 10 * MINUTE);
    expect(world.clock.monotonic() - since).toBeLessThan(100_000);
    // Twelve bodies, one every eight seconds.
    expect(process.named("file:started").length).toBeLessThanOrEqual(12);
  });

  test("a body of a higher priority goes next, though all places are taken by files that wait for the service's bandwidth", async () => {
    fill(world, "low", 2, 8 * 50);
    fill(world, "high", 1, 8);
    const process = world.boot({ concurrency: 2, bandwidthLimit: 1 });
    await process.service.start();
    await register(process, "low");
    await world.until(() => started(process, "low").length === 2);
    await register(process, "high", { priority: 1 });
    await world.until(process.service.finished("high"), 20_000);
  });
});

describe("while all places are taken by huge files", () => {
  const occupy = async (process: Process) => {
    fill(world, "huge", 1, 8 * 300);
    process.objects.inject({ method: "uploadPart", times: ALWAYS, delayMs: 1_000 });
    await process.service.start();
    await register(process, "huge");
    await world.until(() => process.named("file:progress").length > 0);
  };

  test("an upload outside its hours says so, and takes no turn from others", async () => {
    const process = world.boot({ concurrency: 1, partConcurrency: 1 });
    await occupy(process);
    fill(world, "closed", 3);
    fill(world, "tiny", 3);
    await register(process, "closed", { priority: 1, activeHours: closedHours() });
    await world.until(() => process.named("upload:waiting").length === 1, 20_000);
    await register(process, "tiny");
    await world.until(process.service.finished("tiny"), 20_000);
    expect(started(process, "closed")).toEqual([]);
  });

  test("a hundred small files do not take a turn of five seconds each", async () => {
    const process = world.boot({ concurrency: 1, partConcurrency: 1 });
    await occupy(process);
    fill(world, "tiny", 100);
    process.objects.inject({ method: "putObject", times: ALWAYS, delayMs: 20 });
    await register(process, "tiny");
    await world.until(process.service.finished("tiny"), 20_000);
  });

  test("they and an upload of many small files have the places for as long", async () => {
    const process = world.boot({ concurrency: 1, partConcurrency: 1 });
    await occupy(process);
    fill(world, "small", 5_000);
    process.objects.inject({ method: "putObject", times: ALWAYS, delayMs: 20 });
    await register(process, "small");
    const done = (name: "file:progress" | "file:uploaded", id: string) =>
      process.named(name).filter((one) => one.uploadId === id).length;
    const before = done("file:progress", "huge");
    await world.clock.advance(2 * MINUTE);
    // Of a minute each: parts of one second, files of 25 ms.
    expect(done("file:progress", "huge") - before).toBeGreaterThan(45);
    expect(done("file:uploaded", "small")).toBeGreaterThan(1_500);
  });
});

test("an upload that comes while the ledger is slow is not begun outside its hours", async () => {
  const process = world.boot();
  fill(world, "one", 1);
  fill(world, "closed", 3);
  const { promise, open } = gate();
  process.state.inject({ method: "claim", run: ({ proceed }) => promise.then(proceed) });
  await process.service.start();
  await register(process, "one");
  await world.until(() => process.named("upload:scanned").length === 1);
  await register(process, "closed", { activeHours: closedHours() });
  await world.until(() => process.named("upload:scanned").length === 2);
  open();
  await world.until(process.service.finished("one"));
  await world.clock.advance(MINUTE);
  expect(started(process, "closed")).toEqual([]);
});

test("a file that is queued while the ledger is asked when to look again is begun at once", async () => {
  const process = world.boot({
    stabilityThreshold: 0,
    monitorInterval: 1e9,
    lease: 1e9,
    retry: { attempts: 9, baseMs: 60_000, capMs: 60_000 },
  });
  fill(world, "u", 1);
  const fail = new ObjectStoreError({ kind: "transient", operation: "putObject", bucket: BUCKET }, "made to fail");
  process.objects.inject({
    method: "putObject",
    times: ALWAYS,
    when: ({ key }) => key.endsWith("f00000"),
    before: fail,
  });
  const asked = gate();
  const { promise, open } = gate();
  process.state.inject({
    method: "nextDue",
    when: () => process.named("file:retrying").length > 0,
    run: async ({ proceed }) => {
      const due = await proceed();
      asked.open();
      await promise;
      return due;
    },
  });
  await process.service.start();
  await register(process, "u", { mode: "watch" });
  await world.until(asked.promise);
  world.write("u/new", "x");
  await world.until(process.service.check("u"));
  open();
  await world.until(() => process.named("file:uploaded").length === 1, 5_000);
});

test("a part that fails while its file makes room counts as a failure", async () => {
  fill(world, "huge", 1, 8 * 50);
  fill(world, "tiny", 1);
  const process = world.boot({ concurrency: 1, partConcurrency: 2 });
  const refuse = new ObjectStoreError({ kind: "rejected", operation: "uploadPart", bucket: BUCKET }, "made to fail");
  process.objects.inject({
    method: "uploadPart",
    times: ALWAYS,
    when: ({ partNumber }) => partNumber !== 2,
    delayMs: 1_000,
  });
  process.objects.inject({
    method: "uploadPart",
    when: ({ partNumber }) => partNumber === 2,
    run: async () => {
      await world.clock.sleep(7_000);
      throw refuse;
    },
  });
  await process.service.start();
  await register(process, "huge");
  await world.until(() => process.named("file:progress").length > 0);
  await register(process, "tiny");
  await world.until(process.service.finished("tiny"));
  expect(process.named("file:failed")).toHaveLength(1);
});
