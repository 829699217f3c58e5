import { describe, expect, test } from "vitest";
import { ObjectStoreError, type RegisterOptions } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { filesIn, listing, refuse } from "./support/drop-bed.ts";

const FILES = { a: "1", big: "0123456789abcdefghijklmnopqrstuvwxyz", "dir/b": "22", "dir/deep/c": "333" };
const IN_BUCKET = Object.fromEntries(Object.entries(FILES).map(([path, content]) => [`u/${path}`, content]));
const BAD = { "dir/bad": "never" };
const rejected = () =>
  new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET, key: "u/dir/bad" }, "made to");

/** One way to have files taken away, and what must have become of them in the end. */
interface Case {
  readonly name: string;
  readonly put: string;
  readonly options: Partial<RegisterOptions>;
  readonly bad: boolean;
  readonly check: (world: World, story: string) => void;
}

const CASES: readonly Case[] = [
  {
    name: "a drop folder",
    put: "incoming/",
    options: { drop: {} },
    bad: true,
    check: (world, story) =>
      expect(listing(world), story).toEqual({ incoming: {}, working: {}, done: FILES, failed: BAD }),
  },
  {
    name: "files that are deleted",
    put: "",
    options: { afterUpload: "delete" },
    bad: false,
    check: (world, story) => expect(filesIn(world, SOURCE), story).toEqual({}),
  },
  {
    name: "files that are moved",
    put: "",
    options: { afterUpload: { moveTo: "/archive" } },
    bad: false,
    check: (world, story) => expect([filesIn(world, SOURCE), filesIn(world, "/archive")], story).toEqual([{}, FILES]),
  },
];

function newWorld({ put, bad }: Case): World {
  const world = new World();
  world.volume.unlinkSync(`${SOURCE}/.keep`);
  world.volume.mkdirSync("/archive");
  for (const [path, content] of Object.entries({ ...FILES, ...(bad ? BAD : {}) })) world.write(put + path, content);
  return world;
}

function boot(world: World): Process {
  const process = world.boot({ concurrency: 2, partConcurrency: 2 });
  refuse(process, "u/dir/bad", rejected);
  return process;
}

async function run(world: World, process: Process, { options, bad }: Case): Promise<void> {
  let over: unknown;
  const work = async () => {
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", ...options });
    await process.service.finished("u");
  };
  void work().then(
    () => (over = "finished"),
    (error: { code?: string }) => (over = error.code),
  );
  await world.until(() => process.dead || over !== undefined);
  if (!process.dead) expect(over).toBe(bad ? "UPLOAD_FAILED" : "finished");
}

async function undisturbedCalls(one: Case): Promise<number> {
  const world = newWorld(one);
  const process = boot(world);
  const calls = process.killAtCall(Number.POSITIVE_INFINITY, "before");
  await run(world, process, one);
  await world.end();
  one.check(world, "undisturbed");
  return calls();
}

function expectConverged(world: World, one: Case, story: string): void {
  one.check(world, story);
  expect(world.bucket(), story).toEqual(IN_BUCKET);
  expect(world.multiparts(), story).toBe(0);
  for (const { path, state, owner, transfer } of world.files())
    expect([path, state, owner, transfer], story).toEqual([path, path in BAD ? "FAILED" : "UPLOADED", null, null]);
}

describe.each(CASES)("$name, killed at any call, and started again", async (one) => {
  const calls = await undisturbedCalls(one);
  const moments = Array.from({ length: calls }, (_, index) => index + 1);

  test("the undisturbed run makes enough calls for this to mean something", () => {
    expect(calls).toBeGreaterThan(50);
  });

  test.each(["before", "after"] as const)("one kill, %s the call takes effect, at every call", async (when) => {
    for (const nth of moments) {
      const world = newWorld(one);
      const first = boot(world);
      first.killAtCall(nth, when);
      await run(world, first, one);
      await run(world, boot(world), one);
      await world.end();
      expectConverged(world, one, `killed ${when} call ${nth} of ${calls}`);
    }
  });

  test("a second kill during the recovery from the first", async () => {
    for (const nth of moments.filter((moment) => moment % 6 === 0))
      for (const again of [3, 8, 15, 22, 30]) {
        const world = newWorld(one);
        const first = boot(world);
        first.killAtCall(nth, "after");
        await run(world, first, one);
        const second = boot(world);
        second.killAtCall(again, "after");
        await run(world, second, one);
        await run(world, boot(world), one);
        await world.end();
        expectConverged(world, one, `killed after call ${nth}, and again after call ${again}`);
      }
  });
});
