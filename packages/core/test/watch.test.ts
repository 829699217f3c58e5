import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ObjectStoreError } from "../src/index.ts";
import { BUCKET, SOURCE, World } from "./support/bed.ts";

const INTERVAL = 10_000;
const THRESHOLD = 3_000;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

function boot() {
  return world.boot({ monitorInterval: INTERVAL, stabilityThreshold: THRESHOLD, requeueFailedAfter: 60_000 });
}

async function watched(options: object = {}) {
  const process = boot();
  await process.service.start();
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, ...options } as never);
  await world.until(process.service.finished("u"));
  return process;
}

describe("a watched folder", () => {
  test("new and changed files go up by themselves; the upload reopens and completes again", async () => {
    world.write("a", "1");
    const process = await watched();
    world.write("b", "2");
    world.write("a", "changed");
    await world.until(() => world.bucket()["u/b"] === "2" && world.bucket()["u/a"] === "changed");
    await world.until(() => process.named("upload:completed").length === 2);
    expect(process.named("upload:reopened")).toHaveLength(1);
    expect(process.named("file:changed")).toMatchObject([{ path: "a" }]);
  });

  test("an idle interval writes nothing", async () => {
    world.write("a", "1");
    const process = await watched();
    const written = process.state.inject({
      method: "commit",
      times: Number.POSITIVE_INFINITY,
      run: ({ proceed }) => proceed(),
    });
    const scans = process.named("upload:scanned").length;
    await world.until(() => process.named("upload:scanned").length >= scans + 3);
    expect(written.matched).toBe(0);
  });

  test("a file is left alone until it has been quiet for the threshold", async () => {
    const process = await watched();
    world.write("log", "1");
    world.touch("log", 0);
    await world.until(process.service.check("u"));
    await process.expectFile("log", { state: "PENDING" });
    for (let grown = 1; grown <= 4; grown++) {
      await world.clock.advance(THRESHOLD - 500);
      world.write("log", "x".repeat(grown));
      world.touch("log", 0);
    }
    expect(process.calls("putObject")).toBe(0);
    await world.until(() => "u/log" in world.bucket());
    expect(world.bucket()["u/log"]).toBe("xxxx");
  });

  test("the same bytes put in place again are read, not sent", async () => {
    world.write("a", "same");
    const process = await watched();
    const before = world.volume.statSync(`${SOURCE}/a`);
    world.volume.unlinkSync(`${SOURCE}/a`);
    world.volume.writeFileSync(`${SOURCE}/a`, "same");
    world.volume.utimesSync(`${SOURCE}/a`, before.mtimeMs / 1000, before.mtimeMs / 1000);
    await world.until(() => process.named("file:changed").length === 1);
    await world.until(() => process.named("upload:completed").length === 2);
    expect(process.calls("putObject")).toBe(1);
  });

  test("other bytes of the same size and time are found out and sent", async () => {
    world.write("a", "same");
    const process = await watched();
    const before = world.volume.statSync(`${SOURCE}/a`);
    world.volume.unlinkSync(`${SOURCE}/a`);
    world.volume.writeFileSync(`${SOURCE}/a`, "emas");
    world.volume.utimesSync(`${SOURCE}/a`, before.mtimeMs / 1000, before.mtimeMs / 1000);
    await world.until(() => world.bucket()["u/a"] === "emas");
    expect(process.calls("putObject")).toBe(2);
  });

  test("a deleted file is REMOVED in the ledger, and its object stays", async () => {
    world.write("a", "1");
    world.write("b", "2");
    const process = await watched();
    world.remove("a");
    await world.until(() => process.named("file:removed").length === 1);
    expect(world.bucket()).toEqual({ "u/a": "1", "u/b": "2" });
    world.write("a", "back");
    await world.until(() => world.bucket()["u/a"] === "back");
  });
});

describe("absence is not deletion", () => {
  test("a folder that is suddenly empty changes no record", async () => {
    world.write("a", "1");
    const process = await watched();
    world.remove("a");
    await world.until(() => process.named("warning").length > 0);
    expect(world.files()).toMatchObject([{ path: "a", state: "UPLOADED" }]);
    expect(process.named("upload:scanned").at(-1)).toMatchObject({ scan: { complete: false, removed: 0 } });
  });

  test("a folder that vanishes fails the upload with the reason; it goes on when the folder is back", async () => {
    world.write("a", "1");
    const process = await watched();
    world.volume.renameSync(SOURCE, "/elsewhere");
    await world.until(() => process.named("upload:failed").length === 1);
    expect(await process.service.get("u")).toMatchObject({ state: "FAILED", reason: { code: "SOURCE_NOT_FOUND" } });
    expect(world.files()).toMatchObject([{ path: "a", state: "UPLOADED" }]);
    world.volume.renameSync("/elsewhere", SOURCE);
    world.write("b", "2");
    await world.until(() => world.bucket()["u/b"] === "2");
    await world.until(process.service.finished("u"));
  });
});

describe("failed files", () => {
  const broken = () => new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET }, "not today");

  test("are queued again after the interval", async () => {
    world.write("a", "1");
    const process = boot();
    const refused = process.objects.inject({ method: "putObject", before: broken });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
    await world.until(() => process.named("file:failed").length === 1);
    await world.until(() => "u/a" in world.bucket());
    expect(refused.fired).toBe(1);
    expect(process.named("monitor:requeued")).toMatchObject([{ uploadId: "u", files: 1 }]);
    await world.until(process.service.finished("u"));
  });

  test("are queued again after the interval, also when nothing is scanned meanwhile", async () => {
    world.write("a", "1");
    const process = boot();
    process.objects.inject({ method: "putObject", before: broken });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, schedule: "manual" });
    await world.until(() => process.named("file:failed").length === 1);
    await world.until(() => "u/a" in world.bucket());
    expect(process.named("monitor:requeued")).toMatchObject([{ uploadId: "u", files: 1 }]);
    expect(process.named("upload:scanned")).toHaveLength(1);
    await world.until(process.service.finished("u"));
  });

  test("are queued again at once when the file changes", async () => {
    world.write("a", "1");
    const process = boot();
    process.objects.inject({ method: "putObject", before: broken });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
    await world.until(() => process.named("file:failed").length === 1);
    world.write("a", "mended");
    await world.until(() => world.bucket()["u/a"] === "mended");
    expect(process.named("monitor:requeued")).toEqual([]);
  });
});

describe("a service that is started again", () => {
  test("goes on watching", async () => {
    world.write("a", "1");
    const first = await watched();
    await world.until(first.service.stop());
    world.write("b", "2");
    const second = boot();
    await second.service.start();
    await world.until(() => world.bucket()["u/b"] === "2");
    expect(second.named("recovery:finished")).toMatchObject([{ uploads: 1, files: 0 }]);
  });

  test("goes on after a pause and a resume during one scan", async () => {
    const process = world.boot({ monitorInterval: INTERVAL, lease: 10_000 * INTERVAL });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
    await world.until(process.service.finished("u"));
    let go = () => {};
    const scan = process.fileSystem.inject({
      method: "openRoot",
      run: ({ proceed }) => new Promise((resolve) => (go = () => resolve(proceed()))),
    });
    await world.until(() => scan.fired > 0);
    await process.service.pause("u");
    await process.service.resume("u");
    go();
    await world.clock.advance(1_000);
    world.write("late", "1");
    await world.until(() => world.bucket()["u/late"] === "1", 3 * INTERVAL);
  });

  test("a check does not settle for a scan that finds that it is not due", async () => {
    const process = await watched();
    await world.clock.advance(INTERVAL / 2);
    await world.until(process.service.check("u"));
    let begun = false;
    let go = () => {};
    process.service.once("monitor:check", () => {
      begun = true;
      process.state.inject({
        method: "getUpload",
        run: ({ proceed }) => new Promise((resolve) => (go = () => resolve(proceed()))),
      });
    });
    await world.until(() => begun);
    const check = process.service.check("u");
    await world.clock.advance(10);
    go();
    expect(await world.until(check)).toMatchObject({ complete: true });
  });

  test("leaves paused and cancelled uploads alone", async () => {
    world.write("a", "1");
    const first = await watched();
    await world.until(first.service.pause("u"));
    await world.until(first.service.stop());
    world.write("b", "2");
    const second = boot();
    await second.service.start();
    await world.clock.advance(3 * INTERVAL);
    expect(world.bucket()).toEqual({ "u/a": "1" });
    await expect(second.service.check("u")).rejects.toMatchObject({ code: "INVALID_TRANSITION" });
    await second.service.resume("u");
    await world.until(() => world.bucket()["u/b"] === "2");
  });

  test("a step of the clock by a day either way stops nothing", async () => {
    for (const step of [-86_400_000, 86_400_000]) {
      world = new World();
      world.write("a", "1");
      const process = boot();
      const flaky = process.objects.inject({
        method: "putObject",
        times: 3,
        before: () => new ObjectStoreError({ kind: "transient", operation: "putObject", bucket: BUCKET }, "flaky"),
      });
      await process.service.start();
      await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
      await world.until(() => process.named("file:retrying").length === 1);
      world.clock.step(step);
      await world.until(process.service.finished("u"), 300_000);
      expect(flaky.fired).toBe(3);
      await world.end();
    }
  });
});
