import { execFileSync } from "node:child_process";
import * as nodeFs from "node:fs";
import { constants, writeFileSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, realpath, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFsFromVolume, Volume } from "memfs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FsLike, NodeFileSystem } from "../src/node-file-system.ts";

/** Elsewhere these entries cannot be made; a test that is not there is no skipped one. */
const linux = process.platform === "linux";
const describeOnLinux = (name: string, define: () => void) => linux && describe(name, define);
const onLinux = (name: string, run: () => Promise<void>) => linux && test(name, run);
let outer: string;
let folder: string;
beforeEach(async () => {
  outer = await realpath(await mkdtemp(join(tmpdir(), "bucketline-fs-")));
  folder = join(outer, "source");
  await mkdir(join(folder, "sub"), { recursive: true });
  await writeFile(join(folder, "file"), "0123456789");
  await writeFile(join(folder, "sub/file"), "sub");
  await mkdir(join(outer, "secret"));
  await writeFile(join(outer, "secret/file"), "secret");
});
afterEach(async () => {
  await rm(outer, { recursive: true, force: true });
});

/** As where /proc is not mounted: the descriptor cannot be asked, so that paths have to do. */
const withoutProc: FsLike = {
  constants,
  promises: {
    ...nodeFs.promises,
    readlink: (() =>
      Promise.reject(Object.assign(new Error("no /proc"), { code: "ENOENT" }))) as typeof nodeFs.promises.readlink,
  },
};
const root = (fs?: FsLike) => new NodeFileSystem(fs).openRoot(folder);
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => "fulfilled",
    (error: { code: string }) => error.code,
  );

async function content(path: string, options?: { follow: boolean }, fs?: FsLike): Promise<string> {
  const file = await (await root(fs)).open(path, options);
  const target = Buffer.alloc(100);
  const read = await file.read(target, 0);
  await file.close();
  return target.toString("utf8", 0, read);
}

describe("openRoot", () => {
  test("pins the real path", async () => {
    await symlink(folder, join(outer, "link"));
    expect((await new NodeFileSystem().openRoot(join(outer, "link"))).path).toBe(folder);
    expect((await new NodeFileSystem().openRoot(`${folder}/`)).path).toBe(folder);
  });

  test.each([
    ["missing", "nothing", "SOURCE_NOT_FOUND"],
    ["a file", "source/file", "SOURCE_NOT_A_FOLDER"],
    ["below a file", "source/file/x", "SOURCE_NOT_FOUND"],
    ["too long", "x".repeat(5_000), "SOURCE_NOT_READABLE"],
  ])("%s", async (_, path, expected) => {
    expect(await code(new NodeFileSystem().openRoot(join(outer, path)))).toBe(expected);
  });

  onLinux("the root of everything can be a source folder", async () => {
    const everything = await new NodeFileSystem().openRoot("/");
    const file = await everything.open(join(folder, "file").slice(1));
    expect((await file.stat()).size).toBe(10);
    await file.close();
    expect((await everything.readFolder("")).length).toBeGreaterThan(0);
  });
});

describe("stat and readFolder", () => {
  test("tell kinds and exact facts", async () => {
    const source = await root();
    const stats = nodeFs.lstatSync(join(folder, "file"), { bigint: true });
    expect(await source.stat("file")).toEqual({
      kind: "file",
      size: 10,
      mtimeNs: stats.mtimeNs,
      ctimeNs: stats.ctimeNs,
      dev: stats.dev,
      ino: stats.ino,
    });
    expect((await source.stat(""))?.kind).toBe("folder");
    expect((await source.readFolder("")).map(({ name, kind }) => `${kind} ${name}`).sort()).toEqual([
      "file file",
      "folder sub",
    ]);
  });

  test("what is not there is undefined, or not found", async () => {
    const source = await root();
    expect([await source.stat("no"), await source.stat("no/no"), await source.stat("file/no")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(await code(source.readFolder("no"))).toBe("SOURCE_NOT_FOUND");
    expect(await code(source.readFolder("file"))).toBe("SOURCE_NOT_FOUND");
    expect(await code(source.open("no"))).toBe("SOURCE_NOT_FOUND");
  });

  test("below a root that went away nothing is said to be missing", async () => {
    const source = await root();
    await rename(folder, join(outer, "elsewhere"));
    for (const replaced of [false, true]) {
      if (replaced) await mkdir(folder);
      expect(await code(source.stat("file"))).toBe("SOURCE_NOT_READABLE");
      expect(await code(source.open("file"))).toBe("SOURCE_NOT_READABLE");
      expect(await code(source.readFolder("sub"))).toBe("SOURCE_NOT_READABLE");
    }
  });
});

describe("reading", () => {
  test("any position; short only at the end", async () => {
    const file = await (await root()).open("file");
    const read = async (length: number, position: number) => {
      const target = Buffer.alloc(length, ".");
      return [await file.read(target, position), target.toString()];
    };
    expect(await read(4, 0)).toEqual([4, "0123"]);
    expect(await read(4, 8)).toEqual([2, "89.."]);
    expect(await read(4, 10)).toEqual([0, "...."]);
    expect(await read(4, 2 ** 40)).toEqual([0, "...."]);
    expect(await read(0, 3)).toEqual([0, ""]);
    await appendFile(join(folder, "file"), "ab");
    expect(await read(4, 8)).toEqual([4, "89ab"]);
    await truncate(join(folder, "file"), 1);
    expect(await read(4, 0)).toEqual([1, "0..."]);
    expect((await file.stat()).size).toBe(1);
    await file.close();
    await file.close();
    expect(await code(file.read(Buffer.alloc(1), 0))).toBe("SOURCE_NOT_READABLE");
  });

  test("an open file stays the file that it was", async () => {
    const file = await (await root()).open("file");
    await writeFile(join(folder, "new"), "other");
    await rename(join(folder, "new"), join(folder, "file"));
    const target = Buffer.alloc(10);
    expect([await file.read(target, 0), target.toString()]).toEqual([10, "0123456789"]);
    await file.close();
  });
});

describeOnLinux("what is no regular file", () => {
  test("eight FIFOs at once block nothing", async () => {
    const source = await root();
    const names = Array.from({ length: 8 }, (_, index) => `fifo${index}`);
    execFileSync(
      "mkfifo",
      names.map((name) => join(folder, name)),
    );
    const opened = names.map((name) => code(source.open(name)));
    expect(await content("file")).toBe("0123456789");
    expect(await Promise.all(opened)).toEqual(names.map(() => "SOURCE_NOT_REGULAR"));
    expect((await source.stat("fifo0"))?.kind).toBe("other");
  });

  test("folders, links, devices", async () => {
    const source = await root();
    await symlink("file", join(folder, "link"));
    await symlink("loop", join(folder, "loop"));
    expect(await code(source.open("sub"))).toBe("SOURCE_NOT_REGULAR");
    expect(await code(source.open(""))).toBe("SOURCE_NOT_REGULAR");
    expect(await code(source.open("link"))).toBe("SOURCE_NOT_REGULAR");
    expect(await code(source.open("loop", { follow: true }))).toBe("SOURCE_NOT_REGULAR");
    expect(await code((await new NodeFileSystem().openRoot("/dev")).open("null"))).toBe("SOURCE_NOT_REGULAR");
  });
});

describeOnLinux("confinement", () => {
  test.each([
    ["asking the descriptor", undefined],
    ["without /proc", withoutProc],
  ])("%s", async (_, fs) => {
    const source = await root(fs);
    expect(await content("sub/file", undefined, fs)).toBe("sub");
    expect(await code(source.open("../secret/file"))).toBe("SOURCE_OUTSIDE_ROOT");
    await symlink(join(outer, "secret/file"), join(folder, "out"));
    await symlink("sub/file", join(folder, "in"));
    expect(await content("in", { follow: true }, fs)).toBe("sub");
    expect(await code(source.open("out", { follow: true }))).toBe("SOURCE_OUTSIDE_ROOT");
    expect(await code(source.stat("out", { follow: true }))).toBe("SOURCE_OUTSIDE_ROOT");
    expect((await source.stat("out"))?.kind).toBe("link");
    await rm(join(folder, "sub"), { recursive: true });
    await symlink(join(outer, "secret"), join(folder, "sub"));
    expect(await code(source.open("sub/file"))).toBe("SOURCE_OUTSIDE_ROOT");
  });

  test.each([
    ["asking the descriptor", undefined],
    ["without /proc", withoutProc],
  ])("below a root that was replaced by a link nothing is said to lie outside, %s", async (_, fs) => {
    const source = await root(fs);
    await rename(folder, join(outer, "elsewhere"));
    await symlink(join(outer, "secret"), folder);
    expect(await code(source.open("file"))).toBe("SOURCE_NOT_READABLE");
    expect(await code(source.open("file", { follow: true }))).toBe("SOURCE_NOT_READABLE");
    expect(await code(source.open("no"))).toBe("SOURCE_NOT_READABLE");
    await rm(folder);
    await rename(join(outer, "elsewhere"), folder);
    await (await source.open("file")).close();
  });

  test("a sibling whose name begins alike is outside", async () => {
    await mkdir(`${folder}-2`);
    await writeFile(`${folder}-2/file`, "x");
    await symlink(`${folder}-2/file`, join(folder, "out"));
    expect(await code((await root()).open("out", { follow: true }))).toBe("SOURCE_OUTSIDE_ROOT");
  });

  test("names that look like something else are read all the same", async () => {
    for (const name of ["a\nb", "x (deleted)", " ", "\\", "café"]) {
      writeFileSync(join(folder, name), name);
      expect(await content(name)).toBe(name);
    }
  });

  test("no descriptor stays open, however opening ends", async () => {
    const source = await root();
    await symlink(join(outer, "secret/file"), join(folder, "out"));
    const count = () => nodeFs.readdirSync("/proc/self/fd").length;
    // Until a thread has been started that reads small files: it has descriptors of its own.
    for (let opened = 0; opened < 100; opened++) await code(source.open("no"));
    const before = count();
    for (let turn = 0; turn < 50; turn++) {
      await Promise.all([
        code(source.open("sub")),
        code(source.open("out", { follow: true })),
        code(source.open("no")),
        content("file"),
      ]);
    }
    expect(count()).toBeLessThanOrEqual(before + 2);
  });
});

describe("memfs", () => {
  const memory = () => {
    const volume = Volume.fromJSON({ "/data/a/file": "abc", "/secret": "s" });
    volume.symlinkSync("/secret", "/data/out");
    volume.symlinkSync("/data/a/file", "/data/in");
    return new NodeFileSystem(createFsFromVolume(volume) as unknown as FsLike).openRoot("/data");
  };

  test("is read as the real thing is", async () => {
    const source = await memory();
    const file = await source.open("a/file");
    const target = Buffer.alloc(5, ".");
    expect([await file.read(target, 1), target.toString(), (await file.stat()).size]).toEqual([2, "bc...", 3]);
    await file.close();
    expect((await source.readFolder("")).map(({ name, kind }) => `${kind} ${name}`).sort()).toEqual([
      "folder a",
      "link in",
      "link out",
    ]);
    expect(await source.stat("nothing")).toBeUndefined();
  });

  test("is confined as the real thing is", async () => {
    const source = await memory();
    expect(await code(source.open("out", { follow: true }))).toBe("SOURCE_OUTSIDE_ROOT");
    expect(await code(source.open("a"))).toBe("SOURCE_NOT_REGULAR");
    const file = await source.open("in", { follow: true });
    expect((await file.stat()).size).toBe(3);
  });
});
