import { describe, expect, test } from "vitest";
import { type FaultedCall, MemorySpools } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { salted, unsalted } from "./support/steps.ts";

const CONTENT = { a: "1", big: "0123456789abcdefghijklmnopqrstuvwxyz", empty: "" };
const AT_ONCE = 4;

/** A machine whose processes die; its disks stay, and `losesSpool` says whether the next process sees what was spooled. */
class Machine {
  readonly world = new World();
  readonly spools: MemorySpools[] = [new MemorySpools()];
  readonly mixtures: string[] = [];
  readonly #spool: boolean;

  constructor(spool: boolean) {
    this.#spool = spool;
    for (const [path, content] of Object.entries(CONTENT)) this.world.write(path, content);
  }

  boot(): Process {
    const spools = this.spools.at(-1) as MemorySpools;
    const process: Process = this.world.boot({
      ...{ concurrency: 2, partConcurrency: 2 },
      pipelines: { p: { steps: [salted()], spool: this.#spool } },
      spool: { folder: spools.folder(() => !process.dead) },
    });
    for (const method of ["putObject", "completeMultipart", "putStream"] as const) {
      const run = async ({ args, proceed }: FaultedCall) => {
        const answer: unknown = await proceed();
        this.#look((args[0] as { readonly key: string }).key);
        return answer;
      };
      process.objects.inject({ method, times: Number.POSITIVE_INFINITY, run } as never);
    }
    return process;
  }

  /** Every object that ever becomes visible is one whole output of its file. */
  #look(key: string): void {
    const path = key.slice("u/".length, -".salted".length) as keyof typeof CONTENT;
    const held = unsalted(Buffer.from(this.world.store.object(BUCKET, key)?.bytes ?? []).toString("latin1"));
    if (held !== CONTENT[path]) this.mixtures.push(`${key} held ${JSON.stringify(held)}`);
  }

  /** Starts the process and lets it work until it has finished or has been killed. */
  async run(process: Process): Promise<void> {
    let over: unknown;
    const work = async () => {
      await process.service.start();
      await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", pipeline: "p" });
      await process.service.finished("u");
    };
    void work().then(
      () => (over = "finished"),
      (error: unknown) => (over = error),
    );
    await this.world.until(() => process.dead || over !== undefined);
    if (!process.dead) expect(over).toBe("finished");
  }

  async expectConverged(story: string): Promise<void> {
    await this.world.end();
    expect(this.mixtures, story).toEqual([]);
    const { store } = this.world;
    for (const [path, content] of Object.entries(CONTENT)) {
      const object = store.object(BUCKET, `u/${path}.salted`);
      expect(unsalted(Buffer.from(object?.bytes ?? []).toString("latin1")), story).toBe(content);
      const file = this.world.files().find((one) => one.path === path);
      expect(file, story).toMatchObject({ state: "UPLOADED", owner: null, transfer: null, size: content.length });
      expect(file?.evidence, story).toMatchObject({ size: object?.bytes.length, checksum: object?.checksum });
    }
    expect(this.world.multiparts(), story).toBe(0);
    expect(this.spools.at(-1)?.files, story).toEqual([]);
  }

  /** Parts and files that were sent, each counted as often. */
  get sent(): number {
    const calls = this.world.store.calls;
    return calls.filter(({ method }) => method === "putObject" || method === "uploadPart").length;
  }
}

async function undisturbed(spool: boolean): Promise<{ readonly calls: number; readonly sent: number }> {
  const machine = new Machine(spool);
  const process = machine.boot();
  const calls = process.killAtCall(Number.POSITIVE_INFINITY, "before");
  await machine.run(process);
  const made = { calls: calls(), sent: machine.sent };
  await machine.world.end();
  return made;
}

describe.each([
  ["spooled", true],
  ["streamed", false],
] as const)(
  "killed at any call while files are %s, started again, every object is one output of its file",
  async (_, spool) => {
    const { calls, sent } = await undisturbed(spool);
    const moments = Array.from({ length: calls }, (_, index) => index + 1);

    test("the undisturbed run makes enough calls for this to mean something", () => {
      expect(calls).toBeGreaterThan(20);
    });

    test.each(["before", "after"] as const)("one kill, %s the call takes effect, at every call", async (when) => {
      for (const nth of moments) {
        const machine = new Machine(spool);
        const first = machine.boot();
        first.killAtCall(nth, when);
        await machine.run(first);
        await machine.run(machine.boot());
        const story = `killed ${when} call ${nth} of ${calls}`;
        await machine.expectConverged(story);
        // The very same output goes on: what had been acknowledged is not sent again.
        if (spool) expect(machine.sent - sent, story).toBeLessThanOrEqual(AT_ONCE);
      }
    });

    test("one kill, and the machine is lost with what it had spooled", async () => {
      for (const nth of moments) {
        const machine = new Machine(spool);
        const first = machine.boot();
        first.killAtCall(nth, "after");
        await machine.run(first);
        machine.spools.push(new MemorySpools());
        await machine.run(machine.boot());
        await machine.expectConverged(`lost after call ${nth} of ${calls}`);
      }
    });

    test("a second kill during the recovery from the first", async () => {
      for (const nth of moments.filter((moment) => moment % 3 === 0)) {
        for (const again of [2, 5, 9, 14, 20, 26]) {
          const machine = new Machine(spool);
          const first = machine.boot();
          first.killAtCall(nth, "after");
          await machine.run(first);
          const second = machine.boot();
          second.killAtCall(again, "after");
          await machine.run(second);
          await machine.run(machine.boot());
          await machine.expectConverged(`killed after call ${nth}, and again after call ${again}`);
        }
      }
    });
  },
);
