import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Process, World } from "./support/bed.ts";
import { fill, register } from "./support/folders.ts";

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

/** Hours that begin in so many minutes of the world's local time and last so many. */
function hoursIn(minutes: number, length: number): string {
  const time = (offset: number) => {
    const date = new Date(world.clock.now() + offset * MINUTE);
    return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
  };
  return `${time(minutes)}-${time(minutes + length)}`;
}

const atMinute = (minutes: number) => Math.floor(world.clock.now() / MINUTE) * MINUTE + minutes * MINUTE;

describe("active hours", () => {
  const start = async (process: Process, options: object = {}) => {
    await process.service.start();
    await register(process, "u", options);
    await world.until(() => process.named("upload:scanned").length > 0);
  };
  const state = async (process: Process) => (await process.service.get("u")).state;

  test("outside of them the folder is scanned and nothing is sent; at their beginning it goes on by itself", async () => {
    fill(world, "u", 30, 5);
    const process = world.boot();
    const until = atMinute(90);
    await start(process, { activeHours: hoursIn(90, 60) });
    await world.clock.advance(until - world.clock.now() - 1);
    expect(await state(process)).toBe("IN_PROGRESS");
    expect(process.named("file:started")).toEqual([]);
    expect(process.named("upload:waiting")).toEqual([{ uploadId: "u", cause: "activeHours", until }]);
    await world.until(process.service.finished("u"), 5_000);
    expect(process.named("upload:waiting")).toHaveLength(1);
    expect(process.named("file:uploaded")).toHaveLength(30);
  });

  test("new files are found while it waits, and the wait is told once", async () => {
    const process = world.boot({ stabilityThreshold: 0, monitorInterval: MINUTE });
    fill(world, "u", 1, 5);
    await start(process, { activeHours: hoursIn(60, 60), mode: "watch" });
    world.write("u/new", "x");
    await world.clock.advance(5 * MINUTE);
    expect((await process.service.get("u")).progress.filesPending).toBe(2);
    expect(process.named("upload:waiting")).toHaveLength(1);
  });

  test("when they end, parts under way are finished and recorded, and nothing is sent twice", async () => {
    fill(world, "u", 3, 8 * 60);
    const process = world.boot({ partConcurrency: 2, concurrency: 2, lease: 6 * HOUR, progressInterval: HOUR });
    process.objects.inject({ method: "uploadPart", times: ALWAYS, delayMs: 5_000 });
    const ends = atMinute(2);
    await start(process, { activeHours: hoursIn(0, 2) });
    await world.clock.advance(ends - world.clock.now() + 5_000);
    await world.until(() => process.named("upload:waiting").length === 1, 2_000);
    const sent = process.calls("uploadPart");
    expect(sent).toBeGreaterThan(0);
    const files = [...(world.ledger.files.get("u")?.after(undefined) ?? [])];
    expect(files.map((file) => [file.state, file.owner, file.attempts])).toEqual(Array(3).fill(["PENDING", null, 0]));
    await world.clock.advance(20 * HOUR);
    expect(process.calls("uploadPart")).toBe(sent);
    // Two minutes a day.
    await world.clock.advance(72 * HOUR);
    expect(await state(process)).toBe("COMPLETED");
    expect(process.calls("uploadPart")).toBe(3 * 60);
    expect(process.calls("createMultipart")).toBe(3);
    expect(process.named("file:retrying")).toEqual([]);
  });

  test("the service's and the upload's must both be open", async () => {
    fill(world, "u", 3, 5);
    const process = world.boot({ activeHours: hoursIn(30, 60) });
    const until = atMinute(60);
    await start(process, { activeHours: hoursIn(60, 60) });
    await world.clock.advance(until - world.clock.now() - 1);
    expect(process.named("file:started")).toEqual([]);
    expect(process.named("upload:waiting")).toMatchObject([{ until }]);
    await world.until(process.service.finished("u"), 5_000);
  });

  test("that never meet are told as such", async () => {
    fill(world, "u", 3, 5);
    const process = world.boot({ activeHours: hoursIn(30, 60) });
    await start(process, { activeHours: hoursIn(120, 60) });
    await world.until(() => process.named("upload:waiting").length > 0);
    expect(process.named("upload:waiting")).toMatchObject([{ until: null }]);
  });

  test("an upload with nothing to send is finished outside of them", async () => {
    const process = world.boot();
    world.write("u/skipped", "too large");
    await start(process, { activeHours: hoursIn(60, 60), maxSize: 1 });
    await world.until(process.service.finished("u"), 5_000);
    expect(process.named("upload:waiting")).toEqual([]);
  });

  test("uploads that are open go on beside it", async () => {
    fill(world, "u", 50, 5);
    fill(world, "open", 20, 5);
    const process = world.boot({ concurrency: 1 });
    await start(process, { activeHours: hoursIn(60, 60), priority: 9 });
    await register(process, "open");
    await world.until(process.service.finished("open"), 10_000);
  });

  test("after a step of the clock they are looked at again within a minute", async () => {
    fill(world, "u", 3, 5);
    const process = world.boot();
    await start(process, { activeHours: hoursIn(10 * 60, 60) });
    await world.clock.advance(5 * MINUTE);
    world.clock.step(10 * HOUR);
    await world.clock.advance(MINUTE);
    expect(process.named("file:uploaded")).toHaveLength(3);
  });

  test("changes are felt at once: of the upload, and of the service", async () => {
    fill(world, "u", 200, 5);
    const process = world.boot({ concurrency: 1 });
    process.objects.inject({ method: "putObject", times: ALWAYS, delayMs: 100 });
    await start(process, { activeHours: hoursIn(60, 60) });
    await process.service.adjust("u", { activeHours: null });
    await world.until(() => process.named("file:uploaded").length > 2, 2_000);
    process.service.setLimits({ activeHours: hoursIn(60, 60) });
    await world.until(() => process.named("upload:waiting").length === 2, 2_000);
    const sent = process.calls("putObject");
    await world.clock.advance(10 * MINUTE);
    expect(process.calls("putObject")).toBe(sent);
    process.service.setLimits({ activeHours: null });
    await world.until(() => process.calls("putObject") > sent, 2_000);
  });

  test("a process that starts outside of them waits, too", async () => {
    fill(world, "u", 3, 5);
    const first = world.boot();
    await start(first, { activeHours: hoursIn(60, 60) });
    await world.until(first.service.stop());
    const second = world.boot();
    await second.service.start();
    await world.clock.advance(10 * MINUTE);
    expect(second.named("file:started")).toEqual([]);
    expect(second.named("upload:waiting")).toHaveLength(1);
    await world.until(second.service.finished("u"), 2 * HOUR);
  });
});
