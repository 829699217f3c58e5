import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ObjectErrorKind, ObjectStoreError, SourceError } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const BIG = "0123456789abcdefghijklmnopqrstuvwxyz";
const ALWAYS = Number.POSITIVE_INFINITY;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

const failure = (kind: ObjectErrorKind, status?: number) => () =>
  new ObjectStoreError({ kind, operation: "putObject", bucket: BUCKET, status }, `made to fail: ${kind}`);

async function start(process: Process, options: object = {}): Promise<void> {
  await process.service.start();
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", ...options } as never);
}

const finish = (process: Process) => world.until(process.service.finished("u"));

describe("a ledger that fails once strands no file", () => {
  test.each([2, 3, 4, 5, 6, 7, 8])("commit %i of a multipart file", async (nth) => {
    world.write("big", BIG);
    const process = world.boot({ partConcurrency: 2 });
    const broken = process.state.inject({ method: "commit", nth, before: () => new Error("I/O error") });
    await process.upload();
    expect(broken.fired).toBe(1);
    expect(world.bucket()).toEqual({ "u/big": BIG });
    expect(world.multiparts()).toBe(0);
  });

  test("a claim whose answer is lost", async () => {
    for (let n = 0; n < 8; n++) world.write(`f${n}`, "x");
    const process = world.boot();
    const lost = process.state.inject({ method: "claim", after: () => new Error("connection lost") });
    await process.upload();
    expect(lost.fired).toBe(1);
    expect(process.calls("putObject")).toBe(8);
  });

  test("files that could not be given back at a pause", async () => {
    for (let n = 0; n < 20; n++) world.write(`f${n}`, "x");
    const process = world.boot({ concurrency: 2 });
    process.objects.inject({ method: "putObject", times: ALWAYS, delayMs: 50 });
    await start(process);
    await world.until(() => process.named("file:uploaded").length > 2);
    process.state.inject({ method: "commit", before: () => new Error("I/O error") });
    await world.until(process.service.pause("u").catch(() => {}));
    await world.until(() => world.files().every((file) => file.state !== "IN_PROGRESS"));
    await process.service.resume("u");
    await finish(process);
  });
});

describe("who holds what", () => {
  test("a restart under the same name rescues what its dead namesake held", async () => {
    for (let n = 0; n < 8; n++) world.write(`f${n}`, "x");
    const first = world.boot({ owner: "host-1" });
    const stuck = first.objects.inject({ method: "putObject", times: ALWAYS, hang: "before" });
    await start(first);
    await world.until(() => stuck.fired === 5);
    first.kill();
    const second = world.boot({ owner: "host-1" });
    await second.service.start();
    await finish(second);
    expect(Object.keys(world.bucket())).toHaveLength(8);
  });

  test("a service that the ledger does not hear any more lets go before others take over", async () => {
    world.write("a", "old");
    const deaf = world.boot({ lease: 30_000 });
    const heartbeat = deaf.state.inject({
      method: "heartbeat",
      nth: 2,
      times: ALWAYS,
      before: () => new Error("cut off"),
    });
    const slow = deaf.objects.inject({ method: "putObject", times: ALWAYS, hang: "before" });
    await start(deaf, { mode: "watch" });
    await world.until(() => slow.fired === 1);
    const heir = world.boot({ lease: 30_000, stabilityThreshold: 0 });
    await heir.service.start();
    await finish(heir);
    world.write("a", "newer");
    await world.until(heir.service.check("u"));
    await finish(heir);
    slow.remove();
    await world.clock.advance(120_000);
    expect(heartbeat.fired).toBeGreaterThan(2);
    expect(world.bucket()).toEqual({ "u/a": "newer" });
    expect(deaf.named("file:uploaded")).toEqual([]);
    heartbeat.remove();
  });

  test("a put that arrives after its file was taken over is found out and mended", async () => {
    world.write("a", "old");
    const zombie = world.boot({ requestTimeout: 600_000 });
    // As after a stop of the whole machine: it believes in a lease that the ledger has seen run out.
    zombie.state.inject({ method: "heartbeat", nth: 2, times: 20, run: async () => {} });
    let land = () => {};
    const frozen = zombie.objects.inject({
      method: "putObject",
      run: ({ proceed }) =>
        new Promise((resolve) => {
          land = () => resolve(proceed());
        }),
    });
    await start(zombie, { mode: "watch" });
    await world.until(() => frozen.fired === 1);
    const heir = world.boot({ stabilityThreshold: 0, monitorInterval: 1_000 });
    await heir.service.start();
    world.write("a", "newer");
    await world.until(() => world.bucket()["u/a"] === "newer");
    await finish(heir);
    land();
    await world.clock.advance(1);
    expect(world.bucket()).toEqual({ "u/a": "old" });
    await world.until(() => world.bucket()["u/a"] === "newer");
    zombie.kill();
  });

  test("after a cancel nothing is begun any more, by nobody", async () => {
    for (let n = 0; n < 60; n++) world.write(`f${String(n).padStart(2, "0")}`, n > 40 ? BIG : "x");
    const [ours, theirs] = [world.boot({ concurrency: 2 }), world.boot({ concurrency: 2 })];
    for (const process of [ours, theirs]) {
      process.objects.inject({ method: "putObject", times: ALWAYS, delayMs: 300 });
      await start(process);
    }
    await world.until(() => theirs.named("file:uploaded").length > 2);
    await world.until(ours.service.cancel("u"));
    await world.clock.advance(120_000);
    expect(world.multiparts()).toBe(0);
    const there = Object.keys(world.bucket()).length;
    expect(there).toBeLessThan(45);
    await world.clock.advance(120_000);
    expect(Object.keys(world.bucket())).toHaveLength(there);
    expect(await ours.service.get("u")).toMatchObject({ state: "CANCELLED", cleanupDue: false });
  });

  test("a cancel from another process cleans up what was only about to begin", async () => {
    world.write("big", BIG);
    const worker = world.boot();
    const late = worker.objects.inject({ method: "headObject", delayMs: 5_000 });
    worker.objects.inject({ method: "uploadPart", times: ALWAYS, hang: "before" });
    await start(worker);
    await world.until(() => late.fired === 1);
    const operator = world.boot();
    await operator.service.cancel("u");
    await world.clock.advance(7_000);
    expect(world.multiparts()).toBe(1);
    await world.until(() => world.multiparts() === 0);
    await world.clock.advance(30_000);
    expect(await operator.service.get("u")).toMatchObject({ state: "CANCELLED", cleanupDue: false });
  });

  test("a multipart upload that is created after the file was lost is aborted", async () => {
    world.write("big", BIG);
    const zombie = world.boot();
    let land = () => {};
    const frozen = zombie.objects.inject({
      method: "createMultipart",
      run: ({ proceed }) =>
        new Promise((resolve) => {
          land = () => resolve(proceed());
        }),
    });
    await start(zombie);
    await world.until(() => frozen.fired === 1);
    zombie.state.inject({ method: "heartbeat", times: 6, run: () => new Promise<never>(() => {}) });
    const heir = world.boot();
    await heir.service.start();
    await finish(heir);
    land();
    await world.clock.advance(5_000);
    expect(world.multiparts()).toBe(0);
    expect(world.bucket()).toEqual({ "u/big": BIG });
    zombie.kill();
  });
});

describe("evidence", () => {
  test("an old version put back after an unrecorded newer one arrived is sent, not believed to stand", async () => {
    world.write("a", "v1");
    const { mtimeMs } = world.volume.statSync(`${SOURCE}/a`);
    const first = world.boot({ stabilityThreshold: 0, monitorInterval: 1_000 });
    await first.upload({ mode: "watch" });
    world.write("a", "v2");
    const dies = first.objects.inject({
      method: "putObject",
      run: async ({ proceed }) => {
        await proceed();
        first.kill();
        return await new Promise<never>(() => {});
      },
    });
    await world.until(() => dies.fired === 1 && world.bucket()["u/a"] === "v2");
    world.volume.writeFileSync(`${SOURCE}/a`, "v1");
    world.volume.utimesSync(`${SOURCE}/a`, mtimeMs / 1000, mtimeMs / 1000);
    const second = world.boot({ stabilityThreshold: 0, monitorInterval: 1_000 });
    await second.service.start();
    await world.until(() => world.bucket()["u/a"] === "v1");
    await finish(second);
  });

  test("a store that keeps no checksum of the whole is said so at once, and the file not sent five times", async () => {
    world.write("big", BIG);
    const process = world.boot();
    const { port } = process.objects;
    process.objects.inject({
      method: "headObject",
      times: ALWAYS,
      run: async ({ proceed }) => {
        const object = (await proceed()) as object | undefined;
        return object && { ...object, checksum: undefined };
      },
    });
    expect(port.capabilities.checksums).toBe(true);
    await start(process);
    await expect(finish(process)).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    await process.expectFile("big", { state: "FAILED", reason: { code: "OBJECT_UNSUPPORTED" } });
    expect(process.calls("uploadPart")).toBe(5);
  });

  test("age limits choose what is sent; what was sent stays when it grows old", async () => {
    world.write("a", "1");
    const process = world.boot({ monitorInterval: 60_000 });
    await process.upload({ mode: "watch", maxAge: 600_000 });
    await world.clock.advance(1_800_000);
    await process.expectFile("a", { state: "UPLOADED" });
  });
});

describe("one refusal is not everybody's", () => {
  test.each([1, 4])("a file that is denied delays nobody, with %i at once", async (concurrency) => {
    world.write("a.exe", "refused");
    for (let n = 0; n < 30; n++) world.write(`b${n}`, "x");
    const process = world.boot({ concurrency, monitorInterval: 10_000, requeueFailedAfter: 60_000 });
    process.objects.inject({
      method: "putObject",
      times: ALWAYS,
      when: (request) => request.key === "u/a.exe",
      before: failure("denied"),
    });
    await start(process, { mode: "watch" });
    await world.until(() => Object.keys(world.bucket()).length === 30);
    await world.until(() => process.named("file:failed").length > 0);
    await process.expectFile("a.exe", { state: "FAILED", reason: { code: "ACCESS_DENIED" } });
  });

  test.each([
    ["a gateway that answers 502 for everybody", "transient", 502],
    ["a store that asks everybody to slow down", "throttled", 503],
  ] as const)("%s is waited for", async (_, kind, status) => {
    for (let n = 0; n < 10; n++) world.write(`f${n}`, "x");
    const process = world.boot({ retry: { attempts: 2 } });
    const puts = process.objects.inject({ method: "putObject", times: ALWAYS, before: failure(kind, status) });
    const heads = process.objects.inject({
      method: "checkBucket",
      nth: 2,
      times: ALWAYS,
      before: failure(kind, status),
    });
    await start(process);
    await world.clock.advance(1_800_000);
    expect(process.named("file:failed")).toEqual([]);
    expect(puts.fired).toBeGreaterThan(10);
    for (const fault of [puts, heads]) fault.remove();
    await finish(process);
  });

  test("a folder that cannot be opened stops only its own upload", async () => {
    world.write("a", "1");
    world.volume.mkdirSync("/other", { recursive: true });
    world.volume.writeFileSync("/other/b", "2");
    const process = world.boot();
    process.fileSystem.inject({
      method: "openRoot",
      when: (path) => path === SOURCE,
      nth: 3,
      times: ALWAYS,
      run: () => new Promise<never>(() => {}),
    });
    await start(process);
    await process.service.register({ id: "v", sourceFolder: "/other", bucket: BUCKET, mode: "once" });
    await world.until(process.service.finished("v"));
    process.kill();
  });

  test("a one-shot upload of a folder that cannot be read in full does not end as COMPLETED", async () => {
    world.write("a", "1");
    world.write("sub/b", "2");
    const process = world.boot();
    const hidden = { unreadable: true };
    process.fileSystem.inject({
      method: "openRoot",
      times: ALWAYS,
      run: async ({ proceed }) => {
        const root = (await proceed()) as Awaited<ReturnType<typeof process.fileSystem.port.openRoot>>;
        const readFolder = async (path: string) => {
          if (path === "sub" && hidden.unreadable) throw new SourceError("SOURCE_NOT_READABLE", "sub may not be read.");
          return await root.readFolder(path);
        };
        return Object.assign(Object.create(root), {
          facts: root.facts,
          path: root.path,
          readFolder,
          stat: root.stat.bind(root),
          open: root.open.bind(root),
        });
      },
    });
    await start(process);
    await expect(finish(process)).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(await process.service.get("u")).toMatchObject({ reason: { code: "SOURCE_NOT_READABLE" } });
    expect(world.bucket()).toEqual({ "u/a": "1" });
    hidden.unreadable = false;
    await world.until(process.service.retry("u"));
    await finish(process);
    expect(world.bucket()).toEqual({ "u/a": "1", "u/sub/b": "2" });
  });
});

describe("start and stop", () => {
  test("a start that fails stops everything that it began", async () => {
    const process = world.boot();
    process.state.inject({ method: "rescue", before: () => new Error("busy") });
    await expect(world.until(process.service.start())).rejects.toThrow("busy");
    expect(world.clock.sleeping).toBe(0);
    expect(world.ledger.leases.size).toBe(0);
  });

  test("a scan that hangs does not keep a second stop waiting", async () => {
    world.write("a", "1");
    const process = world.boot();
    process.fileSystem.inject({ method: "openRoot", nth: 2, times: ALWAYS, run: () => new Promise<never>(() => {}) });
    await start(process);
    await world.clock.advance(1_000);
    const stopping = process.service.stop();
    await world.clock.advance(1_000);
    await world.until(process.service.stop());
    await stopping;
    process.dead = true;
  });

  test("a host's own store that throws plain errors ends no process", async () => {
    world.write("a", "1");
    const process = world.boot();
    process.state.inject({ method: "counters", nth: 3, times: 3, before: () => new Error("plain") });
    await start(process);
    await finish(process);
  });

  test("a check with an aborted signal begins nothing", async () => {
    world.write("a", "1");
    const process = world.boot();
    await process.upload({ mode: "watch" });
    const opened = process.fileSystem.inject({ method: "openRoot", times: ALWAYS, before: () => new Error("no") });
    const reason = new Error("enough");
    await expect(process.service.check("u", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(opened.fired).toBe(0);
  });
});
