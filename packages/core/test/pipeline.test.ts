import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineStep, type ServiceOptions, type Step, StepError, timelineOf } from "../src/index.ts";
import { MemorySpools } from "../src/testing/index.ts";
import { BUCKET, type Process, World } from "./support/bed.ts";
import { gzipStep, salted, unsalted } from "./support/steps.ts";

let world: World;
let spools: MemorySpools;

beforeEach(() => {
  world = new World();
  spools = new MemorySpools();
});

afterEach(() => world.end());

function boot(steps: readonly Step[], options: Partial<ServiceOptions> & { spooled?: boolean } = {}): Process {
  const { spooled = true, ...rest } = options;
  const pipelines = { p: { steps, spool: spooled } };
  const booted: Process = world.boot({ pipelines, spool: { folder: spools.folder(() => !booted.dead) }, ...rest });
  return booted;
}

const object = (key: string) => world.store.object(BUCKET, key);
const text = (key: string) => Buffer.from(object(key)?.bytes ?? []).toString("latin1");
const file = () => world.files().find(({ path }) => path === "a.txt");

const accepting = (name = "accepts") => defineStep({ name, check: async () => ({ accepted: true, message: "fine" }) });
const refusing = defineStep({ name: "refuses", check: async () => ({ accepted: false, message: "it is no good" }) });

describe("checks", () => {
  test("a file that all accept is sent as it is, and leaves a trace of each", async () => {
    world.write("a.txt", "small");
    const first = boot([accepting("one"), accepting("two")]);
    await first.upload({ pipeline: "p" });
    expect(text("u/a.txt")).toBe("small");
    expect(file()?.steps).toMatchObject([
      { step: "one", outcome: "passed", message: "fine" },
      { step: "two", outcome: "passed" },
    ]);
    expect(first.named("step:finished")).toMatchObject([{ step: "one" }, { step: "two", path: "a.txt" }]);
    expect(spools.files).toEqual([]);
  });

  test("they see the head and all bytes of the file", async () => {
    world.write("a.txt", "0123456789abcdef");
    const seen: string[] = [];
    const looks = defineStep({
      name: "looks",
      check: async (checked) => {
        seen.push(Buffer.from(await checked.head(4)).toString(), Buffer.from(await checked.head(60_000)).toString());
        const chunks: Uint8Array[] = [];
        for await (const chunk of checked.stream()) chunks.push(Uint8Array.from(chunk));
        seen.push(Buffer.concat(chunks).toString());
        return { accepted: checked.size === 16 };
      },
    });
    await boot([looks]).upload({ pipeline: "p" });
    expect(seen).toEqual(["0123", "0123456789abcdef", "0123456789abcdef"]);
    expect(file()?.steps).toMatchObject([{ bytesIn: 4 + 16 + 16, bytesOut: 0 }]);
  });

  test("a refused file is FAILED with step and reason, sends nothing, and asks nobody further", async () => {
    world.write("a.txt", "bad");
    world.write("b.txt", "bad, too");
    const first = boot([accepting(), refusing, accepting()].map((step, n) => ({ ...step, name: `s${n}` })));
    await expect(first.upload({ pipeline: "p" })).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(file()).toMatchObject({
      state: "FAILED",
      reason: { code: "FILE_REJECTED", message: "s1: it is no good" },
      attempts: 1,
    });
    expect(file()?.steps.map(({ outcome }) => outcome)).toEqual(["passed", "rejected"]);
    expect(world.bucket()).toEqual({});
    expect(timelineOf(file() as never).map(({ what }) => what)).toEqual(["discovered", "step", "step", "fail"]);
  });

  test("it is not tried again by time; only when it changes, or somebody asks", async () => {
    world.write("a.txt", "bad");
    let asked = 0;
    const counting = defineStep({
      name: "counts",
      check: async (checked) => {
        asked++;
        return { accepted: Buffer.from(await checked.head(4)).toString() === "good" };
      },
    });
    const first = boot([counting], { requeueFailedAfter: 1_000, stabilityThreshold: 0, monitorInterval: 1_000 });
    await first.service.start();
    await first.service.register({ id: "u", sourceFolder: "/data", bucket: BUCKET, pipeline: "p" });
    await world.until(() => file()?.state === "FAILED");
    await world.clock.advance(30_000);
    expect(asked).toBe(1);
    expect(await world.until(first.service.retry("u"))).toBe(1);
    await world.until(() => asked === 2 && file()?.state === "FAILED");
    world.write("a.txt", "good");
    await world.until(() => file()?.state === "UPLOADED");
    expect(asked).toBe(3);
  });

  test("while one cannot tell, its file waits without a burnt attempt, and others go on", async () => {
    world.write("a.txt", "x");
    world.write("b.txt", "y");
    let down = true;
    let asked = 0;
    const scanner = defineStep({
      name: "scanner",
      check: async ({ path }) => {
        if (path === "a.txt") asked++;
        if (down && path === "a.txt") throw new StepError("STEP_UNAVAILABLE", "nobody listens");
        return { accepted: true };
      },
    });
    const first = boot([scanner], { retry: { attempts: 2, baseMs: 100, capMs: 5_000 } });
    const done = first.upload({ pipeline: "p" });
    await world.until(() => object("u/b.txt") !== undefined);
    await world.clock.advance(120_000);
    expect(file()).toMatchObject({
      state: "PENDING",
      attempts: 0,
      reason: { code: "STEP_UNAVAILABLE", message: "scanner: nobody listens" },
    });
    expect(object("u/a.txt")).toBeUndefined();
    // Less and less often: every 100 ms it would have been 1,200 times.
    expect(asked).toBeLessThan(60);
    expect(asked).toBeGreaterThan(20);
    down = false;
    await done;
    expect(text("u/a.txt")).toBe("x");
    expect(file()?.steps.at(-1)).toMatchObject({ outcome: "passed" });
  });

  test.each([
    ["rejects", async () => Promise.reject(new Error("broken"))],
    [
      "throws at once",
      () => {
        throw new TypeError("broken");
      },
    ],
    ["says nothing", async () => undefined as never],
  ])("one that %s burns attempts until the file is FAILED", async (_, check) => {
    world.write("a.txt", "x");
    const first = boot([defineStep({ name: "odd", check })], { retry: { attempts: 2, baseMs: 1, capMs: 1 } });
    await expect(first.upload({ pipeline: "p" })).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(file()).toMatchObject({ state: "FAILED", attempts: 2, reason: { code: "STEP_FAILED" } });
    expect(file()?.reason?.message).toMatch(/^odd: /);
    expect(file()?.steps.map(({ outcome }) => outcome)).toEqual(["failed", "failed"]);
  });

  test("a check that never ends ends with the service, and the file is given back", async () => {
    world.write("a.txt", "x");
    let asked = false;
    const hangs = defineStep({ name: "hangs", check: () => new Promise(() => (asked = true)) });
    const first = boot([hangs]);
    await first.service.start();
    await first.service.register({ id: "u", sourceFolder: "/data", bucket: BUCKET, mode: "once", pipeline: "p" });
    await world.until(() => asked);
    await world.until(first.service.stop());
    expect(file()).toMatchObject({ state: "PENDING", attempts: 0, reason: null });
    expect(file()?.steps).toMatchObject([{ step: "hangs", outcome: "cancelled" }]);
  });
});

describe("transforms", () => {
  test("what they make is sent under a key of its own, whole or in parts, and the evidence is of both", async () => {
    world.write("a.txt", "tiny");
    world.write("b.txt", "x".repeat(100));
    const first = boot([gzipStep, salted()]);
    await first.upload({ pipeline: "p" });
    for (const [path, content] of [
      ["a.txt", "tiny"],
      ["b.txt", "x".repeat(100)],
    ] as const) {
      const made = object(`u/${path}.gz.salted`);
      expect(gunzipSync(Buffer.from(unsalted(text(`u/${path}.gz.salted`)) ?? "", "latin1")).toString()).toBe(content);
      const record = world.files().find((one) => one.path === path);
      expect(record).toMatchObject({ state: "UPLOADED", size: content.length, key: `u/${path}.gz.salted` });
      expect(record?.evidence).toMatchObject({ size: made?.bytes.length, etag: made?.etag, checksum: made?.checksum });
      expect(made?.settings).toMatchObject({ contentType: "text/plain; charset=utf-8", contentEncoding: "gzip" });
    }
    expect(file()?.steps).toMatchObject([
      { step: "gzip", outcome: "transformed", bytesIn: 4 },
      { step: "salted", outcome: "transformed", bytesOut: object("u/a.txt.gz.salted")?.bytes.length },
    ]);
    expect(first.calls("createMultipart")).toBeGreaterThan(0);
    expect(spools.files).toEqual([]);
    expect(await world.until(first.service.verify("u", { deep: true }))).toMatchObject({ missing: 0, different: 0 });
  });

  test("an untouched file whose times moved is known again by its own checksum", async () => {
    world.write("a.txt", "some text");
    const options = { stabilityThreshold: 0, monitorInterval: 1_000 };
    const first = boot([salted()], options);
    await first.service.start();
    const watched = { id: "u", sourceFolder: "/data", bucket: BUCKET, pipeline: "p", compare: "hash" } as const;
    await first.service.register(watched);
    await world.until(() => file()?.state === "UPLOADED");
    const before = text("u/a.txt.salted");
    const fingerprint = file()?.fingerprint;
    world.touch("a.txt", -30_000);
    await world.until(() => file()?.state === "UPLOADED" && file()?.fingerprint !== fingerprint);
    expect(text("u/a.txt.salted")).toBe(before);
    world.write("a.txt", "some TEXT");
    await world.until(() => text("u/a.txt.salted") !== before);
    expect(unsalted(text("u/a.txt.salted"))).toBe("some TEXT");
  });

  test("what fails in a stream names its step, and leaves nothing in the bucket and the spool", async () => {
    world.write("a.txt", "x".repeat(50));
    const breaks = defineStep({
      name: "breaks",
      transform: () => ({
        stream: async function* (input) {
          for await (const chunk of input) yield chunk;
          throw new Error("at the very end");
        },
      }),
    });
    const first = boot([gzipStep, breaks, salted()], { retry: { attempts: 2, baseMs: 1, capMs: 1 } });
    await expect(first.upload({ pipeline: "p" })).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(file()).toMatchObject({ state: "FAILED", attempts: 2 });
    expect(file()?.reason).toEqual({ code: "STEP_FAILED", message: "breaks: at the very end" });
    expect(
      file()
        ?.steps.slice(-3)
        .map(({ step, outcome }) => `${step} ${outcome}`),
    ).toEqual(["gzip transformed", "breaks failed", "salted cancelled"]);
    expect(world.bucket()).toEqual({});
    expect(spools.files).toEqual([]);
  });

  test.each(["first", "last"])(
    "one that leaves some of its input makes no object of the rest, as the %s step",
    async (place) => {
      world.write("a.txt", "x".repeat(50));
      const greedy = defineStep({
        name: "half",
        transform: () => ({
          stream: async function* (input) {
            for await (const chunk of input) {
              yield chunk.subarray(0, 5);
              return;
            }
          },
        }),
      });
      const first = boot(place === "last" ? [salted(), greedy] : [greedy, salted()], {
        retry: { attempts: 1, baseMs: 1, capMs: 1 },
      });
      await expect(first.upload({ pipeline: "p" })).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
      expect(file()?.reason).toMatchObject({ code: "STEP_FAILED", message: expect.stringMatching(/^half: /) });
      expect(world.bucket()).toEqual({});
    },
  );

  test("a file that changes while it is transformed is sent as it is then, never as a mixture", async () => {
    world.write("a.txt", "x".repeat(200_000));
    let changed = false;
    const slow = defineStep({
      name: "slow",
      transform: () => ({
        stream: async function* (input) {
          for await (const chunk of input) {
            if (!changed) world.write("a.txt", "y".repeat(200_000));
            changed = true;
            yield chunk;
          }
        },
      }),
    });
    const first = boot([slow], { chunkSize: 100_000 });
    await first.upload({ pipeline: "p" });
    expect(text("u/a.txt")).toBe("y".repeat(200_000));
    expect(world.store.calls.filter(({ method }) => method === "completeMultipart")).toHaveLength(1);
  });

  test("a spool that was damaged on disk is never sent as the truth", async () => {
    world.write("a.txt", "x".repeat(60));
    const first = boot([salted()], { retry: { attempts: 4, baseMs: 1, capMs: 1 } });
    let damaged = 0;
    const store = first.objects;
    store.inject({
      method: "createMultipart",
      times: 1,
      run: async ({ proceed }) => {
        for (const bytes of spools.files) {
          bytes[3] = 33;
          damaged++;
        }
        return await proceed();
      },
    });
    await first.upload({ pipeline: "p" });
    expect(damaged).toBe(1);
    expect(unsalted(text("u/a.txt.salted"))).toBe("x".repeat(60));
    expect(world.multiparts()).toBe(0);
    expect(spools.files).toEqual([]);
  });

  test("one file that is too much for the spool is FAILED; others wait for their turn", async () => {
    world.write("a.txt", "x".repeat(500));
    for (const n of [1, 2, 3, 4, 5]) world.write(`b${n}.txt`, "y".repeat(80));
    const folder = spools.folder();
    const first = boot([salted()], { spool: { folder, maxBytes: 200 }, retry: { attempts: 3, baseMs: 1, capMs: 1 } });
    await expect(first.upload({ pipeline: "p" })).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(file()).toMatchObject({ state: "FAILED", reason: { code: "SPOOL_FULL" }, attempts: 1 });
    expect(world.files().filter(({ state }) => state === "UPLOADED")).toHaveLength(5);
    expect(spools.files).toEqual([]);
  });
});

describe("without the spool", () => {
  test("what they make streams out, with evidence of what was sent", async () => {
    world.write("a.txt", "x".repeat(70));
    const first = boot([salted()], { spooled: false });
    await first.upload({ pipeline: "p" });
    expect(unsalted(text("u/a.txt.salted"))).toBe("x".repeat(70));
    const made = object("u/a.txt.salted");
    expect(file()?.evidence).toMatchObject({ size: 77, etag: made?.etag, checksum: made?.checksum });
    expect(first.calls("putStream")).toBe(1);
    expect(world.multiparts()).toBe(0);
  });

  test("an upload that must not overwrite is refused", async () => {
    const first = boot([salted()], { spooled: false });
    const options = { id: "u", sourceFolder: "/data", bucket: BUCKET, pipeline: "p", overwrite: "never" } as const;
    await expect(first.service.register(options)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  test("a failed stream starts over, and never shows a part of it", async () => {
    world.write("a.txt", "x".repeat(70));
    let runs = 0;
    const fails = defineStep({
      name: "fails",
      transform: () => ({
        stream: async function* (input) {
          for await (const chunk of input) yield chunk;
          if (++runs < 3) throw new Error("not yet");
        },
      }),
    });
    const first = boot([fails], { spooled: false, retry: { attempts: 5, baseMs: 1, capMs: 1 } });
    await first.upload({ pipeline: "p" });
    expect([runs, text("u/a.txt")]).toEqual([3, "x".repeat(70)]);
    expect(world.multiparts()).toBe(0);
  });
});

describe("names", () => {
  test("an unknown pipeline is refused before anything is touched", async () => {
    const first = boot([accepting()]);
    const options = { id: "u", sourceFolder: "/nowhere", bucket: "none", pipeline: "q" };
    await expect(first.service.register(options)).rejects.toMatchObject({ code: "PIPELINE_UNKNOWN" });
    expect(await first.service.list()).toEqual([]);
  });

  test("files of an upload whose pipeline is missing wait, with one warning, for a service that has it", async () => {
    world.write("a.txt", "x");
    const first = boot([salted()]);
    await first.service.register({ id: "u", sourceFolder: "/data", bucket: BUCKET, mode: "once", pipeline: "p" });
    await world.until(first.service.stop());
    const without = world.boot();
    await without.service.start();
    await world.clock.advance(120_000);
    expect(without.named("warning")).toMatchObject([{ code: "PIPELINE_UNKNOWN", uploadId: "u" }]);
    expect(world.bucket()).toEqual({});
    const having = boot([salted()]);
    await having.service.start();
    await world.until(having.service.finished("u"));
    expect(unsalted(text("u/a.txt.salted"))).toBe("x");
  });

  test("the pipeline is one of an upload's settings", async () => {
    const first = boot([salted()]);
    const options = { id: "u", sourceFolder: "/data", bucket: BUCKET };
    const { spec } = await first.service.register({ ...options, pipeline: "p" });
    expect(spec).toMatchObject({ pipeline: "p", keySuffix: ".salted" });
    await expect(first.service.register(options)).rejects.toMatchObject({ code: "UPLOAD_EXISTS" });
  });
});
