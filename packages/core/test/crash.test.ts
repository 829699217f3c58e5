import { describe, expect, test } from "vitest";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const CONTENT = { "u/a": "1", "u/big": "0123456789abcdefghijklmnopqrstuvwxyz", "u/dir/b": "22", "u/empty": "" };
const PARTS_AT_ONCE = 2;
const FILES_AT_ONCE = 2;

function newWorld(): World {
  const world = new World();
  for (const [key, content] of Object.entries(CONTENT)) world.write(key.slice(2), content);
  return world;
}

const boot = (world: World) => world.boot({ concurrency: FILES_AT_ONCE, partConcurrency: PARTS_AT_ONCE });

/** Starts the process and lets it work until it has finished or has been killed. */
async function run(world: World, process: Process): Promise<void> {
  let over: unknown;
  const work = async () => {
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
    await process.service.finished("u");
  };
  void work().then(
    () => (over = "finished"),
    (error: unknown) => (over = error),
  );
  await world.until(() => process.dead || over !== undefined);
  if (!process.dead) expect(over).toBe("finished");
}

/** How many calls of its ports a run makes that nobody disturbs. */
async function undisturbedCalls(): Promise<number> {
  const world = newWorld();
  const process = boot(world);
  const calls = process.killAtCall(Number.POSITIVE_INFINITY, "before");
  await run(world, process);
  const made = calls();
  await world.end();
  return made;
}

function expectConverged(world: World, kills: number, story: string): void {
  expect(world.bucket(), story).toEqual(CONTENT);
  expect(world.multiparts(), story).toBe(0);
  for (const file of world.files())
    expect(file, story).toMatchObject({ state: "UPLOADED", owner: null, transfer: null });
  const sent = new Map<string, number>();
  for (const { method, key, partNumber } of world.store.calls) {
    if (method !== "putObject" && method !== "uploadPart") continue;
    const what = `${key} ${partNumber ?? ""}`;
    sent.set(what, (sent.get(what) ?? 0) + 1);
  }
  const again = [...sent.values()].reduce((sum, times) => sum + times - 1, 0);
  expect(again, story).toBeLessThanOrEqual(kills * FILES_AT_ONCE * PARTS_AT_ONCE);
}

describe("killed at any call, started again, the bucket is as if nothing had happened", async () => {
  const calls = await undisturbedCalls();
  const moments = Array.from({ length: calls }, (_, index) => index + 1);

  test("the undisturbed run makes enough calls for this to mean something", () => {
    expect(calls).toBeGreaterThan(30);
  });

  test.each(["before", "after"] as const)("one kill, %s the call takes effect, at every call", async (when) => {
    for (const nth of moments) {
      const world = newWorld();
      const first = boot(world);
      first.killAtCall(nth, when);
      await run(world, first);
      const second = boot(world);
      await run(world, second);
      await world.end();
      expectConverged(world, 1, `killed ${when} call ${nth} of ${calls}`);
    }
  });

  test("a second kill during the recovery from the first", async () => {
    for (const nth of moments.filter((moment) => moment % 3 === 0)) {
      for (const again of [2, 5, 9, 14, 20]) {
        const world = newWorld();
        const first = boot(world);
        first.killAtCall(nth, "after");
        await run(world, first);
        const second = boot(world);
        second.killAtCall(again, "after");
        await run(world, second);
        const third = boot(world);
        await run(world, third);
        await world.end();
        expectConverged(world, 2, `killed after call ${nth}, and again after call ${again}`);
      }
    }
  });
});
