import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ObjectErrorKind, ObjectStoreError } from "../src/index.ts";
import { BUCKET, SOURCE, World } from "./support/bed.ts";

const BIG = "0123456789abcdefghijklmnopqrstuvwxyz";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

/** An error as an adapter makes it. */
const failure =
  (kind: ObjectErrorKind, facts: { ambiguous?: boolean; operation?: string } = {}) =>
  () =>
    new ObjectStoreError(
      { kind, operation: facts.operation ?? "putObject", bucket: BUCKET, ...facts },
      `made to fail: ${kind}`,
    );

async function start(process: ReturnType<World["boot"]>, options: object = {}): Promise<void> {
  await process.service.start();
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", ...options } as never);
}

describe("a source that changes under the transfer is never recorded as uploaded with mixed bytes", () => {
  test("changed between two parts: the multipart upload is aborted and the new content goes up whole", async () => {
    world.write("big", BIG);
    const process = world.boot({ partConcurrency: 1 });
    const changed = BIG.toUpperCase();
    const hook = process.objects.inject({
      method: "uploadPart",
      nth: 3,
      run: ({ proceed }) => {
        world.volume.writeFileSync(`${SOURCE}/big`, changed);
        return proceed();
      },
    });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(hook.fired).toBe(1);
    expect(world.bucket()).toEqual({ "u/big": changed });
    expect(process.named("file:retrying")).toMatchObject([{ reason: { code: "SOURCE_CHANGED" }, attempts: 1 }]);
    expect(process.calls("createMultipart")).toBe(2);
    expect(world.multiparts()).toBe(0);
  });

  test.each([
    ["shorter", BIG.slice(0, 20)],
    ["small enough for one request", "tiny"],
    ["longer", BIG + BIG],
  ])("changed to something %s", async (_, content) => {
    world.write("big", BIG);
    const process = world.boot({ partConcurrency: 2 });
    process.objects.inject({
      method: "uploadPart",
      nth: 2,
      run: ({ proceed }) => {
        world.volume.writeFileSync(`${SOURCE}/big`, content);
        return proceed();
      },
    });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/big": content });
    expect(world.multiparts()).toBe(0);
    await process.expectFile("big", { state: "UPLOADED", size: content.length, evidence: { size: content.length } });
  });

  test("changed again and again: FAILED in the end, and the bucket never saw it", async () => {
    world.write("big", BIG);
    const process = world.boot({ retry: { attempts: 3 } });
    let version = 0;
    process.objects.inject({
      method: "uploadPart",
      times: Number.POSITIVE_INFINITY,
      run: ({ proceed }) => {
        world.volume.writeFileSync(`${SOURCE}/big`, BIG + ++version);
        return proceed();
      },
    });
    await start(process);
    await expect(world.until(process.service.finished("u"))).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    await process.expectFile("big", { state: "FAILED", attempts: 3, reason: { code: "SOURCE_CHANGED" } });
    expect(world.bucket()).toEqual({});
  });

  test("deleted under the transfer: the file is REMOVED and nothing of it stays behind", async () => {
    world.write("big", BIG);
    world.write("other", "1");
    const process = world.boot({ partConcurrency: 1, concurrency: 1 });
    const fault = process.objects.inject({ method: "uploadPart", nth: 2, before: failure("transient"), times: 3 });
    await start(process);
    await world.until(() => fault.fired === 3);
    world.remove("big");
    await world.until(process.service.finished("u"));
    await process.expectFile("big", { state: "REMOVED", transfer: null });
    expect(world.bucket()).toEqual({ "u/other": "1" });
    expect(world.multiparts()).toBe(0);
  });
});

describe("ambiguity is settled by evidence", () => {
  test("a put whose answer is lost is not sent again", async () => {
    world.write("a", "1");
    const process = world.boot();
    const lost = process.objects.inject({
      method: "putObject",
      after: failure("transient", { ambiguous: true }),
      times: 9,
    });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(lost.fired).toBeGreaterThan(0);
    expect(world.bucket()).toEqual({ "u/a": "1" });
    await process.expectFile("a", { state: "UPLOADED", attempts: 0 });
  });

  test("a completion whose answer is lost is not made again", async () => {
    world.write("big", BIG);
    const process = world.boot();
    const lost = process.objects.inject({
      method: "completeMultipart",
      after: failure("transient", { ambiguous: true }),
    });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(lost.fired).toBe(1);
    expect(world.bucket()).toEqual({ "u/big": BIG });
    expect(process.calls("uploadPart")).toBe(5);
    expect(process.calls("createMultipart")).toBe(1);
  });

  test("a creation whose answer is lost leaves no orphan", async () => {
    world.write("big", BIG);
    const process = world.boot();
    const lost = process.objects.inject({
      method: "createMultipart",
      after: failure("transient", { ambiguous: true }),
    });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(lost.fired).toBe(1);
    expect(process.calls("createMultipart")).toBe(2);
    expect(world.multiparts()).toBe(0);
    expect(world.bucket()).toEqual({ "u/big": BIG });
  });

  test("a multipart upload that somebody else aborted is begun anew", async () => {
    world.write("big", BIG);
    const process = world.boot({ partConcurrency: 1 });
    process.objects.inject({
      method: "uploadPart",
      nth: 4,
      run: async () => {
        for (const { key, multipartId } of world.store.multiparts(BUCKET))
          await world.store.abortMultipart({ bucket: BUCKET, key, multipartId });
        throw failure("notFound")();
      },
    });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/big": BIG });
    expect(world.multiparts()).toBe(0);
  });

  test("an answer with another checksum than was sent is not believed: HEAD decides, and nothing is sent twice", async () => {
    world.write("a", "1");
    const process = world.boot();
    process.objects.inject({
      method: "putObject",
      times: 99,
      run: async ({ proceed }) => ({ ...((await proceed()) as object), checksum: "crc32:deadbeef" }),
    });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(process.named("file:retrying")).toMatchObject([{ reason: { code: "INTEGRITY" } }]);
    expect(process.calls("putObject")).toBe(1);
    await process.expectFile("a", { state: "UPLOADED", evidence: { checksum: "crc32:83dcefb7" } });
  });

  test("a put whose answer echoes no checksum is confirmed by HEAD, and a wrong object there is refused", async () => {
    world.write("a", "1");
    const process = world.boot({ retry: { attempts: 1 } });
    process.objects.inject({
      method: "putObject",
      run: async ({ proceed }) => ({ etag: ((await proceed()) as { etag: string }).etag }),
    });
    const head = process.objects.inject({
      method: "headObject",
      run: async ({ proceed }) => ({ ...((await proceed()) as object), size: 7 }),
    });
    await start(process);
    await expect(world.until(process.service.finished("u"))).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(head.fired).toBe(1);
    await process.expectFile("a", { state: "FAILED", reason: { code: "INTEGRITY" } });
  });
});

describe("credentials that may write but not look", () => {
  test("put small files, retries included; large ones need HEAD and fail with the reason", async () => {
    world.write("a", "1");
    const process = world.boot();
    const blind = process.objects.inject({ method: "headObject", before: failure("denied"), times: 99 });
    process.objects.inject({ method: "putObject", before: failure("transient"), times: 3 });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(blind.fired).toBe(1);
    expect(world.bucket()).toEqual({ "u/a": "1" });
    world.write("big", BIG);
    await world.until(process.service.check("u"));
    await expect(world.until(process.service.finished("u"))).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(await process.service.get("u")).toMatchObject({ state: "FAILED", reason: { code: "ACCESS_DENIED" } });
  });
});

describe("retries are bounded and classified", () => {
  test("a file that always fails is FAILED after the attempts, and delays nobody", async () => {
    world.write("bad", "1");
    world.write("good", "2");
    const process = world.boot({ concurrency: 1, retry: { attempts: 3 } });
    const poison = process.objects.inject({
      method: "putObject",
      when: (request) => request.key === "u/bad",
      before: failure("transient"),
      times: Number.POSITIVE_INFINITY,
    });
    await start(process);
    await expect(world.until(process.service.finished("u"))).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(poison.fired).toBe(9);
    expect(world.bucket()).toEqual({ "u/good": "2" });
    await process.expectFile("bad", { state: "FAILED", attempts: 3, reason: { code: "STORE_UNAVAILABLE" } });
    const order = process.events
      .filter(({ name }) => name === "file:uploaded" || name === "file:failed")
      .map(({ event }) => event.path);
    expect(order).toEqual(["good", "bad"]);
    poison.remove();
    expect(await world.until(process.service.retry("u"))).toBe(1);
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/bad": "1", "u/good": "2" });
  });

  test("access denied is asked once, not once per file, and fails the upload with the reason", async () => {
    for (let n = 0; n < 40; n++) world.write(`f${n}`, "x");
    const process = world.boot({ concurrency: 3 });
    const denied = process.objects.inject({
      method: "putObject",
      before: failure("denied"),
      times: Number.POSITIVE_INFINITY,
    });
    await start(process);
    await expect(world.until(process.service.finished("u"))).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(denied.fired).toBeLessThanOrEqual(3);
    expect(await process.service.get("u")).toMatchObject({ state: "FAILED", reason: { code: "ACCESS_DENIED" } });
    await world.until(() => world.files().every((file) => file.state === "PENDING" && file.attempts === 0));
    denied.remove();
    await world.until(process.service.retry("u"));
    await world.until(process.service.finished("u"));
    expect(Object.keys(world.bucket())).toHaveLength(40);
  });

  test("refused credentials hold the upload back and burn no attempt", async () => {
    for (let n = 0; n < 10; n++) world.write(`f${n}`, "x");
    const process = world.boot({ concurrency: 2, retry: { attempts: 1 } });
    const expired = process.objects.inject({ method: "putObject", before: failure("credentials"), times: 4 });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(expired.fired).toBe(4);
    expect(process.named("warning")[0]).toMatchObject({ code: "CREDENTIALS_UNAVAILABLE", uploadId: "u" });
    expect(process.named("file:failed")).toEqual([]);
    expect(Object.keys(world.bucket())).toHaveLength(10);
  });

  test("a store that answers nobody is waited for, however long, and burns no attempt", async () => {
    for (let n = 0; n < 10; n++) world.write(`f${n}`, "x");
    const process = world.boot({ concurrency: 2, retry: { attempts: 2 } });
    await start(process);
    const silent = { before: failure("transient"), times: Number.POSITIVE_INFINITY };
    const puts = process.objects.inject({ method: "putObject", ...silent });
    const outage = [
      puts,
      process.objects.inject({ method: "headObject", ...silent }),
      process.objects.inject({ method: "checkBucket", ...silent }),
    ];
    await world.clock.advance(3_600_000);
    expect(process.named("file:failed")).toEqual([]);
    expect(puts.fired).toBeGreaterThan(10);
    expect(puts.fired).toBeLessThan(2_000);
    for (const fault of outage) fault.remove();
    await world.until(process.service.finished("u"));
    expect(Object.keys(world.bucket())).toHaveLength(10);
  });

  test("a refusal for good fails the file at once", async () => {
    world.write("a", "1");
    const process = world.boot();
    const rejected = process.objects.inject({ method: "putObject", before: failure("rejected"), times: 99 });
    await start(process);
    await expect(world.until(process.service.finished("u"))).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(rejected.fired).toBe(1);
  });

  test("SlowDown halves what is in flight, and everything arrives", async () => {
    for (let n = 0; n < 60; n++) world.write(`f${n}`, "x");
    const process = world.boot({ concurrency: 8 });
    let flying = 0;
    const peaks: number[] = [];
    process.objects.inject({
      method: "putObject",
      times: Number.POSITIVE_INFINITY,
      run: async ({ proceed }) => {
        peaks.push(++flying);
        try {
          await world.clock.sleep(20);
          if (peaks.length <= 8) throw failure("throttled")();
          return await proceed();
        } finally {
          flying--;
        }
      },
    });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(Math.max(...peaks.slice(0, 8))).toBe(8);
    expect(Object.keys(world.bucket())).toHaveLength(60);
    const after = peaks.slice(20, 40);
    expect(Math.max(...after)).toBeLessThan(8);
  });

  test("a hanging request is cut off by its deadline and sent again", async () => {
    world.write("a", "1");
    const process = world.boot();
    const silent = process.objects.inject({ method: "putObject", hang: "before" });
    await start(process);
    await world.until(process.service.finished("u"));
    expect(silent.fired).toBe(1);
    expect(world.bucket()).toEqual({ "u/a": "1" });
  });
});

describe("overwrite: never", () => {
  test("leaves an object of somebody else alone and skips the file", async () => {
    world.write("a", "mine");
    world.write("big", BIG);
    const checksum = { "u/a": "theirs", "u/big": "theirs too" };
    for (const [key, text] of Object.entries(checksum)) {
      const body = Buffer.from(text);
      const { crc32Of, formatCrc32 } = await import("../src/checksum.ts");
      await world.store.putObject({
        bucket: BUCKET,
        key,
        body,
        checksum: formatCrc32(crc32Of(body)),
        settings: {},
        token: "other",
      });
    }
    const process = world.boot();
    const upload = await process.upload({ overwrite: "never" });
    expect(upload.progress).toMatchObject({ filesSkipped: 2, filesUploaded: 0 });
    expect(world.bucket()).toEqual(checksum);
    expect(world.multiparts()).toBe(0);
    await process.expectFile("a", { state: "SKIPPED", reason: { code: "OBJECT_EXISTS" } });
  });

  test("knows its own earlier write from somebody else's", async () => {
    world.write("a", "1");
    const process = world.boot();
    process.objects.inject({ method: "putObject", after: failure("transient", { ambiguous: true }) });
    await process.upload({ overwrite: "never" });
    await process.expectFile("a", { state: "UPLOADED" });
  });
});
