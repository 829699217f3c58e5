import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFsFromVolume, Volume } from "memfs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sourceFacts } from "../src/file.ts";
import { type FileSystem, type FolderChanges, type FsLike, NodeFileSystem, type SourceRoot } from "../src/index.ts";
import { FakeClock, MemoryFileSystem } from "../src/testing/index.ts";

/** A file system with two empty folders, /from and /to, wherever they are. */
interface Bed {
  readonly fileSystem: FileSystem & FolderChanges;
  readonly base: string;
  readonly write: (path: string, content: string) => Promise<void> | void;
  /** Undefined: nothing is there. */
  readonly read: (path: string) => Promise<string | undefined>;
  readonly end: () => Promise<void>;
}

async function realDisk(): Promise<Bed> {
  const base = await realpath(await mkdtemp(join(tmpdir(), "changes-")));
  for (const name of ["from", "to"]) await mkdir(join(base, name));
  return {
    fileSystem: new NodeFileSystem(),
    base,
    write: (path, content) => writeFile(join(base, path), content),
    read: (path) => readFile(join(base, path), "utf8").catch(() => undefined),
    end: () => rm(base, { recursive: true }),
  };
}

async function memfs(): Promise<Bed> {
  const volume = Volume.fromJSON({ "/b/from/.keep": "", "/b/to/.keep": "" });
  return {
    fileSystem: new NodeFileSystem(createFsFromVolume(volume) as unknown as FsLike),
    base: "/b",
    write: (path, content) => volume.writeFileSync(`/b/${path}`, content),
    read: async (path) => (volume.existsSync(`/b/${path}`) ? String(volume.readFileSync(`/b/${path}`)) : undefined),
    end: async () => {},
  };
}

async function memory(): Promise<Bed> {
  const disk = new MemoryFileSystem(new FakeClock(1), { root: "/b" });
  disk.write("from/.keep", new Uint8Array());
  disk.write("to/.keep", new Uint8Array());
  return {
    fileSystem: disk,
    base: "/b",
    write: (path, content) => disk.write(path, Buffer.from(content)),
    read: async (path) => {
      const content = disk.content(path);
      return content && Buffer.from(content).toString();
    },
    end: async () => {},
  };
}

describe.each([
  ["a real disk", realDisk],
  ["memfs", memfs],
  ["memory", memory],
])("folder changes on %s", (_, open) => {
  let bed: Bed;
  let from: SourceRoot;
  let to: SourceRoot;

  beforeEach(async () => {
    bed = await open();
    from = await bed.fileSystem.openRoot(join(bed.base, "from"));
    to = await bed.fileSystem.openRoot(join(bed.base, "to"));
  });

  afterEach(async () => {
    await bed.end();
  });

  async function fingerprint(root: SourceRoot, path: string): Promise<string> {
    const facts = await root.stat(path);
    if (!facts) throw new Error(`${path} is not there`);
    return sourceFacts(facts).fingerprint;
  }

  const move = async (path: string, target: string, expected?: string) =>
    await bed.fileSystem.moveFile(
      { root: from, path },
      { root: to, path: target },
      expected ?? (await fingerprint(from, path)),
    );

  test("a file is moved, with the folders above it made", async () => {
    await bed.write("from/a", "1");
    expect(await move("a", "x/y/b")).toBe("done");
    expect([await bed.read("from/a"), await bed.read("to/x/y/b")]).toEqual([undefined, "1"]);
    const facts = await to.stat("x/y/b");
    expect(facts).toMatchObject({ kind: "file", size: 1 });
  });

  test("its inode, size and mtime stay, whatever the device is called", async () => {
    await bed.write("from/a", "1");
    const before = await fingerprint(from, "a");
    expect(await move("a", "a", before.replace(/^\d+/, "99999"))).toBe("done");
    expect((await fingerprint(to, "a")).split(":").slice(1, 4)).toEqual(before.split(":").slice(1, 4));
  });

  test("a name in use is never replaced, be it a file or a folder", async () => {
    await bed.write("from/a", "1");
    await bed.write("to/a", "theirs");
    await bed.fileSystem.makeFolder(to, "folder");
    expect([await move("a", "a"), await move("a", "folder")]).toEqual(["taken", "taken"]);
    expect([await bed.read("from/a"), await bed.read("to/a")]).toEqual(["1", "theirs"]);
  });

  test("of many files at once that want one name, one gets it", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `f${index}`);
    for (const name of names) await bed.write(`from/${name}`, name);
    const results = await Promise.all(names.map((name) => move(name, "one")));
    expect(results.filter((result) => result === "done")).toHaveLength(1);
    expect(results.filter((result) => result === "taken")).toHaveLength(19);
    const left = await Promise.all(names.map((name) => bed.read(`from/${name}`)));
    expect([...left, await bed.read("to/one")].filter((content) => content !== undefined).sort()).toEqual(names.sort());
  });

  test("another file than the expected one is neither moved nor deleted", async () => {
    await bed.write("from/a", "1");
    const expected = await fingerprint(from, "a");
    await bed.write("from/a", "22");
    expect(await move("a", "a", expected)).toBe("changed");
    expect(await bed.fileSystem.removeFile({ root: from, path: "a" }, expected)).toBe("changed");
    expect([await bed.read("from/a"), await bed.read("to/a")]).toEqual(["22", undefined]);
  });

  test("what is gone is gone", async () => {
    expect(await move("x/a", "a", "1:1:1:1:1")).toBe("gone");
    expect(await bed.fileSystem.removeFile({ root: from, path: "x/a" }, "1:1:1:1:1")).toBe("gone");
  });

  test("a file is deleted", async () => {
    await bed.write("from/a", "1");
    expect(await bed.fileSystem.removeFile({ root: from, path: "a" }, await fingerprint(from, "a"))).toBe("done");
    expect(await bed.read("from/a")).toBeUndefined();
  });

  test("only empty folders go, up to the root", async () => {
    await bed.fileSystem.makeFolder(from, "x/y/z");
    await bed.fileSystem.makeFolder(from, "x/y/z");
    await bed.fileSystem.makeFolder(from, "x/other");
    await bed.fileSystem.removeEmptyFolders(from, "x/y/z");
    expect((await from.readFolder("x")).map(({ name }) => name)).toEqual(["other"]);
    await bed.fileSystem.removeEmptyFolders(from, "x/other");
    expect((await from.readFolder("")).map(({ name }) => name)).not.toContain("x");
    await bed.fileSystem.removeEmptyFolders(from, "not/there");
  });
});

describe("on a real disk, with somebody who swaps folders and links", () => {
  let bed: Bed;
  let from: SourceRoot;
  let to: SourceRoot;

  beforeEach(async () => {
    bed = await realDisk();
    from = await bed.fileSystem.openRoot(join(bed.base, "from"));
    to = await bed.fileSystem.openRoot(join(bed.base, "to"));
    await mkdir(join(bed.base, "outside"));
  });

  afterEach(async () => {
    await bed.end();
  });

  async function factsIn(folder: string, path: string): Promise<string> {
    const facts = await (await bed.fileSystem.openRoot(join(bed.base, folder))).stat(path);
    return facts ? sourceFacts(facts).fingerprint : "";
  }

  test("a link in place of a folder above the source leads nowhere", async () => {
    await bed.write("outside/a", "1");
    await symlink(join(bed.base, "outside"), join(bed.base, "from/x"));
    const expected = await factsIn("outside", "a");
    const place = { root: from, path: "x/a" };
    const refused = { code: "SOURCE_NOT_DISPOSED" };
    await expect(bed.fileSystem.removeFile(place, expected)).rejects.toMatchObject(refused);
    await expect(bed.fileSystem.moveFile(place, { root: to, path: "a" }, expected)).rejects.toMatchObject(refused);
    expect(await bed.read("outside/a")).toBe("1");
  });

  test("a link in place of a folder above the destination, too", async () => {
    await bed.write("from/a", "1");
    await symlink(join(bed.base, "outside"), join(bed.base, "to/x"));
    const moved = bed.fileSystem.moveFile(
      { root: from, path: "a" },
      { root: to, path: "x/a" },
      await factsIn("from", "a"),
    );
    await expect(moved).rejects.toMatchObject({ code: "SOURCE_NOT_DISPOSED" });
    await expect(bed.fileSystem.makeFolder(to, "x/y")).rejects.toMatchObject({ code: "SOURCE_NOT_DISPOSED" });
    expect([await bed.read("from/a"), await readdir(join(bed.base, "outside"))]).toEqual(["1", []]);
  });

  test("a link itself is not the file", async () => {
    await bed.write("outside/a", "1");
    await symlink(join(bed.base, "outside/a"), join(bed.base, "from/a"));
    expect(await bed.fileSystem.removeFile({ root: from, path: "a" }, await factsIn("outside", "a"))).toBe("changed");
    expect(await bed.read("from/a")).toBe("1");
  });

  test("another folder under the root's name is refused", async () => {
    await bed.write("from/a", "1");
    await rename(join(bed.base, "from"), join(bed.base, "old"));
    await mkdir(join(bed.base, "from"));
    await bed.write("from/a", "2");
    const expected = await factsIn("from", "a");
    await expect(bed.fileSystem.removeFile({ root: from, path: "a" }, expected)).rejects.toMatchObject({
      code: "SOURCE_NOT_DISPOSED",
    });
    expect([await bed.read("from/a"), await bed.read("old/a")]).toEqual(["2", "1"]);
  });

  test("no descriptor stays open", async () => {
    const open = async () => (await readdir("/proc/self/fd")).length;
    await bed.write("from/warm", "1");
    await bed.fileSystem.moveFile(
      { root: from, path: "warm" },
      { root: to, path: "x/warm" },
      await factsIn("from", "warm"),
    );
    const before = await open();
    for (let index = 0; index < 30; index++) {
      await bed.write("from/a", "1");
      const expected = await factsIn("from", "a");
      await bed.fileSystem.moveFile({ root: from, path: "a" }, { root: to, path: `x/${index}` }, expected);
      await bed.fileSystem.moveFile({ root: from, path: "no/a" }, { root: to, path: "x/no" }, expected);
      await bed.fileSystem.removeFile({ root: to, path: `x/y/${index}` }, expected);
      await bed.fileSystem.removeEmptyFolders(to, "x");
    }
    expect(await open()).toBeLessThanOrEqual(before + 2);
  });
});

describe("a disk that hangs", () => {
  /** Whatever is renamed from there hangs until it is let go. */
  async function hanging(from: string) {
    const volume = Volume.fromJSON({ "/b/slow/a": "1", "/b/slow/b": "2", "/b/from/a": "3", "/b/done/x": "4" });
    for (const name of ["far", "near"]) volume.mkdirSync(`/b/${name}`);
    const disk = createFsFromVolume(volume) as unknown as FsLike;
    let letGo = () => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    let renames = 0;
    const promises = {
      ...disk.promises,
      rename: async (...paths: Parameters<FsLike["promises"]["rename"]>) => {
        renames++;
        if (String(paths[0]).startsWith(from)) await held;
        await disk.promises.rename(...paths);
      },
    };
    for (const method of ["lstat", "mkdir", "stat"] as const)
      Object.assign(promises, { [method]: disk.promises[method].bind(disk.promises) });
    const open = () => new NodeFileSystem({ promises: promises as FsLike["promises"], constants: disk.constants });
    const [own, another] = [open(), open()];
    const root = (name: string) => own.openRoot(`/b/${name}`);
    const move = async (one: SourceRoot, other: SourceRoot, path: string, target = path, fileSystem = own) => {
      const facts = await one.stat(path);
      const fingerprint = facts ? sourceFacts(facts).fingerprint : "";
      return await fileSystem.moveFile({ root: one, path }, { root: other, path: target }, fingerprint);
    };
    return { volume, another, root, move, letGo: () => letGo(), renames: () => renames };
  }

  test("does not hold up moves into other folders", async () => {
    const { root, move, letGo } = await hanging("/b/slow/");
    const [slow, from, far, near] = [await root("slow"), await root("from"), await root("far"), await root("near")];
    const held = move(slow, far, "a");
    expect(await move(from, near, "a")).toBe("done");
    letGo();
    expect(await held).toBe("done");
  });

  test("two ways of two services into one folder are still one at a time: no file takes the place of another", async () => {
    const { volume, another, root, move, letGo, renames } = await hanging("/b/slow/");
    volume.mkdirSync("/b/far/deep");
    const [slow, far, deep] = [await root("slow"), await root("far"), await root("far/deep")];
    const held = move(slow, far, "a", "deep/one");
    const second = move(slow, deep, "b", "one", another);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(renames()).toBe(1);
    letGo();
    expect([await held, await second].sort()).toEqual(["done", "taken"]);
    const left = ["a", "b"].filter((name) => volume.existsSync(`/b/slow/${name}`));
    const contents = ["/b/far/deep/one", ...left.map((name) => `/b/slow/${name}`)].map((path) =>
      String(volume.readFileSync(path)),
    );
    expect(contents.sort()).toEqual(["1", "2"]);
  });
});
