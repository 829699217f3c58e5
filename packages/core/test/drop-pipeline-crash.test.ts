import { describe, expect, test } from "vitest";
import { defineStep, type RegisterOptions } from "../src/index.ts";
import { MemorySpools } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { filesIn, listing } from "./support/drop-bed.ts";
import { salted, unsalted } from "./support/steps.ts";

const FILES = { a: "1", big: "0123456789abcdefghijklmnopqrstuvwxyz", "dir/b": "22" };
const BAD = { "dir/bad": "never, and longer than a part" };
const PUT: Readonly<Record<string, string>> = { ...FILES, ...BAD };

/** Judges by what is in the file, not by its name. */
const guard = defineStep({
  name: "guard",
  check: async (checked) => ({ accepted: !Buffer.from(await checked.head(5)).equals(Buffer.from("never")) }),
});

/** One way to have files taken away, and where what is left of them must lie. */
interface Case {
  readonly name: string;
  readonly put: string;
  readonly options: Partial<RegisterOptions>;
  readonly spool: boolean;
  readonly expectPlaces: (world: World, story: string) => void;
}

const inDrop: Case["expectPlaces"] = (world, story) =>
  expect(listing(world), story).toEqual({ incoming: {}, working: {}, done: FILES, failed: BAD });
const deleted: Case["expectPlaces"] = (world, story) => expect(filesIn(world, SOURCE), story).toEqual(BAD);

const CASES: readonly Case[] = [
  { name: "a drop folder", put: "incoming/", options: { drop: {} }, spool: true, expectPlaces: inDrop },
  { name: "a drop folder, streamed", put: "incoming/", options: { drop: {} }, spool: false, expectPlaces: inDrop },
  { name: "files that are deleted", put: "", options: { afterUpload: "delete" }, spool: true, expectPlaces: deleted },
];

class Machine {
  readonly world = new World();
  readonly spools = new MemorySpools();
  readonly #case: Case;

  constructor(one: Case) {
    this.#case = one;
    this.world.volume.unlinkSync(`${SOURCE}/.keep`);
    for (const [path, content] of Object.entries(PUT)) this.world.write(one.put + path, content);
  }

  boot(): Process {
    const process: Process = this.world.boot({
      ...{ concurrency: 2, partConcurrency: 2 },
      pipelines: { p: { steps: [guard, salted()], spool: this.#case.spool } },
      spool: { folder: this.spools.folder(() => !process.dead) },
    });
    return process;
  }

  /** Lets the process work until it has finished or has been killed. */
  async run(process: Process): Promise<void> {
    let over: unknown;
    const { options } = this.#case;
    const spec = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", pipeline: "p", ...options } as const;
    const work = async () => {
      await process.service.start();
      await process.service.register(spec);
      await process.service.finished("u");
    };
    void work().then(
      () => (over = "finished"),
      (error: { code?: string }) => (over = error.code),
    );
    await this.world.until(() => process.dead || over !== undefined);
    if (!process.dead) expect(over).toBe("UPLOAD_FAILED");
  }

  sent(path: string): string | undefined {
    const object = this.world.store.object(BUCKET, `u/${path}.salted`);
    return object && unsalted(Buffer.from(object.bytes).toString("latin1"));
  }

  /** Whatever has happened so far: no file is in two places, and none is nowhere unless the bucket holds all of it. */
  expectNothingLost(story: string): void {
    const places = this.#case.options.drop ? Object.values(listing(this.world)) : [filesIn(this.world, SOURCE)];
    for (const [path, content] of Object.entries(PUT)) {
      const found = places.map((place) => place[path]).filter((text) => text !== undefined);
      const deletable = this.#case.options.drop === undefined && this.sent(path) === content;
      expect(found, `${path}, ${story}`).toEqual(deletable && found.length === 0 ? [] : [content]);
    }
  }

  async expectConverged(story: string): Promise<void> {
    await this.world.end();
    this.#case.expectPlaces(this.world, story);
    for (const [path, content] of Object.entries(FILES)) expect(this.sent(path), `${path}, ${story}`).toBe(content);
    expect(Object.keys(this.world.bucket()).length, story).toBe(Object.keys(FILES).length);
    expect([this.world.multiparts(), this.spools.files], story).toEqual([0, []]);
    for (const { path, state, owner, transfer } of this.world.files())
      expect([path, state, owner, transfer], story).toEqual([path, path in BAD ? "FAILED" : "UPLOADED", null, null]);
  }
}

async function undisturbedCalls(one: Case): Promise<number> {
  const machine = new Machine(one);
  const process = machine.boot();
  const calls = process.killAtCall(Number.POSITIVE_INFINITY, "before");
  await machine.run(process);
  await machine.expectConverged("undisturbed");
  return calls();
}

describe.each(CASES)(
  "$name with a pipeline that refuses a file, killed at any call, and started again",
  async (one) => {
    const calls = await undisturbedCalls(one);
    const moments = Array.from({ length: calls }, (_, index) => index + 1);

    test("the undisturbed run makes enough calls for this to mean something", () => {
      expect(calls).toBeGreaterThan(40);
    });

    test.each(["before", "after"] as const)("one kill, %s the call takes effect, at every call", async (when) => {
      for (const nth of moments) {
        const machine = new Machine(one);
        const first = machine.boot();
        first.killAtCall(nth, when);
        await machine.run(first);
        const story = `killed ${when} call ${nth} of ${calls}`;
        machine.expectNothingLost(story);
        await machine.run(machine.boot());
        await machine.expectConverged(story);
      }
    });

    test("a second kill during the recovery from the first", async () => {
      for (const nth of moments.filter((moment) => moment % 7 === 0))
        for (const again of [4, 11, 19, 28]) {
          const machine = new Machine(one);
          const first = machine.boot();
          first.killAtCall(nth, "after");
          await machine.run(first);
          const second = machine.boot();
          second.killAtCall(again, "after");
          await machine.run(second);
          const story = `killed after call ${nth}, and again after call ${again}`;
          machine.expectNothingLost(story);
          await machine.run(machine.boot());
          await machine.expectConverged(story);
        }
    });
  },
);

test("empty folders that a dead process has left in working/ are removed by the next one", async () => {
  const world = new World();
  for (const path of ["old/deep/er", "old/other", "busy"])
    world.volume.mkdirSync(`${SOURCE}/working/${path}`, { recursive: true });
  world.write("working/busy/a", "1");
  const process = world.boot();
  await process.upload({ drop: {} });
  await world.end();
  expect(world.volume.readdirSync(`${SOURCE}/working`)).toEqual([]);
  expect(listing(world).done).toEqual({ "busy/a": "1" });
});
