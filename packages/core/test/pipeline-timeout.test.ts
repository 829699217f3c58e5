import { Transform } from "node:stream";
import { TransformStream } from "node:stream/web";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type ByteTransform,
  defineStep,
  type FileChange,
  type OpenFile,
  type ServiceOptions,
  type SourceRoot,
  type Step,
} from "../src/index.ts";
import { type FaultedCall, MemorySpools } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { salted, unsalted } from "./support/steps.ts";

const TIMEOUT = 60_000;
const never = () => new Promise<never>(() => {});

let world: World;
let spools: MemorySpools;

beforeEach(() => {
  world = new World();
  spools = new MemorySpools();
  world.write("a.txt", "x".repeat(200_000));
});

afterEach(() => world.end());

function boot(steps: readonly Step[], spool = true, options: Partial<ServiceOptions> = {}): Process {
  const booted: Process = world.boot({
    pipelines: { p: { steps, spool } },
    spool: { folder: spools.folder(() => !booted.dead) },
    chunkSize: 300_000,
    stepTimeout: TIMEOUT,
    retry: { attempts: 2, baseMs: 1, capMs: 1 },
    ...options,
  });
  return booted;
}

const file = () => world.files().find(({ path }) => path === "a.txt");
const outcomes = () => file()?.steps.map(({ step, outcome }) => `${step} ${outcome}`);

async function expectTimedOut(first: Process, step: string): Promise<void> {
  await expect(first.upload({ pipeline: "p" })).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
  const message = `${step}: it has made no progress for 60 s (stepTimeout).`;
  expect(file()).toMatchObject({ state: "FAILED", attempts: 2, reason: { code: "STEP_TIMEOUT", message } });
  expect(world.bucket()).toEqual({});
  expect(world.multiparts()).toBe(0);
  expect(spools.files).toEqual([]);
}

describe("a check that hangs", () => {
  test("fails the attempt, is told to end, and gets no more bytes; others go on meanwhile", async () => {
    world.write("b.txt", "small");
    const signals: AbortSignal[] = [];
    const late: unknown[] = [];
    const hangs = defineStep({
      name: "hangs",
      check: async (checked) => {
        if (checked.path === "b.txt") return { accepted: true };
        signals.push(checked.signal);
        await new Promise((resolve) => checked.signal.addEventListener("abort", resolve));
        return await checked.head(1).then(
          () => ({ accepted: true }),
          (error: { readonly code?: string }) => {
            late.push(error.code);
            throw error;
          },
        );
      },
    });
    const first = boot([hangs]);
    await expect(first.upload({ pipeline: "p" })).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(world.bucket()).toEqual({ "u/b.txt": "small" });
    expect(file()?.reason?.code).toBe("STEP_TIMEOUT");
    expect(outcomes()).toEqual(["hangs failed", "hangs failed"]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(late).toEqual(["STEP_TIMEOUT", "STEP_TIMEOUT"]);
  });

  test.each([
    ["before it has read anything", async () => {}],
    [
      "in the middle of the file",
      async (bytes: AsyncIterable<Uint8Array>) => {
        await bytes[Symbol.asyncIterator]().next();
      },
    ],
  ])("%s is tried again, and then FAILED", async (_, read) => {
    const check = async (checked: { stream(): AsyncIterable<Uint8Array> }) => {
      await read(checked.stream());
      return await never();
    };
    await expectTimedOut(boot([defineStep({ name: "hangs", check }), salted()]), "hangs");
  });

  test("one that is slow, but goes on, may take as long as it needs", async () => {
    const slow = defineStep({
      name: "slow",
      check: async (checked) => {
        for await (const _ of checked.stream()) await world.clock.sleep(TIMEOUT - 1);
        return { accepted: true };
      },
    });
    await boot([slow]).upload({ pipeline: "p" });
    const [trace] = file()?.steps ?? [];
    expect(trace).toMatchObject({ outcome: "passed" });
    expect((trace?.endedAt ?? 0) - (trace?.startedAt ?? 0)).toBeGreaterThan(2 * TIMEOUT);
  });

  test("nothing of it is left behind: neither a sleep, nor a signal that aborts afterwards", async () => {
    const signals: AbortSignal[] = [];
    const check = async ({ signal }: { readonly signal: AbortSignal }) => {
      signals.push(signal);
      return { accepted: true };
    };
    const first = boot([defineStep({ name: "fine", check })]);
    await first.upload({ pipeline: "p" });
    await world.end();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    expect(world.clock.sleeping).toBe(0);
  });
});

/** Passes the first bytes on, and then stands still. */
const HANGING: Readonly<Record<string, () => ByteTransform>> = {
  generator: () =>
    async function* (input) {
      for await (const chunk of input) {
        yield chunk;
        await never();
      }
    },
  "node stream": () => {
    let seen = 0;
    return new Transform({
      transform(chunk, _, done) {
        if (seen++ === 0) done(null, chunk);
      },
    });
  },
  "web stream": () => {
    let seen = 0;
    return new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        if (seen++ > 0) await never();
        controller.enqueue(chunk);
      },
    });
  },
};

describe.each([
  ["spooled", true],
  ["streamed", false],
])("a transform that hangs, %s", (_, spool) => {
  test.each(Object.keys(HANGING))("as a %s, wherever it stands, is blamed and nobody else", async (kind) => {
    const hangs = defineStep({ name: "hangs", transform: () => ({ stream: HANGING[kind]?.() as ByteTransform }) });
    await expectTimedOut(boot([salted("one"), hangs, salted("two")], spool), "hangs");
    expect(outcomes()?.filter((text) => text.startsWith("hangs"))).toEqual(["hangs failed", "hangs failed"]);
    expect(outcomes()?.filter((text) => text.startsWith("two"))).toEqual(["two cancelled", "two cancelled"]);
  });

  test("before it has given its stream", async () => {
    await expectTimedOut(boot([salted("one"), defineStep({ name: "hangs", transform: never })], spool), "hangs");
  });

  test("one that is slow, but goes on, may take as long as it needs", async () => {
    const slow = defineStep({
      name: "slow",
      transform: () => ({
        stream: async function* (input) {
          for await (const chunk of input) {
            await world.clock.sleep(TIMEOUT - 1);
            yield chunk;
          }
        },
      }),
    });
    await boot([slow, salted()], spool).upload({ pipeline: "p" });
    const bytes = world.store.objects("bucket").map(({ key }) => world.store.object("bucket", key)?.bytes ?? []);
    expect(unsalted(Buffer.from(bytes[0] ?? []).toString("latin1"))).toBe("x".repeat(200_000));
  });
});

const reads = defineStep({
  name: "reads",
  check: async (checked) => {
    for await (const _ of checked.stream());
    return { accepted: true };
  },
});

/** Every read of a source file takes longer than a step may. */
function slowDisk(root: SourceRoot): SourceRoot {
  const slow = (file: OpenFile): OpenFile => ({
    stat: () => file.stat(),
    read: async (...args) => {
      await world.clock.sleep(TIMEOUT + 1_000);
      return await file.read(...args);
    },
    close: () => file.close(),
  });
  return {
    path: root.path,
    facts: root.facts,
    readFolder: (path) => root.readFolder(path),
    stat: (path, options) => root.stat(path, options),
    open: async (path, options) => slow(await root.open(path, options)),
  };
}

describe("what is no step's fault", () => {
  test("whoever takes the output may take longer", async () => {
    const first = boot([salted()], false, { requestTimeout: 3_600_000 });
    await first.upload({ pipeline: "p", bandwidthLimit: 1_000 });
    expect(outcomes()).toEqual(["salted transformed"]);
    const [trace] = file()?.steps ?? [];
    expect((trace?.endedAt ?? 0) - (trace?.startedAt ?? 0)).toBeGreaterThan(2 * TIMEOUT);
  });

  test("so may the disk that holds the file", async () => {
    const first = boot([reads, salted()]);
    const run = async ({ proceed }: { readonly proceed: () => unknown }) => slowDisk((await proceed()) as SourceRoot);
    first.fileSystem.inject({ method: "openRoot", times: Number.POSITIVE_INFINITY, run } as never);
    await first.upload({ pipeline: "p" });
    expect(outcomes()).toEqual(["reads passed", "salted transformed"]);
  });
});

describe("the signal of a step", () => {
  test("aborts, and its stream is closed, when the file is lost to another owner before a byte has flowed", async () => {
    let signal: AbortSignal | undefined;
    let stream: Transform | undefined;
    const waits = defineStep({
      name: "waits",
      transform: (told) => {
        signal = told.signal;
        stream = new Transform({ transform: (chunk, _, done) => done(null, chunk) });
        return { stream };
      },
    });
    const first = boot([waits], false);
    const isIntent = (changes: readonly FileChange[]) => changes.some(({ after }) => after?.transfer);
    const run = async ({ args }: FaultedCall) => (args[0] as readonly FileChange[]).map(() => "conflict");
    first.state.inject({ method: "commit", times: 1, when: isIntent, run } as never);
    await first.service.start();
    await first.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", pipeline: "p" });
    await world.until(() => signal?.aborted === true && stream?.destroyed === true);
    expect(world.bucket()).toEqual({});
  });

  test("aborts when another step of the pipeline fails, and its stream is closed", async () => {
    const signals: AbortSignal[] = [];
    const streams: Transform[] = [];
    const waits = defineStep({
      name: "waits",
      transform: ({ signal }) => {
        signals.push(signal);
        const stream = new Transform({ transform: (chunk, _, done) => done(null, chunk) });
        streams.push(stream);
        return { stream };
      },
    });
    const broken = () => {
      throw new Error("no key");
    };
    await expect(
      boot([waits, defineStep({ name: "breaks", transform: broken })]).upload({ pipeline: "p" }),
    ).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(file()?.reason).toEqual({ code: "STEP_FAILED", message: "breaks: no key" });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });
});
