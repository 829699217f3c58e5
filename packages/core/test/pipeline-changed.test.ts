import { afterEach, beforeEach, expect, test } from "vitest";
import { defineStep, type ServiceOptions } from "../src/index.ts";
import { MemorySpools } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { salted, unsalted } from "./support/steps.ts";

let world: World;
let spools: MemorySpools;
let asked: number;

beforeEach(() => {
  world = new World();
  spools = new MemorySpools();
  asked = 0;
  world.write("a.txt", "x".repeat(50));
});

afterEach(() => world.end());

/** A service whose check, always of the same name, judges like this. */
function boot(accepted: boolean, options: Partial<ServiceOptions> = {}): Process {
  const guard = defineStep({
    name: "guard",
    check: async () => {
      asked++;
      return { accepted };
    },
  });
  const booted: Process = world.boot({
    pipelines: { p: [guard, salted()] },
    spool: { folder: spools.folder(() => !booted.dead) },
    ...options,
  });
  return booted;
}

const file = () => world.files().find(({ path }) => path === "a.txt");

async function run(process: Process): Promise<void> {
  await process.service.start();
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", pipeline: "p" });
}

/** Lets it live until what it made is spooled, and the first of three parts or so is in the bucket. */
async function killedWhileSending(): Promise<void> {
  const first = boot(true);
  void run(first);
  await world.until(() => world.store.calls.some(({ method }) => method === "uploadPart"));
  first.kill();
  expect([spools.files.length, asked, world.bucket()]).toEqual([1, 1, {}]);
}

test("what an earlier run has spooled is checked again before it is sent: the checks may be others by now", async () => {
  await killedWhileSending();
  const second = boot(false);
  await run(second);
  await expect(world.until(second.service.finished("u"))).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
  expect(file()).toMatchObject({ state: "FAILED", reason: { code: "FILE_REJECTED" } });
  expect([world.bucket(), world.multiparts(), spools.files]).toEqual([{}, 0, []]);
});

test("it is transformed only once, all the same", async () => {
  await killedWhileSending();
  const second = boot(true);
  await run(second);
  await world.until(second.service.finished("u"));
  expect(unsalted(Buffer.from(Object.values(world.bucket())[0] ?? "").toString("latin1"))).toBe("x".repeat(50));
  expect(asked).toBe(2);
  expect(second.named("step:finished").map(({ step }) => step)).toEqual(["guard"]);
});

test("what this run has spooled is not checked again with every attempt", async () => {
  const first = boot(true, { retry: { attempts: 5, baseMs: 1, capMs: 1 } });
  const error = () => new Error("made to");
  first.objects.inject({ method: "uploadPart", times: 3, before: error });
  await run(first);
  await world.until(first.service.finished("u"));
  expect(file()?.state).toBe("UPLOADED");
  expect(file()?.history.some(({ what }) => what === "retry")).toBe(true);
  expect(asked).toBe(1);
});

test("an object whose answer a stop cut off is known as ours elsewhere, where nothing may be overwritten", async () => {
  world.remove("a.txt");
  world.write("a.txt", "x");
  const first = boot(true, { chunkSize: 100 });
  const run = async ({ proceed }: { readonly proceed: () => unknown }) => {
    await proceed();
    return await new Promise(() => {});
  };
  first.objects.inject({ method: "putObject", times: 1, run } as never);
  await first.service.start();
  const spec = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", pipeline: "p" } as const;
  await first.service.register({ ...spec, overwrite: "never" });
  await world.until(() => Object.keys(world.bucket()).length === 1);
  const arrived = world.bucket();
  await world.until(first.service.stop({ signal: AbortSignal.abort() }));
  expect(file()).toMatchObject({ state: "PENDING", attempts: 0 });
  spools = new MemorySpools();
  const second = boot(true, { chunkSize: 100 });
  await second.service.start();
  await world.until(second.service.finished("u"));
  expect(file()).toMatchObject({ state: "UPLOADED", reason: null });
  expect(world.bucket()).toEqual(arrived);
});
