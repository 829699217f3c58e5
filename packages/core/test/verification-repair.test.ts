import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finding, type ListedObject, ObjectStoreError, UploadService } from "../src/index.ts";
import { type FaultedCall, MemoryStateStore } from "../src/testing/index.ts";
import { BUCKET, type Process } from "./support/bed.ts";
import { CLEAN, SharedWorld } from "./support/verification-bed.ts";

const ALWAYS = Number.POSITIVE_INFINITY;

let world: SharedWorld;
beforeEach(() => {
  world = new SharedWorld();
});
afterEach(async () => {
  await world.end();
});

describe("repair", () => {
  test("sends what is missing or different again, and nothing else; nothing is deleted", async () => {
    const files = { a: "1", b: "2", c: "3", big: "0123456789abcdefghij", ok: "4" };
    const process = await world.uploaded(files);
    const bucket = world.bucket();
    world.destroy("u/a", "u/big");
    await world.overwrite("u/b", "!");
    await world.overwrite("u/extra", "?");
    const sent = process.calls("putObject");
    const { report, kinds } = await world.verify(process, { repair: true });
    expect(report).toEqual({ ...CLEAN, checkedFiles: 5, missing: 2, different: 1, extra: 1, requeued: 3 });
    expect(kinds).toEqual(["missing u/a", "different u/b", "missing u/big", "extra u/extra"]);
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ ...bucket, "u/extra": "?" });
    expect(process.calls("putObject") - sent).toBe(2);
    expect(process.calls("createMultipart")).toBe(2);
    expect(process.named("upload:reopened").length).toBeGreaterThan(0);
    const again = await world.verify(process);
    expect(again.report).toEqual({ ...CLEAN, checkedFiles: 5, extra: 1 });
    expect(world.files().every((file) => file.state === "UPLOADED" && file.reason === null)).toBe(true);
  });

  test("a file is queued without its evidence and with the reason, in an upload that is open", async () => {
    const first = await world.uploaded({ a: "1", b: "2" });
    await world.until(first.service.stop());
    world.destroy("u/a");
    await world.overwrite("u/b", "!");
    const process = world.boot();
    const states: (string | undefined)[] = [];
    process.state.inject({
      method: "commit",
      times: ALWAYS,
      run: ({ proceed }) => {
        states.push(world.ledger.uploads.get("u")?.state);
        return proceed();
      },
    });
    // Nobody works on them: the service is not started.
    const { report } = await world.verify(process, { repair: true });
    expect(report.requeued).toBe(2);
    const queued = { state: "PENDING", evidence: null, attempts: 0, nextAttemptAt: 0 };
    expect(world.files()).toMatchObject([
      { path: "a", ...queued, reason: { code: "OBJECT_NOT_FOUND" } },
      { path: "b", ...queued, reason: { code: "INTEGRITY" } },
    ]);
    expect(new Set(states)).toEqual(new Set(["IN_PROGRESS"]));
    expect(
      process
        .named("file:queued")
        .map(({ path }) => path)
        .sort(),
    ).toEqual(["a", "b"]);
    await process.service.start();
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/a": "1", "u/b": "2" });
  });

  test("of more than a page brings every file back", async () => {
    const process = await world.robbed(1_100);
    const { report } = await world.verify(process, { repair: true });
    expect(report).toEqual({ ...CLEAN, checkedFiles: 1_100, missing: 1_100, requeued: 1_100 });
    await world.until(process.service.finished("u"));
    const names = Array.from({ length: 1_100 }, (_, index) => `f${index}`);
    expect(world.bucket()).toEqual(Object.fromEntries(names.map((name) => [`u/${name}`, name])));
  });

  test("a paused upload stays paused until it is resumed", async () => {
    const process = await world.uploaded({ a: "1" });
    await process.service.pause("u");
    world.destroy("u/a");
    expect((await world.verify(process, { repair: true })).report.requeued).toBe(1);
    expect((await process.service.get("u")).state).toBe("PAUSED");
    expect(world.bucket()).toEqual({});
    await process.service.resume("u");
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/a": "1" });
  });

  test("where nothing may be overwritten, a missing object is sent and a different one is left and no longer ours", async () => {
    const process = await world.uploaded({ a: "1", b: "2" }, { overwrite: "never" });
    world.destroy("u/a");
    await world.overwrite("u/b", "theirs");
    expect((await world.verify(process, { repair: true })).report.requeued).toBe(2);
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/a": "1", "u/b": "theirs" });
    await process.expectFile("b", { state: "SKIPPED", reason: { code: "OBJECT_EXISTS" } });
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 1 });
  });

  test("a cancelled upload can be verified, not repaired", async () => {
    const process = await world.uploaded({ a: "1", b: "2" });
    await process.service.cancel("u");
    world.destroy("u/a");
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 2, missing: 1 });
    const asked = world.store.calls.length;
    await expect(process.service.verify("u", { repair: true })).rejects.toMatchObject({ code: "UPLOAD_CANCELLED" });
    expect(world.store.calls.length).toBe(asked);
  });

  test("an upload that is cancelled meanwhile gets no work any more", async () => {
    const process = await world.uploaded({ a: "1" });
    world.destroy("u/a");
    process.objects.inject({
      method: "headObject",
      run: async ({ proceed }) => {
        const answer = await proceed();
        await process.service.cancel("u");
        return answer;
      },
    });
    await expect(world.verify(process, { repair: true })).rejects.toMatchObject({ code: "UPLOAD_CANCELLED" });
    await process.expectFile("a", { state: "UPLOADED" });
  });
});

describe("while the service works", () => {
  /** The object of `a` is looked for, is not there, and before the answer arrives a new version has been sent. */
  function changedMeanwhile(process: Process): void {
    process.objects.inject({
      method: "headObject",
      run: async ({ proceed }) => {
        const answer = await proceed();
        expect(answer).toBeUndefined();
        world.write("a", "new");
        await process.service.check("u");
        await process.service.finished("u");
        return answer;
      },
    });
  }

  test.each([false, true])("a file sent anew meanwhile is no finding (repair: %s)", async (repair) => {
    const process = await world.uploaded({ a: "1", b: "2" });
    world.destroy("u/a");
    changedMeanwhile(process);
    const { report, findings } = await world.verify(process, { repair });
    expect(findings).toEqual([]);
    expect(report).toEqual({ ...CLEAN, checkedFiles: 2 });
    expect(world.bucket()).toEqual({ "u/a": "new", "u/b": "2" });
    // The new version is not taken on trust.
    expect(process.calls("headObject")).toBe(2);
  });

  test("a file that is gone or in progress by the time of the answer is no finding", async () => {
    const process = await world.uploaded({ a: "1" });
    world.destroy("u/a");
    process.objects.inject({
      method: "headObject",
      run: async ({ proceed }) => {
        const answer = await proceed();
        world.remove("a");
        await process.service.check("u");
        return answer;
      },
    });
    world.write("b", "2");
    expect((await world.verify(process)).findings).toEqual([]);
    await process.expectFile("a", { state: "REMOVED" });
  });

  test("an object that a new file puts into the listing is not extra", async () => {
    const process = await world.uploaded({ a: "1", c: "3" });
    process.objects.inject({
      method: "listObjects",
      async *run({ proceed }: FaultedCall) {
        for await (const object of proceed() as AsyncIterable<ListedObject>) {
          if (object.key !== "u/c") yield object;
        }
        // By now the ledger's page, without b, has been read.
        world.write("b", "2");
        await process.service.check("u");
        await process.service.finished("u");
        yield* world.store.listObjects({ bucket: BUCKET, prefix: "u/", after: "u/a" });
      },
    });
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 2 });
    expect(world.bucket()).toEqual({ "u/a": "1", "u/b": "2", "u/c": "3" });
  });
});

describe("how a verification ends early", () => {
  test("at most eight objects are asked for at once; the signal ends it with its reason", async () => {
    const process = await world.robbed(20);
    const hanging = process.objects.inject({ method: "headObject", hang: "before", times: ALWAYS });
    const stop = new AbortController();
    const reason = new Error("enough");
    const verifying = process.service.verify("u", { signal: stop.signal });
    await world.until(() => hanging.fired === 8);
    await world.clock.advance(100);
    expect(hanging.fired).toBe(8);
    stop.abort(reason);
    await expect(world.until(verifying)).rejects.toBe(reason);
    expect(process.named("upload:verified")).toEqual([]);
    await expect(process.service.verify("u", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  test("a repair that is stopped has queued what it told of, and nothing else", async () => {
    const process = await world.robbed(20);
    await process.service.pause("u");
    const stop = new AbortController();
    const told: (string | null)[] = [];
    const onFinding = ({ path }: Finding) => {
      told.push(path);
      if (told.length === 3) stop.abort();
    };
    const verifying = process.service.verify("u", { repair: true, onFinding, signal: stop.signal });
    await expect(world.until(verifying)).rejects.toMatchObject({ name: "AbortError" });
    const queued = world.files().filter((file) => file.state === "PENDING");
    expect(queued.map(({ path }) => path).sort()).toEqual(told.sort());
    expect(told.length).toBeLessThan(20);
  });

  test("nothing is queued after the signal, not even what was found before", async () => {
    const process = await world.robbed(1);
    const stop = new AbortController();
    const run = ({ proceed }: FaultedCall) => {
      stop.abort();
      return proceed();
    };
    // The first asks for the upload itself, the second opens it before it gets work.
    const asked = process.state.inject({ method: "getUpload", nth: 2, run });
    const verifying = process.service.verify("u", { repair: true, signal: stop.signal });
    await expect(world.until(verifying)).rejects.toMatchObject({ name: "AbortError" });
    expect(asked.fired).toBe(1);
    await process.expectFile("f0", { state: "UPLOADED" });
  });

  test("stopping the service ends it", async () => {
    const process = await world.robbed(1);
    const hanging = process.objects.inject({ method: "headObject", hang: "before" });
    const verifying = process.service.verify("u");
    const ended = expect(verifying).rejects.toMatchObject({ code: "SERVICE_STOPPED" });
    await world.until(() => hanging.fired === 1);
    await world.until(process.service.stop());
    await ended;
  });

  test("what onFinding throws ends it", async () => {
    const process = await world.robbed(20);
    const error = new Error("no more");
    let told = 0;
    const onFinding = () => {
      told++;
      throw error;
    };
    await expect(world.until(process.service.verify("u", { onFinding }))).rejects.toBe(error);
    expect(told).toBeLessThanOrEqual(8);
    expect(process.calls("headObject")).toBeLessThan(20);
  });

  test("an unknown upload, and what the bucket refuses, are said as they are", async () => {
    const process = await world.robbed(3);
    await expect(process.service.verify("nobody")).rejects.toMatchObject({ code: "UPLOAD_NOT_FOUND" });
    const denied = () => new ObjectStoreError({ kind: "denied", operation: "listObjects", bucket: BUCKET }, "no");
    process.objects.inject({ method: "listObjects", afterItems: 0, error: denied });
    await expect(world.verify(process)).rejects.toMatchObject({ code: "ACCESS_DENIED" });
    process.objects.inject({ method: "headObject", before: denied, nth: 2 });
    await expect(world.verify(process)).rejects.toMatchObject({ code: "ACCESS_DENIED" });
    expect(process.named("upload:verified")).toEqual([]);
  });

  test.each(["{id}/{path}", "{path}", "{id}/{name}"])(
    "a missing bucket is not a bucket of missing files: %s",
    async (keyTemplate) => {
      const process = await world.uploaded({ a: "1" }, { keyTemplate });
      world.buckets.remove(BUCKET);
      process.objects.inject({ method: "headObject", times: ALWAYS, run: async () => undefined });
      const verifying = world.verify(process, { repair: true, deep: true });
      await expect(verifying).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
      await process.expectFile("a", { state: "UPLOADED" });
      world.buckets.create(BUCKET);
    },
  );

  test("a listing that breaks off in the middle goes on where it was", async () => {
    const process = await world.uploaded({ a: "1", b: "2", c: "3", d: "4" });
    const reset = () => new ObjectStoreError({ kind: "transient", operation: "listObjects", bucket: BUCKET }, "reset");
    const broken = process.objects.inject({ method: "listObjects", afterItems: 2, error: reset, times: 2 });
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 4 });
    expect(broken.fired).toBe(2);
    expect(process.calls("headObject")).toBe(0);
  });
});

test("a ledger that another process has written is enough", async () => {
  const first = await world.uploaded({ a: "1", b: "2" });
  await world.until(first.service.stop());
  world.destroy("u/b");
  const { clock } = world;
  const state = new MemoryStateStore({ clock, state: world.ledger });
  const service = new UploadService({ state, objects: world.store, clock });
  const report = await world.until(service.verify("u"));
  expect(report).toEqual({ ...CLEAN, checkedFiles: 2, missing: 1 });
  await world.until(service.stop());
});
