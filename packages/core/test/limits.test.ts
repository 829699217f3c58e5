import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkAdjustments, checkLimits } from "../src/limits.ts";
import { type Process, World } from "./support/bed.ts";
import { fill, register } from "./support/folders.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

describe("settings of a running upload", () => {
  test("are kept, told, and of those only", async () => {
    fill(world, "u", 1, 5);
    const process = world.boot();
    await register(process, "u", { mode: "watch" });
    const settings = { priority: 3, schedule: "0 3 * * *", activeHours: "22:00-06:00", bandwidthLimit: 1_000 };
    const after = await process.service.adjust("u", settings);
    expect(after.spec).toMatchObject(settings);
    expect(process.named("upload:adjusted")).toMatchObject([{ uploadId: "u", ...settings }]);
    const lifted = await process.service.adjust("u", { schedule: null, activeHours: null, bandwidthLimit: null });
    expect(lifted.spec).toMatchObject({ priority: 3, schedule: null, activeHours: null, bandwidthLimit: null });
    // They are not part of what the upload is.
    await register(process, "u", { mode: "watch" });
  });

  test.each([
    ["another host", { hints: true }],
    ["another host, without hints", { hints: false }],
  ])("are followed by %s", async (_, { hints }) => {
    fill(world, "u", 50, 100);
    const processes = [world.boot({ lease: 3_000 }, { hints }), world.boot({ lease: 3_000 }, { hints })];
    const [one, two] = processes as [Process, Process];
    await one.service.start();
    await register(one, "u", { bandwidthLimit: 1 });
    await two.service.start();
    await world.until(() => one.named("file:started").length > 0 && two.named("file:started").length > 0);
    await one.service.adjust("u", { bandwidthLimit: null });
    await world.until(one.service.finished("u"), 20_000);
    expect(two.named("file:uploaded").length).toBeGreaterThan(1);
  });

  test("a changed schedule is followed", async () => {
    fill(world, "u", 1, 5);
    const process = world.boot({ monitorInterval: HOUR });
    await process.service.start();
    await register(process, "u", { mode: "watch" });
    await world.until(process.service.finished("u"));
    const before = process.named("upload:scanned").length;
    await process.service.adjust("u", { schedule: 10_000 });
    await world.clock.advance(MINUTE);
    expect(process.named("upload:scanned").length - before).toBeGreaterThanOrEqual(5);
  });

  test("a change that names a revision is made only of that one, whoever else has changed the upload", async () => {
    fill(world, "u", 1, 5);
    const [one, two] = [world.boot(), world.boot()];
    await register(one, "u");
    const { revision } = await one.service.get("u");
    const adjusted = await two.service.adjust("u", { priority: 1 }, { revision });
    for (const late of [
      () => one.service.adjust("u", { priority: 2 }, { revision }),
      () => one.service.pause("u", { revision }),
      () => one.service.resume("u", { revision }),
      () => one.service.cancel("u", { revision }),
    ])
      await expect(late()).rejects.toMatchObject({ code: "UPLOAD_CHANGED" });
    expect(await two.service.get("u")).toMatchObject({ revision: adjusted.revision, state: adjusted.state });
    const paused = await one.service.pause("u", adjusted);
    expect(await two.service.resume("u", paused)).toMatchObject({ state: "IN_PROGRESS", spec: { priority: 1 } });
  });

  test("of a cancelled or unknown upload cannot be changed", async () => {
    fill(world, "u", 1, 5);
    const process = world.boot();
    await register(process, "u");
    await process.service.cancel("u");
    await expect(process.service.adjust("u", { priority: 1 })).rejects.toMatchObject({ code: "UPLOAD_CANCELLED" });
    await expect(process.service.adjust("v", { priority: 1 })).rejects.toMatchObject({ code: "UPLOAD_NOT_FOUND" });
  });
});

describe("what is refused", () => {
  test.each([
    [null],
    [[]],
    ["x"],
    [{ pattern: "**" }],
    [{ priority: 1, bucket: "other" }],
    [{ priority: 1.5 }],
    [{ priority: null }],
    [{ schedule: "never" }],
    [{ activeHours: "22-06" }],
    [{ bandwidthLimit: 0 }],
    [{ bandwidthLimit: "1" }],
  ])("of an upload's settings: %j", (settings) => {
    expect(() => checkAdjustments(settings)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  });

  test.each([[undefined], [{ priority: 1 }], [{ bandwidthLimit: -1 }], [{ activeHours: 5 }], [{ toString: null }]])(
    "of the service's limits: %j",
    (limits) => {
      expect(() => checkLimits(limits)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
    },
  );

  test("nothing is changed then", async () => {
    fill(world, "u", 1, 5);
    const process = world.boot();
    await register(process, "u");
    await expect(process.service.adjust("u", { priority: 1, schedule: "x" })).rejects.toMatchObject({
      code: "INVALID_OPTION",
    });
    expect((await process.service.get("u")).spec.priority).toBe(0);
  });

  test("undefined stands for what is there", () => {
    expect(checkAdjustments({ priority: undefined, schedule: null })).toEqual({ schedule: null });
    expect(checkLimits({})).toEqual({});
  });

  test("they are to be read as they stand", () => {
    const { service } = world.boot({ activeHours: "22:00-06:00" });
    expect(service.limits).toEqual({ bandwidthLimit: null, activeHours: "22:00-06:00" });
    service.setLimits({ bandwidthLimit: 1_000 });
    expect(service.limits).toEqual({ bandwidthLimit: 1_000, activeHours: "22:00-06:00" });
    service.setLimits({ bandwidthLimit: null, activeHours: null });
    expect(service.limits).toEqual({ bandwidthLimit: null, activeHours: null });
  });

  test("a stopped service takes no limits", async () => {
    const process = world.boot();
    await process.service.start();
    await world.until(process.service.stop());
    expect(() => process.service.setLimits({})).toThrow(expect.objectContaining({ code: "SERVICE_STOPPED" }));
  });
});
