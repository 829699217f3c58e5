import { describe, expect, test } from "vitest";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const SPEC = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, schedule: "manual", onSourceDelete: "delete" } as const;
const BIG = "0123456789abcdefghijklmnopqrstuvwxyz";
const START = { a: "1", big: BIG, "dir/b": "22", keep: "k" };

type Fate = Readonly<Record<string, string>>;

/** What becomes, after the death, of the files that were removed before it. */
const FATES: Readonly<Record<string, Fate>> = {
  "stay away": {},
  "come back as they were": { a: "1", big: BIG },
  "come back with other content": { a: "2", big: `${BIG}!` },
};

/** Everything uploaded, its process gone, and then some files removed. */
async function newWorld(): Promise<World> {
  const world = new World();
  for (const [path, content] of Object.entries(START)) world.write(path, content);
  const process = world.boot();
  await process.service.start();
  await process.service.register(SPEC);
  await world.until(process.service.finished("u"));
  await world.until(process.service.stop());
  world.store.state.calls.splice(0);
  for (const path of ["a", "big", "dir/b"]) world.remove(path);
  return world;
}

/** Starts the process and lets it check the folder until it is done or has been killed. */
async function run(world: World, process: Process): Promise<void> {
  let over: unknown;
  const work = async () => {
    await process.service.start();
    await process.service.check("u");
    await process.service.finished("u");
  };
  void work().then(
    () => (over = "done"),
    (error: unknown) => (over = error),
  );
  await world.until(() => process.dead || over !== undefined);
  if (!process.dead) expect(over).toBe("done");
}

async function undisturbedCalls(): Promise<number> {
  const world = await newWorld();
  const process = world.boot();
  const calls = process.killAtCall(Number.POSITIVE_INFINITY, "before");
  await run(world, process);
  const made = calls();
  expect(world.bucket()).toEqual({ "u/keep": "k" });
  await world.end();
  return made;
}

function expectAgreement(world: World, fate: Fate, story: string): void {
  const there = Object.entries({ keep: "k", ...fate });
  expect(world.bucket(), story).toEqual(Object.fromEntries(there.map(([path, content]) => [`u/${path}`, content])));
  for (const file of world.files()) {
    const { state, evidence } = file;
    if (file.path in fate || file.path === "keep") expect(state, story).toBe("UPLOADED");
    else expect({ state, evidence }, story).toEqual({ state: "REMOVED", evidence: null });
  }
}

describe("killed while it deletes", async () => {
  const calls = await undisturbedCalls();
  const moments = Array.from({ length: calls }, (_, index) => index + 1);

  test("the undisturbed run makes enough calls for this to mean something", () => {
    expect(calls).toBeGreaterThan(20);
  });

  for (const [name, fate] of Object.entries(FATES)) {
    test.each(["before", "after"] as const)(`%s any call; then the files ${name}`, async (when) => {
      for (const nth of moments) {
        const world = await newWorld();
        const first = world.boot();
        first.killAtCall(nth, when);
        await run(world, first);
        for (const [path, content] of Object.entries(fate)) world.write(path, content);
        await run(world, world.boot());
        await world.end();
        expectAgreement(world, fate, `killed ${when} call ${nth} of ${calls}, files ${name}`);
      }
    });
  }

  test("and again while the next process deletes", async () => {
    for (const nth of moments.filter((moment) => moment % 3 === 0)) {
      for (const again of [4, 9, 14, 19, 24]) {
        const world = await newWorld();
        const first = world.boot();
        first.killAtCall(nth, "after");
        await run(world, first);
        const second = world.boot();
        second.killAtCall(again, "after");
        await run(world, second);
        await run(world, world.boot());
        await world.end();
        expectAgreement(world, {}, `killed after call ${nth}, and again after call ${again}`);
      }
    }
  });
});
