import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FileChange, ObjectStoreError } from "../src/index.ts";
import { MemoryObjectStore } from "../src/testing/memory-object-store.ts";
import { BUCKET, SOURCE, World } from "./support/bed.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

const hasParts = (changes: readonly FileChange[]) => changes.some(({ parts }) => parts !== undefined);

describe("the main job", () => {
  test("every matching file is in the bucket, with its bytes, and the upload is COMPLETED", async () => {
    world.write("a.txt", "hello");
    world.write("deep/er/b.bin", "0123456789abcdef0123456789");
    world.write("empty", "");
    const process = world.boot();
    const upload = await process.upload();
    expect(upload.state).toBe("COMPLETED");
    expect(world.bucket()).toEqual({
      "u/a.txt": "hello",
      "u/deep/er/b.bin": "0123456789abcdef0123456789",
      "u/empty": "",
    });
    expect(upload.progress).toMatchObject({
      filesTotal: 3,
      filesUploaded: 3,
      filesPending: 0,
      fraction: 1,
      bytesUploaded: 31,
    });
    await process.expectFile("deep/er/b.bin", {
      state: "UPLOADED",
      transfer: null,
      owner: null,
      evidence: { size: 26 },
    });
    expect(world.multiparts()).toBe(0);
  });

  test("patterns and exclusions choose; keys follow the template", async () => {
    world.write("keep/a.jpg", "a");
    world.write("keep/b.png", "b");
    world.write("drop/c.jpg", "c");
    const process = world.boot();
    await process.upload({ pattern: "**/*.jpg", exclude: ["drop/**"], keyTemplate: "photos/{dir}/{name}{ext}" });
    expect(world.bucket()).toEqual({ "photos/keep/a.jpg": "a" });
  });

  test("a second run over unchanged files sends and writes nothing", async () => {
    world.write("a", "1");
    world.write("big", "0123456789abcdefgh");
    const first = world.boot();
    await first.upload();
    await world.until(first.service.stop());
    const sent = world.store.calls.length;
    const second = world.boot();
    await second.service.start();
    const scan = await world.until(second.service.check("u"));
    expect(scan).toMatchObject({ seen: 2, added: 0, changed: 0, removed: 0, complete: true });
    expect(second.events.filter(({ name }) => name.startsWith("file:"))).toEqual([]);
    expect(world.store.calls.length).toBe(sent);
  });

  test("events follow the life of a file, and each is true when it is told", async () => {
    world.write("a", "1");
    const process = world.boot();
    const seen: string[] = [];
    process.service.on("file:uploaded", (event) => {
      const stored = world.ledger.files.get("u")?.get("a");
      seen.push(`${event.path} ${stored?.state}`);
    });
    await process.upload();
    expect(seen).toEqual(["a UPLOADED"]);
    const names = process.events.map(({ name }) => name).filter((name) => name !== "upload:progress");
    expect(names).toEqual([
      "recovery:finished",
      "upload:registered",
      "monitor:check",
      "upload:started",
      "upload:scanning",
      "file:queued",
      "file:started",
      "upload:scanned",
      "file:progress",
      "file:uploaded",
      "upload:completed",
    ]);
  });

  test("progress names the parts that were sent, and how long they took", async () => {
    world.write("big", "0123456789abcdefghij");
    world.write("small", "1");
    const process = world.boot({ partConcurrency: 1 });
    process.objects.inject({ method: "uploadPart", nth: 2, delayMs: 500 });
    await process.upload();
    const told = process.named("file:progress");
    expect(told.filter(({ path }) => path === "big")).toMatchObject([
      { partNumber: 1, partSize: 8, bytes: 8, sentBytes: 8 },
      { partNumber: 2, partSize: 8, bytes: 16, sentBytes: 8 },
      { partNumber: 3, partSize: 4, bytes: 20, sentBytes: 4 },
    ]);
    const slow = told.find(({ partNumber }) => partNumber === 2);
    expect(slow?.partMs).toBeGreaterThanOrEqual(500);
    expect(slow?.partMs).toBeLessThan(600);
    const [small] = told.filter(({ path }) => path === "small");
    expect(small).toMatchObject({ bytes: 1, sentBytes: 1 });
    for (const field of ["partNumber", "partSize", "partMs"]) expect(small).not.toHaveProperty(field);
  });

  test("progress says nothing of a part that was there before", async () => {
    world.write("big", "0123456789abcdefghij");
    const first = world.boot({ partConcurrency: 1 });
    const lost = first.state.inject({ method: "commit", hang: "before", times: 9, when: hasParts });
    await first.service.start();
    await first.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
    await world.until(() => lost.fired > 0);
    first.kill();
    const second = world.boot({ partConcurrency: 1 });
    await world.until(second.service.start());
    await world.until(second.service.finished("u"));
    const known = second.named("file:progress").filter(({ partNumber }) => partNumber === undefined);
    expect(known.map(({ bytes, sentBytes }) => [bytes, sentBytes])).toEqual([
      [0, 0],
      [8, 0],
    ]);
    expect(second.named("file:progress").map(({ partNumber }) => partNumber)).toEqual([undefined, undefined, 2, 3]);
  });

  test("two uploads share the pool fairly: a small one does not wait for a huge one", async () => {
    for (let n = 0; n < 300; n++) world.write(`many/${n}`, "x");
    const process = world.boot({ concurrency: 2 });
    process.objects.inject({ method: "putObject", delayMs: 10, times: Number.POSITIVE_INFINITY });
    await process.service.start();
    await process.service.register({
      id: "huge",
      sourceFolder: SOURCE,
      bucket: BUCKET,
      mode: "once",
      pattern: "many/**",
    });
    await world.until(() => process.named("file:uploaded").length > 10);
    world.write("one/file", "y");
    await process.service.register({ id: "tiny", sourceFolder: `${SOURCE}/one`, bucket: BUCKET, mode: "once" });
    await world.until(process.service.finished("tiny"));
    expect((await process.service.get("huge")).progress.filesUploaded).toBeLessThan(200);
  });
});

describe("register", () => {
  const register = (process: ReturnType<World["boot"]>, options: object) =>
    process.service.register({ sourceFolder: SOURCE, bucket: BUCKET, ...options } as never);

  test.each([
    ["a missing folder", { sourceFolder: "/nowhere" }, "SOURCE_NOT_FOUND"],
    ["a file as folder", { sourceFolder: `${SOURCE}/.keep` }, "SOURCE_NOT_A_FOLDER"],
    ["a missing bucket", { bucket: "absent" }, "BUCKET_NOT_FOUND"],
    ["an empty pattern", { pattern: "" }, "INVALID_PATTERN"],
    ["no pattern at all", { pattern: [] }, "INVALID_PATTERN"],
    ["a broken pattern", { pattern: "[a" }, "INVALID_PATTERN"],
    ["a pattern that could stall", { pattern: "+(a|aa)+(a|aa)+(a|aa)b" }, "PATTERN_TOO_EXPENSIVE"],
    ["an unknown placeholder", { keyTemplate: "{nope}" }, "INVALID_KEY_TEMPLATE"],
    ["a wrong id", { id: "a/b" }, "INVALID_OPTION"],
    ["an unknown option", { patern: "x" }, "INVALID_OPTION"],
    ["a wrong mode", { mode: "sometimes" }, "INVALID_OPTION"],
  ])("refuses %s and changes nothing", async (_, options, code) => {
    const process = world.boot();
    await expect(register(process, options)).rejects.toMatchObject({ code });
    expect(await process.service.list()).toEqual([]);
    expect(process.events).toEqual([]);
  });

  test('overwrite: "never" is refused where the store cannot promise it', async () => {
    const { buckets, clock } = world;
    const objects = new MemoryObjectStore({ state: buckets, clock, capabilities: { conditionalWrites: false } });
    const process = world.boot({ objects });
    await expect(register(process, { overwrite: "never" })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("conditional writes"),
    });
    expect(await process.service.list()).toEqual([]);
    expect(await register(process, { overwrite: "always" })).toMatchObject({ state: "PENDING" });
  });

  test("the same id with the same settings is the same upload; with others a conflict", async () => {
    const process = world.boot();
    const first = await register(process, { id: "x", pattern: "**/*.a", object: { metadata: { b: "2", a: "1" } } });
    const again = await register(process, { id: "x", pattern: ["**/*.a"], object: { metadata: { a: "1", b: "2" } } });
    expect(again).toEqual(first);
    await expect(register(process, { id: "x" })).rejects.toMatchObject({ code: "UPLOAD_EXISTS" });
    expect(process.named("upload:registered")).toHaveLength(1);
  });

  test("an unreachable store is no wrong input: the upload waits for it", async () => {
    world.write("a", "1");
    const process = world.boot();
    const down = () =>
      new ObjectStoreError({ kind: "transient", operation: "checkBucket", bucket: BUCKET }, "unreachable");
    const fault = process.objects.inject({ method: "checkBucket", before: down, times: 9 });
    const registered = await world.until(register(process, { id: "u", mode: "once" }) as Promise<unknown>);
    expect(registered).toMatchObject({ state: "PENDING" });
    expect(fault.fired).toBeGreaterThan(0);
    expect(process.named("warning")).toMatchObject([{ code: "STORE_UNAVAILABLE" }]);
    await process.service.start();
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/a": "1" });
  });
});

describe("retry", () => {
  test("of a failed upload tells of no second failure", async () => {
    world.write("a", "1");
    const process = world.boot({ retry: { attempts: 1 } });
    const rejected = () => new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET }, "no");
    process.objects.inject({ method: "putObject", before: rejected });
    await expect(process.upload()).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    await world.until(process.service.retry("u"));
    await world.until(process.service.finished("u"));
    expect(process.named("upload:failed")).toHaveLength(1);
    expect(world.bucket()).toEqual({ "u/a": "1" });
  });
});

describe("a folder that goes away under a one-shot upload", () => {
  test("fails it with the reason and removes no record; retry finishes it", async () => {
    for (let n = 0; n < 60; n++) world.write(`f${n}`, "x");
    const process = world.boot({ concurrency: 2 });
    process.objects.inject({ method: "putObject", times: Number.POSITIVE_INFINITY, delayMs: 20 });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
    await world.until(() => process.named("file:uploaded").length > 10);
    world.volume.renameSync(SOURCE, "/elsewhere");
    await expect(world.until(process.service.finished("u"))).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(world.files().filter((file) => file.state === "REMOVED")).toEqual([]);
    world.volume.renameSync("/elsewhere", SOURCE);
    await world.until(process.service.retry("u"));
    await world.until(process.service.finished("u"));
    expect(Object.keys(world.bucket())).toHaveLength(60);
  });
});

describe("pause, resume, cancel, stop", () => {
  test("pause stops transfers, keeps what was sent, and resume sends only the rest", async () => {
    world.write("big", "0123456789abcdefghijklmnopqrstuvwxyz");
    const process = world.boot({ partConcurrency: 1 });
    const slow = process.objects.inject({ method: "uploadPart", nth: 3, hang: "before" });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
    await world.until(() => slow.fired === 1);
    const paused = await world.until(process.service.pause("u"));
    expect(paused.state).toBe("PAUSED");
    await process.expectFile("big", { state: "PENDING", attempts: 0, owner: null });
    expect(world.bucket()).toEqual({});
    await process.service.resume("u");
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/big": "0123456789abcdefghijklmnopqrstuvwxyz" });
    const parts = world.store.calls.filter((call) => call.method === "uploadPart").map((call) => call.partNumber);
    expect(parts.sort()).toEqual([1, 2, 3, 4, 5]);
    expect(process.calls("createMultipart")).toBe(1);
  });

  test("cancel aborts what is in flight and leaves no multipart upload", async () => {
    world.write("big", "0123456789abcdefghijklmnopqrstuvwxyz");
    const process = world.boot();
    const slow = process.objects.inject({ method: "uploadPart", nth: 3, hang: "before", times: 9 });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
    await world.until(() => slow.fired > 0);
    expect(world.multiparts()).toBe(1);
    const cancelled = await world.until(process.service.cancel("u"));
    expect(cancelled).toMatchObject({ state: "CANCELLED", cleanupDue: false });
    expect(world.multiparts()).toBe(0);
    expect(world.bucket()).toEqual({});
    await expect(process.service.finished("u")).rejects.toMatchObject({ code: "UPLOAD_CANCELLED" });
    await expect(process.service.retry("u")).rejects.toMatchObject({ code: "UPLOAD_CANCELLED" });
    await expect(process.service.resume("u")).rejects.toMatchObject({ code: "INVALID_TRANSITION" });
  });

  test("a clean-up that the store prevents is finished after a restart", async () => {
    world.write("big", "0123456789abcdefghijklmnopqrstuvwxyz");
    const first = world.boot();
    const slow = first.objects.inject({ method: "uploadPart", hang: "before", times: 9 });
    const denied = first.objects.inject({ method: "abortMultipart", before: () => new Error("offline"), times: 99 });
    await first.service.start();
    await first.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
    await world.until(() => slow.fired > 0);
    await world.until(first.service.cancel("u"));
    expect(denied.fired).toBeGreaterThan(0);
    expect(world.multiparts()).toBe(1);
    first.kill();
    const second = world.boot();
    await world.until(second.service.start());
    await world.until(() => world.multiparts() === 0);
    expect(await second.service.get("u")).toMatchObject({ state: "CANCELLED", cleanupDue: false });
  });

  test("stop lets requests in flight finish and be recorded, and gives the rest back", async () => {
    for (let n = 0; n < 50; n++) world.write(`f${String(n).padStart(2, "0")}`, "x");
    const process = world.boot({ concurrency: 2 });
    process.objects.inject({ method: "putObject", delayMs: 100, times: Number.POSITIVE_INFINITY });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
    await world.until(() => process.calls("putObject") >= 4);
    await world.until(process.service.stop());
    const files = world.files();
    expect(files.filter((file) => file.state === "IN_PROGRESS")).toEqual([]);
    expect(files.filter((file) => file.state === "UPLOADED")).toHaveLength(Object.keys(world.bucket()).length);
    await expect(process.service.get("u")).rejects.toMatchObject({ code: "SERVICE_STOPPED" });
    const second = world.boot();
    await second.service.start();
    await world.until(second.service.finished("u"));
    expect(Object.keys(world.bucket())).toHaveLength(50);
    expect(second.calls("putObject")).toBe(50);
  });

  test("a second stop cuts requests in flight short", async () => {
    world.write("a", "1");
    const process = world.boot();
    const stuck = process.objects.inject({ method: "putObject", hang: "before" });
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
    await world.until(() => stuck.fired === 1);
    const stopping = process.service.stop();
    await world.clock.advance(1_000);
    await world.until(process.service.stop());
    await stopping;
    expect(world.files()[0]).toMatchObject({ state: "PENDING", attempts: 0, owner: null });
  });
});
