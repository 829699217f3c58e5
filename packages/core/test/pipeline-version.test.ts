import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineStep, type Step } from "../src/index.ts";
import { Pipelines } from "../src/pipeline/pipelines.ts";
import { MemorySpools } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { salted, unsalted } from "./support/steps.ts";

const identityOf = (...steps: Step[]) => new Pipelines({ p: steps }).get("p")?.identity;
const guard = (version?: string | number) =>
  defineStep({
    name: "guard",
    ...(version === undefined ? {} : { version }),
    check: async () => ({ accepted: true }),
  });

describe("the identity of a pipeline", () => {
  test("without versions is what it was before steps had any", () => {
    expect(identityOf(guard(), salted())).toBe("2df63424");
  });

  test("changes with the version of a check or a transform, and tells each of them", () => {
    const all = [
      identityOf(guard(), salted()),
      identityOf(guard(1), salted()),
      identityOf(guard(), salted("salted", ".salted", 1)),
      identityOf(guard(), salted("salted", ".salted", 2)),
      identityOf(guard(1), salted("salted", ".salted", 1)),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  test("is the same for a number and its digits", () => {
    expect(identityOf(guard(7))).toBe(identityOf(guard("7")));
  });
});

test.each(["", "x".repeat(129), 1.5, -1, Number.NaN, null, {}])("%j is refused as a version", (version) => {
  const step = { name: "guard", version, check: async () => ({ accepted: true }) };
  expect(() => defineStep(step as never)).toThrow(expect.objectContaining({ code: "INVALID_PIPELINE" }));
});

test("a service shows the versions of its steps", () => {
  const { list } = new Pipelines({ p: [guard("2026-01"), salted()] });
  expect(list[0]?.steps).toEqual([
    { name: "guard", kind: "check", version: "2026-01" },
    { name: "salted", kind: "transform", version: null },
  ]);
});

describe("a step whose version changed", () => {
  let world: World;
  let spools: MemorySpools;
  beforeEach(() => {
    world = new World();
    spools = new MemorySpools();
    world.write("a.txt", "x".repeat(50));
  });
  afterEach(() => world.end());

  function boot(version: number | undefined): Process {
    const booted: Process = world.boot({
      pipelines: { p: [salted("salted", ".salted", version)] },
      spool: { folder: spools.folder(() => !booted.dead) },
    });
    return booted;
  }

  async function run({ service }: Process): Promise<void> {
    await service.start();
    await service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", pipeline: "p" });
  }

  const calls = (method: string) => world.store.calls.filter((call) => call.method === method).length;
  const object = () => Buffer.from(Object.values(world.bucket())[0] ?? "").toString("latin1");

  /** Lets a process with the one version die while it sends parts, and one with the other finish. */
  async function handedOver(before: number | undefined, after: number | undefined): Promise<Process> {
    const first = boot(before);
    void run(first);
    await world.until(() => calls("uploadPart") > 0);
    first.kill();
    expect([spools.files.length, world.bucket()]).toEqual([1, {}]);
    const second = boot(after);
    await run(second);
    await world.until(second.service.finished("u"));
    expect(unsalted(object())).toBe("x".repeat(50));
    return second;
  }

  const transformed = (process: Process) => process.named("step:finished").map(({ step }) => step);

  test.each([
    [undefined, 1],
    [1, 2],
    [2, undefined],
  ])("from %s to %s: spool and unfinished multipart upload are made anew", async (before, after) => {
    const second = await handedOver(before, after);
    expect([transformed(second), calls("createMultipart"), calls("abortMultipart")]).toEqual([["salted"], 2, 1]);
    expect([world.multiparts(), spools.files]).toEqual([0, []]);
  });

  test.each([undefined, 1])("the same one, %s, is gone on with", async (version) => {
    const second = await handedOver(version, version);
    expect([transformed(second), calls("createMultipart")]).toEqual([[], 1]);
  });

  test("what was sent stays as it is", async () => {
    const first = boot(1);
    await run(first);
    await world.until(first.service.finished("u"));
    const sent = object();
    first.kill();
    const second = boot(2);
    await second.service.start();
    await world.until(second.service.check("u"));
    await world.until(second.service.finished("u"));
    expect([object(), transformed(second)]).toEqual([sent, []]);
  });
});
