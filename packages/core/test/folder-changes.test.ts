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
