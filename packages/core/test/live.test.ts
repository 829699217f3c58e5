import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ServiceOptions } from "../src/index.ts";
import { FakeFolderWatcher } from "../src/testing/fake-folder-watcher.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const HOUR = 3_600_000;

let world: World;
let watcher: FakeFolderWatcher;
let process: Process;
beforeEach(() => {
  world = new World();
  watcher = new FakeFolderWatcher();
});
afterEach(async () => {
  await world.end();
});

async function start(options: object = {}, service: Partial<ServiceOptions> = {}): Promise<void> {
  process = world.boot({ watcher, monitorInterval: HOUR, stabilityThreshold: 0, ...service });
  await process.service.start();
  const spec = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, ...options };
  await process.service.register(spec as never);
  await world.until(process.service.finished("u"));
  await world.clock.advance(20_000);
}

const scans = () => process.named("upload:scanned").length;
const status = async () => (await process.service.get("u")).watch;

describe("a file system event", () => {
  test("brings the next scan forward", async () => {
    await start();
    expect(await status()).toEqual({ state: "live", reason: null });
    world.write("a", "1");
    watcher.changed(SOURCE);
    await world.clock.advance(1_000);
    expect(world.bucket()).toEqual({ "u/a": "1" });
  });

  test("that is lost costs one interval, and nothing else", async () => {
    await start();
    world.write("a", "1");
    await world.clock.advance(HOUR / 2);
    expect(world.bucket()).toEqual({});
    await world.until(() => world.bucket()["u/a"] === "1", HOUR);
  });

  test("during a scan leads to another one afterwards: the scan may have passed the place", async () => {
    await start();
    const before = scans();
    let go = () => {};
    process.fileSystem.inject({
      method: "openRoot",
      run: ({ proceed }) => new Promise((resolve) => (go = () => resolve(proceed()))),
    });
    watcher.changed(SOURCE);
    await world.clock.advance(1_000);
    watcher.changed(SOURCE);
    go();
    await world.clock.advance(60_000);
    expect(scans() - before).toBe(2);
  });

  test("of many leads to few scans", async () => {
    await start();
    const before = scans();
    for (let n = 0; n < 200; n++) {
      watcher.changed(SOURCE);
      await world.clock.advance(50);
    }
    expect(scans() - before).toBeGreaterThan(3);
    expect(scans() - before).toBeLessThan(12);
  });

  test("is followed although another host has just scanned the folder", async () => {
    await start();
    const other = world.boot({ watcher: "none", monitorInterval: HOUR });
    await other.service.start();
    await world.until(other.service.check("u"));
    world.write("a", "1");
    watcher.changed(SOURCE);
    await world.clock.advance(2_000);
    expect(world.bucket()).toEqual({ "u/a": "1" });
  });
});

describe("a watch", () => {
  test("that is degraded is told, leads to a scan at once, and polling goes on", async () => {
    await start();
    world.write("a", "1");
    watcher.degrade(SOURCE, "no more watches");
    await world.clock.advance(1_000);
    expect(world.bucket()).toEqual({ "u/a": "1" });
    const reason = { code: "WATCH_DEGRADED", message: "no more watches" };
    expect(process.named("monitor:degraded")).toEqual([{ uploadId: "u", reason }]);
    expect(await status()).toEqual({ state: "degraded", reason });
    world.write("b", "2");
    await world.until(() => world.bucket()["u/b"] === "2", HOUR + 60_000);
    watcher.ready(SOURCE);
    expect(await status()).toEqual({ state: "live", reason: null });
    expect(process.named("monitor:live")).toHaveLength(2);
  });

  test("says nothing of the folder's files that the patterns leave out", async () => {
    await start({ pattern: "**/*.jpg", exclude: "tmp" });
    expect(watcher.optionsOf(SOURCE)?.patterns).toMatchObject({ pattern: ["**/*.jpg"], exclude: ["tmp"] });
  });

  test("ends with a pause, comes back with the resume, and ends with the service", async () => {
    await start();
    expect(watcher.roots).toEqual([SOURCE]);
    await world.until(process.service.pause("u"));
    expect(watcher.roots).toEqual([]);
    expect(await status()).toEqual({ state: "polling", reason: null });
    await world.until(process.service.resume("u"));
    expect(watcher.roots).toEqual([SOURCE]);
    await world.until(process.service.stop());
    expect(watcher.roots).toEqual([]);
  });

  test.each([
    ["an upload that is done once", { mode: "once" }],
    ["a cron expression", { schedule: "0 3 * * *" }],
    ["a manual one", { schedule: "manual" }],
    ["an upload of another host", { host: "elsewhere" }],
  ])("does not exist for %s", async (_, options) => {
    process = world.boot({ watcher, host: "here" });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, ...options } as never);
    await world.clock.advance(20_000);
    expect(watcher.roots).toEqual([]);
  });
});
