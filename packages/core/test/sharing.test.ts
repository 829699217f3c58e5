import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StateStoreError } from "../src/index.ts";
import { BUCKET, SOURCE, World } from "./support/bed.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

async function start(process: ReturnType<World["boot"]>): Promise<void> {
  await process.service.start();
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
}

describe("the ledger", () => {
  test("a full disk holds the work back until there is room, and loses nothing", async () => {
    for (let n = 0; n < 20; n++) world.write(`f${n}`, "x");
    const process = world.boot();
    const full = process.state.inject({
      method: "commit",
      nth: 2,
      times: 5,
      before: () => new StateStoreError("STATE_FULL", "disk full"),
    });
    await process.upload();
    expect(full.fired).toBe(5);
    expect(Object.keys(world.bucket())).toHaveLength(20);
    expect(process.calls("putObject")).toBe(20);
    expect(process.named("warning")[0]).toMatchObject({ code: "STATE_FULL" });
  });

  test("a commit that fails for another cause gives the file back once the ledger works again", async () => {
    world.write("a", "1");
    const process = world.boot();
    const broken = process.state.inject({ method: "commit", nth: 2, times: 2, before: () => new Error("I/O error") });
    await process.upload();
    expect(broken.fired).toBe(2);
    expect(world.bucket()).toEqual({ "u/a": "1" });
    await process.expectFile("a", { state: "UPLOADED", owner: null });
  });
});

describe("two owners of one ledger", () => {
  test("share the work: every file is uploaded once", async () => {
    for (let n = 0; n < 120; n++) world.write(`f${n}`, "x");
    const processes = [world.boot({ concurrency: 3 }), world.boot({ concurrency: 3 })];
    const slow = { method: "putObject", delayMs: 10, times: Number.POSITIVE_INFINITY } as const;
    for (const process of processes) {
      process.objects.inject(slow);
      await start(process);
    }
    await world.until(Promise.all(processes.map((process) => process.service.finished("u"))));
    expect(Object.keys(world.bucket())).toHaveLength(120);
    expect(processes[0]?.calls("putObject")).toBe(120);
  });

  test("a zombie that wakes after its lease ran out changes nothing", async () => {
    world.write("a", "1");
    const zombie = world.boot({ owner: "zombie" });
    let wake = () => {};
    const frozen = zombie.objects.inject({
      method: "putObject",
      run: ({ proceed }) => new Promise((resolve) => (wake = () => resolve(proceed()))),
    });
    const stopped = { run: () => new Promise<never>(() => {}), times: Number.POSITIVE_INFINITY } as const;
    await start(zombie);
    await world.until(() => frozen.fired === 1);
    zombie.state.inject({ method: "heartbeat", ...stopped });
    const heir = world.boot({ owner: "heir" });
    await start(heir);
    await world.until(heir.service.finished("u"));
    const settled = world.files()[0];
    wake();
    await world.clock.advance(1_000);
    expect(world.files()[0]).toEqual(settled);
    expect(zombie.named("file:uploaded")).toEqual([]);
    zombie.kill();
  });
});
