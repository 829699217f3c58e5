import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fateOf } from "../src/after-upload.ts";
import { namesFor } from "../src/disposal.ts";
import { NEVER, type RegisterOptions, SourceError, UploadService } from "../src/index.ts";
import { toSpec } from "../src/options.ts";
import { MemoryObjectStore, MemoryStateStore } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { filesIn } from "./support/drop-bed.ts";
import { file, SPEC } from "./support/records.ts";

let world: World;
let process: Process;

beforeEach(() => {
  world = new World();
  world.volume.mkdirSync("/archive");
  process = world.boot({ monitorInterval: 60_000, stabilityThreshold: 5_000 });
});

afterEach(async () => {
  await world.end();
});

async function register(options: Partial<RegisterOptions>) {
  await process.service.start();
  return await world.until(process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, ...options }));
}

const check = () => world.until(process.service.check("u"));
const isUploaded = (path: string) => () => world.files().find((one) => one.path === path)?.state === "UPLOADED";
const isGone = (path: string) => () => !world.volume.existsSync(`${SOURCE}/${path}`);
const warnings = () => process.named("warning").map(({ code }) => code);
const DELETE = { afterUpload: "delete" } as const;
const MOVE = { afterUpload: { moveTo: "/archive" } } as const;

describe("afterUpload", () => {
  test("keep is the default, and touches nothing", async () => {
    world.write("a", "1");
    await register({});
    await world.until(isUploaded("a"));
    await check();
    expect([world.volume.existsSync(`${SOURCE}/a`), process.named("file:disposed")]).toEqual([true, []]);
  });

  test("delete takes the file away after its evidence is in the ledger, and it stays UPLOADED", async () => {
    let recorded: string | undefined;
    process.fileSystem.inject({
      method: "removeFile",
      run: ({ proceed }) => {
        recorded = world.files().find(({ path }) => path === "x/a")?.state;
        return proceed();
      },
    });
    world.write("x/a", "1");
    await register(DELETE);
    await world.until(isGone("x/a"));
    expect([recorded, world.bucket()]).toEqual(["UPLOADED", { "u/x/a": "1" }]);
    const from = `${SOURCE}/x/a`;
    await world.until(() => process.named("file:disposed").length > 0);
    expect(process.named("file:disposed")).toEqual([{ uploadId: "u", path: "x/a", from, to: null }]);
    for (let round = 0; round < 2; round++) expect(await check()).toMatchObject({ removed: 0, doubt: null });
    await process.expectFile("x/a", { state: "UPLOADED" });
    // Others write here: their folders are left as they are.
    expect(world.volume.existsSync(`${SOURCE}/x`)).toBe(true);
  });

  test("a folder that all files have left is not taken for an unmounted disk", async () => {
    world.volume.unlinkSync(`${SOURCE}/.keep`);
    world.write("a", "1");
    await register(DELETE);
    await world.until(isGone("a"));
    expect(await check()).toMatchObject({ seen: 0, complete: true, doubt: null, removed: 0 });
    expect(warnings()).toEqual([]);
  });

  test("a new file of the same name is sent, and taken away again", async () => {
    world.write("a", "1");
    await register(MOVE);
    await world.until(isGone("a"));
    world.write("a", "2");
    await world.until(isGone("a"));
    expect(world.bucket()).toEqual({ "u/a": "2" });
    expect(Object.values(filesIn(world, "/archive")).sort()).toEqual(["1", "2"]);
  });

  test("a file that changes before it is deleted stays, and is sent as it is then", async () => {
    process.fileSystem.inject({
      method: "removeFile",
      run: ({ proceed }) => {
        world.volume.writeFileSync(`${SOURCE}/a`, "changed");
        return proceed();
      },
    });
    world.write("a", "1");
    await register(DELETE);
    await world.until(() => process.named("file:uploaded").length === 1);
    expect(String(world.volume.readFileSync(`${SOURCE}/a`))).toBe("changed");
    await world.until(isGone("a"));
    expect(world.bucket()).toEqual({ "u/a": "changed" });
  });

  test("what a crash left is done by the next scan", async () => {
    process.fileSystem.inject({ method: "removeFile", hang: "before", times: Number.POSITIVE_INFINITY });
    world.write("a", "1");
    await register(DELETE);
    await world.until(isUploaded("a"));
    process.kill();
    process = world.boot();
    await process.service.start();
    await world.until(isGone("a"));
    await world.until(() => process.named("file:disposed").length === 1);
    expect(process.named("file:started")).toEqual([]);
  });

  test("no file is touched whose evidence was disproved since the scan read its record", async () => {
    // Told that it failed, so that the file is still there for the scans to find.
    const failing = process.fileSystem.inject({
      method: "removeFile",
      times: Number.POSITIVE_INFINITY,
      before: () => new SourceError("SOURCE_NOT_DISPOSED", "made to fail"),
    });
    world.write("a", "1");
    await register(DELETE);
    await world.until(isUploaded("a"));
    failing.remove();
    const etag = world.files().find(({ path }) => path === "a")?.evidence?.etag ?? "";
    expect(await world.store.deleteObject({ bucket: BUCKET, key: "u/a", ifMatch: etag })).toBe("deleted");
    process.objects.inject({ method: "putObject", hang: "before", times: Number.POSITIVE_INFINITY });
    process.state.inject({
      method: "getFile",
      run: async ({ proceed }) => {
        await process.service.verify("u", { repair: true });
        return await proceed();
      },
    });
    await check();
    expect([isGone("a")(), world.files().map(({ state }) => state)]).toEqual([false, ["IN_PROGRESS"]]);
  });

  test("what cannot be moved stays UPLOADED in its place, is told once, and is tried again", async () => {
    const failing = process.fileSystem.inject({
      method: "moveFile",
      times: Number.POSITIVE_INFINITY,
      before: () => new SourceError("SOURCE_NOT_DISPOSED", "/data/a cannot be moved or deleted (EACCES)."),
    });
    world.write("a", "1");
    await register(MOVE);
    await world.until(isUploaded("a"));
    for (let round = 0; round < 3; round++) await check();
    expect([warnings(), isGone("a")()]).toEqual([["SOURCE_NOT_DISPOSED"], false]);
    await process.expectFile("a", { state: "UPLOADED" });
    await world.until(process.service.finished("u"));
    failing.remove();
    await check();
    expect([filesIn(world, "/archive"), isGone("a")()]).toEqual([{ a: "1" }, true]);
    expect(process.named("file:started")).toHaveLength(1);
  });

  test("a folder to move to that is gone is only a warning", async () => {
    await register(MOVE);
    world.volume.rmdirSync("/archive");
    world.write("a", "1");
    await world.until(isUploaded("a"));
    await check();
    expect([warnings(), isGone("a")()]).toEqual([["SOURCE_NOT_FOUND"], false]);
    world.volume.mkdirSync("/archive");
    await check();
    expect(filesIn(world, "/archive")).toEqual({ a: "1" });
  });
});

describe("refused", () => {
  const refusal = (options: Partial<RegisterOptions>) => () =>
    toSpec({ sourceFolder: SOURCE, bucket: BUCKET, ...options }, "u");

  test.each([
    [{ ...DELETE, onSourceDelete: "delete" }, /onSourceDelete/],
    [{ drop: {}, onSourceDelete: "delete" }, /onSourceDelete/],
    [{ ...MOVE, symlinks: "follow" }, /symlinks/],
    [{ drop: {}, ...DELETE }, /afterUpload does not go with drop/],
    [{ afterUpload: { moveTo: "/data/done" } }, /inside the source folder/],
    [{ afterUpload: { moveTo: "/" } }, /inside the source folder/],
    [{ afterUpload: { moveTo: "done" } }, /absolute/],
    [{ afterUpload: { moveTo: "/a", more: 1 } }, /absolute/],
    [{ afterUpload: "move" }, /keep, delete/],
    [{ afterUpload: null }, /keep, delete/],
    [{ drop: { retention: -1 } }, /retention/],
    [{ drop: { retention: 1.5 } }, /retention/],
    [{ drop: { keep: 1 } }, /retention/],
    [{ drop: true }, /retention/],
  ])("%j", (options, message) => {
    expect(refusal(options as Partial<RegisterOptions>)).toThrow(message);
  });

  test("by a file system that can only read", async () => {
    const { fileSystem } = process;
    const readOnly = { openRoot: (path: string) => fileSystem.port.openRoot(path) };
    const { clock, ledger, buckets } = world;
    const service = new UploadService({
      state: new MemoryStateStore({ clock, state: ledger }),
      objects: new MemoryObjectStore({ state: buckets, clock }),
      fileSystem: readOnly,
      clock,
    });
    for (const options of [DELETE, MOVE, { drop: {} }]) {
      const refused = service.register({ sourceFolder: SOURCE, bucket: BUCKET, ...options });
      await expect(refused).rejects.toMatchObject({
        code: "INVALID_OPTION",
        message: expect.stringMatching(/FolderChanges/),
      });
    }
    await service.stop();
  });

  test("another device, a folder that is not there, and one that leads into the source through a link", async () => {
    const to = (moveTo: string) => register({ afterUpload: { moveTo } });
    await expect(to("/none")).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
    world.volume.mkdirSync(`${SOURCE}/below`);
    world.volume.symlinkSync(`${SOURCE}/below`, "/link");
    await expect(to("/link")).rejects.toMatchObject({
      code: "SOURCE_NOT_DISPOSED",
      message: expect.stringMatching(/lies inside/),
    });
    process.fileSystem.inject({
      method: "openRoot",
      when: (path) => path === "/archive",
      run: async ({ proceed }) => {
        const root = (await proceed()) as { facts: object };
        return { ...root, facts: { ...root.facts, dev: 77n } };
      },
    });
    await expect(to("/archive")).rejects.toMatchObject({ message: expect.stringMatching(/another device/) });
    expect(await process.service.list()).toEqual([]);
  });

  test("a drop folder one of whose four is a link", async () => {
    world.volume.mkdirSync("/elsewhere");
    world.volume.symlinkSync("/elsewhere", `${SOURCE}/done`);
    await expect(register({ drop: {} })).rejects.toMatchObject({ code: "SOURCE_NOT_DISPOSED" });
    expect(await process.service.list()).toEqual([]);
  });

  test("a folder to move to outside the allowed roots, at registration and later", async () => {
    process = world.boot({ allowedRoots: [SOURCE, "/archive"] });
    world.volume.mkdirSync("/secret");
    await expect(register({ afterUpload: { moveTo: "/secret" } })).rejects.toMatchObject({
      code: "SOURCE_NOT_ALLOWED",
    });
    world.volume.mkdirSync("/archive/u");
    await register({ afterUpload: { moveTo: "/archive/u" } });
    world.volume.rmdirSync("/archive/u");
    world.volume.symlinkSync("/secret", "/archive/u");
    world.write("a", "1");
    await world.until(isUploaded("a"));
    await world.until(() => warnings().length > 0);
    expect([filesIn(world, "/secret"), isGone("a")()]).toEqual([{}, false]);
  });
});

test("where a file belongs follows from its record alone", () => {
  const { fingerprint } = file();
  const evidence = { fingerprint } as never;
  const records = [
    file({ state: "UPLOADED", evidence }),
    file({ state: "UPLOADED", evidence: { fingerprint: "another" } as never }),
    file({ state: "UPLOADED" }),
    file({ state: "PENDING", evidence }),
    file({ state: "FAILED", nextAttemptAt: NEVER }),
    file({ state: "FAILED", nextAttemptAt: 5 }),
    file({ state: "SKIPPED" }),
    file({ state: "REMOVED" }),
  ];
  const fates = (options: object) => records.map((record) => fateOf({ ...SPEC, ...options }, record)).join(" ");
  expect(fates({})).toBe("stays stays stays stays stays stays stays stays");
  expect(fates(DELETE)).toBe("sent stays stays stays stays stays stays stays");
  expect(fates(MOVE)).toBe("sent stays stays stays stays stays stays stays");
  expect(fates({ drop: { retention: null } })).toBe("sent stays stays stays failed stays failed stays");
});

test("names that are kept apart keep their extension", () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const second = (path: string) => [...namesFor(path, now)].slice(0, 3);
  expect(second("a/b.tar.gz")).toEqual([
    "a/b.tar.gz",
    "a/b.tar~20260102T030405678Z.gz",
    "a/b.tar~20260102T030405678Z~1.gz",
  ]);
  expect(second(".env")[1]).toBe(".env~20260102T030405678Z");
  expect(second("a.b/c")[1]).toBe("a.b/c~20260102T030405678Z");
});
