import { execFileSync } from "node:child_process";
import * as nodeFs from "node:fs";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFsFromVolume, Volume } from "memfs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SourceError } from "../src/errors.ts";
import { type FsLike, NodeFileSystem } from "../src/node-file-system.ts";
import { compilePatterns } from "../src/patterns.ts";
import type { SourceRoot } from "../src/ports/file-system.ts";
import { type ScanEntry, scan } from "../src/scanner.ts";
import { faulty } from "../src/testing/faulty.ts";
import { forSeeds } from "./support/random.ts";
import { inByteOrder, plantTree } from "./support/trees.ts";

/** Elsewhere these entries cannot be made; a test that is not there is no skipped one. */
const linux = process.platform === "linux";
const describeOnLinux = (name: string, define: () => void) => linux && describe(name, define);
const onLinux = (name: string, run: () => Promise<void>) => linux && test(name, run);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bucketline-scan-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Options {
  readonly pattern?: string[];
  readonly exclude?: string[];
  readonly dot?: boolean;
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

async function scanRoot(
  root: SourceRoot,
  { pattern = ["**"], exclude = [], dot = true, follow = false, signal }: Options = {},
): Promise<ScanEntry[]> {
  const entries: ScanEntry[] = [];
  for await (const batch of scan(root, {
    filter: compilePatterns({ pattern, exclude, dot }),
    followLinks: follow,
    signal,
  }))
    entries.push(...batch);
  return entries;
}

const open = (path = folder) => new NodeFileSystem().openRoot(path);
const scanFolder = async (options?: Options) => await scanRoot(await open(), options);
const paths = (entries: readonly ScanEntry[]) => entries.map((entry) => entry.path);
/** `file path`, or `kind path CODE`. */
const shown = (entries: readonly ScanEntry[]) =>
  entries.map((entry) =>
    entry.kind === "file" ? `file ${entry.path}` : `${entry.kind} ${entry.path} ${entry.reason.code}`,
  );
const put = async (path: string) => {
  await mkdir(join(folder, path, ".."), { recursive: true });
  await writeFile(join(folder, path), path);
};

describe("order", () => {
  test("is that of the bytes of whole paths, on the real file system", async () => {
    await forSeeds(15, async (dice) => {
      const root = await mkdtemp(join(folder, "tree-"));
      const files = await plantTree(nodeFs.promises, root, dice);
      expect(paths(await scanRoot(await open(root)))).toEqual(files);
    });
  });

  test("and in memory; what is left out by folder is what is left out by file", async () => {
    const globs = [
      "**",
      "a/**",
      "**/a*",
      "*/b",
      "!(a)/**",
      "**/.h",
      "{a,b}/**",
      "**/a/**",
      "a*/*/*",
      "?/**",
      "😀/**",
      "**/*.txt",
    ];
    await forSeeds(150, async (dice) => {
      const fs = createFsFromVolume(Volume.fromJSON({ "/root/a": "" })) as unknown as FsLike;
      await fs.promises.rm("/root/a");
      const files = await plantTree(fs.promises, "/root", dice);
      const options = {
        pattern: dice.list(1, 2, () => dice.pick(globs)),
        exclude: dice.list(0, 2, () => dice.pick(globs.slice(1))),
        dot: dice.chance(0.5),
      };
      const filter = compilePatterns(options);
      const found = await scanRoot(await new NodeFileSystem(fs).openRoot("/root"), options);
      expect(paths(found), JSON.stringify(options)).toEqual(files.filter((path) => filter.includes(path)));
    });
  });
});

test("thousands of files come in bounded batches, each file once", async () => {
  const volume = Volume.fromJSON(
    Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`/root/${index % 7}/f${index}`, ""])),
  );
  const root = await new NodeFileSystem(createFsFromVolume(volume) as unknown as FsLike).openRoot("/root");
  const sizes: number[] = [];
  const seen = new Set<string>();
  for await (const batch of scan(root, {
    filter: compilePatterns({ pattern: ["**"], exclude: [], dot: false }),
    followLinks: false,
  })) {
    sizes.push(batch.length);
    for (const { path } of batch) seen.add(path);
  }
  expect(seen.size).toBe(3_000);
  expect(Math.max(...sizes)).toBeLessThan(512);
  expect(Math.min(...sizes)).toBeGreaterThan(0);
});

test("an empty folder, and one with nothing but empty folders, hold nothing", async () => {
  expect(await scanFolder()).toEqual([]);
  await mkdir(join(folder, "a/b/c"), { recursive: true });
  expect(await scanFolder()).toEqual([]);
});

test("an aborted signal ends the walk with its reason", async () => {
  await put("a");
  await expect(scanFolder({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});

describeOnLinux("names and entries that only some file systems have", () => {
  test("FIFOs, sockets and devices are skipped and never opened", async () => {
    execFileSync("mkfifo", [join(folder, "fifo")]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(folder, "socket"), resolve));
    await put("z");
    await symlink("/dev/null", join(folder, "device"));
    expect(shown(await scanFolder({ follow: true }))).toEqual([
      "skipped device SOURCE_NOT_REGULAR",
      "skipped fifo SOURCE_NOT_REGULAR",
      "skipped socket SOURCE_NOT_REGULAR",
      "file z",
    ]);
    expect(paths(await scanFolder({ pattern: ["z"] }))).toEqual(["z"]);
    await new Promise((resolve) => server.close(resolve));
  });

  test("names that are no UTF-8 are skipped, two of them told apart, their neighbours read", async () => {
    for (const name of ["caf\xe9", "caf\xe8"])
      nodeFs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, "latin1")]), "");
    nodeFs.mkdirSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]));
    await put("real \ufffd");
    await put("z");
    const found = await scanFolder();
    expect(
      found.filter(({ kind }) => kind === "skipped").map((entry) => "reason" in entry && entry.reason.code),
    ).toEqual(Array(3).fill("SOURCE_NAME_NOT_UTF8"));
    expect(new Set(paths(found)).size).toBe(5);
    expect(paths(found)).toEqual(inByteOrder(paths(found)));
    expect(paths(found.filter(({ kind }) => kind === "file"))).toEqual(["real \ufffd", "z"]);
  });

  test("a file that bears the name under which another is shown is still a file", async () => {
    nodeFs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), "");
    const [bad] = await scanFolder();
    await put(bad?.path ?? "");
    const found = await scanFolder();
    expect(found.map(({ kind }) => kind).sort()).toEqual(["file", "skipped"]);
    expect(new Set(paths(found)).size).toBe(2);
  });

  test("newlines, twins in NFC and NFD, names of 255 bytes", async () => {
    const names = ["a\nb", "caf\u00e9", "cafe\u0301", "x".repeat(255), " ", "\u0001"];
    for (const name of names) await put(name);
    expect(paths(await scanFolder())).toEqual(inByteOrder(names));
  });

  test("paths longer than the system takes are reported, and the rest is read", async () => {
    const name = "d".repeat(250);
    const script = `const fs = require("fs"); for (let i = 0; i < 17; i++) { fs.mkdirSync(${JSON.stringify(name)}); process.chdir(${JSON.stringify(name)}); } fs.writeFileSync("deep", "");`;
    execFileSync(process.execPath, ["-e", script], { cwd: folder });
    await put("z");
    const found = shown(await scanFolder());
    expect(found.at(-1)).toBe("file z");
    expect(found.slice(0, -1)).toEqual([expect.stringMatching(/^unreadable d.*\/ SOURCE_NOT_READABLE$/)]);
    execFileSync("rm", ["-rf", join(folder, name)]);
  });
});

describeOnLinux("links", () => {
  beforeEach(async () => {
    await put("in/file");
    await symlink("in/file", join(folder, "to-file"));
    await symlink("in", join(folder, "to-folder"));
    await symlink("nowhere", join(folder, "dangling"));
    await symlink("self", join(folder, "self"));
    await symlink("/etc", join(folder, "outside"));
    await symlink("..", join(folder, "in/up"));
  });

  test("are skipped by default", async () => {
    expect(shown(await scanFolder())).toEqual([
      "skipped dangling SOURCE_NOT_REGULAR",
      "file in/file",
      "skipped in/up SOURCE_NOT_REGULAR",
      "skipped outside SOURCE_NOT_REGULAR",
      "skipped self SOURCE_NOT_REGULAR",
      "skipped to-file SOURCE_NOT_REGULAR",
      "skipped to-folder SOURCE_NOT_REGULAR",
    ]);
  });

  test("are followed on demand: inside the folder, and never round in circles", async () => {
    expect(shown(await scanFolder({ follow: true }))).toEqual([
      "skipped dangling SOURCE_NOT_REGULAR",
      "file in/file",
      "skipped in/up/ SOURCE_NOT_REGULAR",
      "skipped outside SOURCE_NOT_REGULAR",
      "skipped self SOURCE_NOT_REGULAR",
      "file to-file",
      "file to-folder/file",
      "skipped to-folder/up/ SOURCE_NOT_REGULAR",
    ]);
  });

  test("links of which nothing can be learned hold the place of a file and of a folder", async () => {
    await put("to-folder-b");
    await put("to-folder0");
    const { port } = faulty(await open(), [
      {
        method: "stat",
        when: (path) => path === "to-folder",
        before: new SourceError("SOURCE_NOT_READABLE", "EIO"),
        times: 9,
      },
    ]);
    const found = shown(await scanRoot(port, { pattern: ["to-folder*/**", "to-folder*"], follow: true }));
    expect(found).toEqual([
      "unreadable to-folder SOURCE_NOT_READABLE",
      "file to-folder-b",
      "unreadable to-folder/ SOURCE_NOT_READABLE",
      "file to-folder0",
    ]);
  });
});

describe("trouble on the way", () => {
  beforeEach(async () => {
    for (const path of ["a", "b/1", "b/2", "c"]) await put(path);
  });
  const unreadable = new SourceError("SOURCE_NOT_READABLE", "EIO");

  test("a folder that cannot be read is said to be so, in its place", async () => {
    const { port } = faulty(await open(), [{ method: "readFolder", when: (path) => path === "b", before: unreadable }]);
    expect(shown(await scanRoot(port))).toEqual(["file a", "unreadable b/ SOURCE_NOT_READABLE", "file c"]);
  });

  test("so is a file", async () => {
    const { port } = faulty(await open(), [{ method: "stat", when: (path) => path === "b/1", before: unreadable }]);
    expect(shown(await scanRoot(port))).toEqual(["file a", "unreadable b/1 SOURCE_NOT_READABLE", "file b/2", "file c"]);
  });

  onLinux("a folder that may not be entered", async () => {
    nodeFs.chmodSync(join(folder, "b"), 0o000);
    nodeFs.chmodSync(folder, 0o755);
    // Root may enter any folder, so the scan is made by somebody else.
    const source = new URL("../src/", import.meta.url).href;
    const script = `
      const { NodeFileSystem } = await import("${source}node-file-system.ts");
      const { scan } = await import("${source}scanner.ts");
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      const root = await new NodeFileSystem().openRoot(${JSON.stringify(folder)});
      const filter = { includes: () => true, descends: () => true };
      for await (const batch of scan(root, { filter, followLinks: false })) for (const { kind, path } of batch) console.log(kind, path);`;
    const args = [
      "--conditions=@bucketline/source",
      "--input-type=module",
      "--disable-warning=ExperimentalWarning",
      "-e",
      script,
    ];
    expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe("file a\nunreadable b/\nfile c\n");
    nodeFs.chmodSync(join(folder, "b"), 0o755);
  });

  test("a file or folder that vanishes in between was never there", async () => {
    const { port } = faulty(await open(), [
      {
        method: "readFolder",
        run: async ({ proceed }) => {
          const entries = await (proceed() as Promise<unknown>);
          await rm(join(folder, "b"), { recursive: true });
          await rm(join(folder, "c"));
          return entries;
        },
      },
    ]);
    expect(shown(await scanRoot(port))).toEqual(["file a"]);
  });

  test("a folder that vanishes while it is entered is unreadable, as is one that became a file", async () => {
    const vanish = faulty(await open(), [
      {
        method: "stat",
        when: (path) => path === "b",
        run: async ({ proceed }) => {
          const facts = await (proceed() as Promise<unknown>);
          await rm(join(folder, "b"), { recursive: true });
          return facts;
        },
      },
    ]);
    expect(shown(await scanRoot(vanish.port))).toEqual(["file a", "unreadable b/ SOURCE_NOT_FOUND", "file c"]);
    await put("b/1");
    const replace = faulty(await open(), [
      {
        method: "readFolder",
        run: async ({ proceed }) => {
          const entries = await (proceed() as Promise<unknown>);
          await rm(join(folder, "b"), { recursive: true });
          await symlink("/etc", join(folder, "b"));
          return entries;
        },
      },
    ]);
    expect(shown(await scanRoot(replace.port))).toEqual(["file a", "skipped b/ SOURCE_NOT_REGULAR", "file c"]);
  });

  test("a root that goes away in the middle is no folder without files", async () => {
    const gone = faulty(await open(), [
      {
        method: "readFolder",
        run: async ({ proceed }) => {
          const entries = await (proceed() as Promise<unknown>);
          await rename(folder, `${folder}-unmounted`);
          await mkdir(folder);
          return entries;
        },
      },
    ]);
    expect(shown(await scanRoot(gone.port))).toEqual([
      "unreadable a SOURCE_NOT_READABLE",
      "unreadable b/ SOURCE_NOT_READABLE",
      "unreadable c SOURCE_NOT_READABLE",
    ]);
    await rm(`${folder}-unmounted`, { recursive: true });
  });

  test("a root that is replaced in the middle by one with the same folders is no folder without files", async () => {
    const replaced = faulty(await open(), [
      {
        method: "readFolder",
        run: async ({ proceed }) => {
          const entries = await (proceed() as Promise<unknown>);
          await rename(folder, `${folder}-unmounted`);
          await mkdir(join(folder, "b"), { recursive: true });
          return entries;
        },
      },
    ]);
    expect(shown(await scanRoot(replaced.port))).toContain("unreadable b/ SOURCE_NOT_READABLE");
    await rm(`${folder}-unmounted`, { recursive: true });
  });

  test("a root that is replaced before it is read is refused", async () => {
    const root = await open();
    await rename(folder, `${folder}-unmounted`);
    await expect(scanRoot(root)).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
    await mkdir(folder);
    await expect(scanRoot(root)).rejects.toMatchObject({ code: "SOURCE_NOT_READABLE" });
    await rm(`${folder}-unmounted`, { recursive: true });
  });

  test("what is no source error ends the walk", async () => {
    const { port } = faulty(await open(), [{ method: "stat", before: new TypeError("bug") }]);
    await expect(scanRoot(port)).rejects.toThrow("bug");
  });
});
