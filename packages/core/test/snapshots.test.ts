import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, realpath, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NodeFileSystem } from "../src/node-file-system.ts";
import type { OpenFile, SourceRoot } from "../src/ports/file-system.ts";
import { Snapshots } from "../src/snapshots.ts";
import { SourceReader } from "../src/source-reader.ts";

/** Files that are opened one by one before a thread is worth its start. */
const BEFORE = 64;
let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "bucketline-snapshots-")));
});
afterEach(() => rm(folder, { recursive: true }));

async function warmed(): Promise<Snapshots> {
  const snapshots = new Snapshots(folder + sep, new SourceReader());
  for (let count = 0; count < BEFORE; count++) await snapshots.take(join(folder, "missing"), false);
  return snapshots;
}

async function warmRoot(): Promise<SourceRoot> {
  const root = await new NodeFileSystem().openRoot(folder);
  await writeFile(join(folder, "warm"), "");
  for (let count = 0; count < BEFORE; count++) await (await root.open("warm")).close();
  return root;
}

async function contentOf(file: OpenFile): Promise<string> {
  const bytes = Buffer.alloc((await file.stat()).size);
  expect(await file.read(bytes, 0)).toBe(bytes.length);
  await file.close();
  return bytes.toString();
}

describe.runIf(process.platform === "linux")("small files are read whole in a thread", () => {
  test("with the facts that the descriptor has", async () => {
    const path = join(folder, "file ü.bin");
    await writeFile(path, "content");
    await utimes(path, 1, 1.25);
    const plain = await (await new NodeFileSystem().openRoot(folder)).open("file ü.bin");
    const snapshot = await (await warmed()).take(path, false);
    expect(Buffer.from(snapshot?.bytes ?? []).toString()).toBe("content");
    expect(snapshot?.facts).toEqual(await plain.stat());
    await plain.close();
  });

  test("many at once, each with its own bytes, of any size up to 64 KiB", async () => {
    const sizes = Array.from({ length: 200 }, (_, index) => (index * 331) % 65_537);
    const paths = sizes.map((_, index) => join(folder, String(index)));
    await Promise.all(paths.map((path, index) => writeFile(path, Buffer.alloc(sizes[index] ?? 0, index))));
    const snapshots = await warmed();
    const taken = await Promise.all(paths.map((path) => snapshots.take(path, false)));
    for (const [index, snapshot] of taken.entries())
      expect(Buffer.compare(snapshot?.bytes ?? Buffer.of(1), Buffer.alloc(sizes[index] ?? 0, index))).toBe(0);
  });

  test("of which each is kept by itself, not with all that were read together with it", async () => {
    const paths = Array.from({ length: 32 }, (_, index) => join(folder, String(index)));
    await Promise.all(paths.map((path, index) => writeFile(path, Buffer.alloc(index === 0 ? 10 : 64 * 1024))));
    const snapshots = await warmed();
    const [small] = await Promise.all(paths.map((path) => snapshots.take(path, false)));
    expect(small?.bytes.buffer.byteLength).toBe(10);
  });

  test("a path that can be none shifts nobody else's content", async () => {
    for (const name of ["one", "other", "third"]) await writeFile(join(folder, name), name);
    const snapshots = await warmed();
    const paths = [`${join(folder, "one")}\0${join(folder, "other")}`, join(folder, "third")];
    const [none, third] = await Promise.all(paths.map((path) => snapshots.take(path, false)));
    expect([none, Buffer.from(third?.bytes ?? []).toString()]).toEqual([undefined, "third"]);
  });

  test("larger files, links, folders, FIFOs and what is not there are left to the caller", async () => {
    await writeFile(join(folder, "large"), Buffer.alloc(64 * 1024 + 1));
    await writeFile(join(folder, "small"), "small");
    await mkdir(join(folder, "folder"));
    await symlink("small", join(folder, "link"));
    execFileSync("mkfifo", [join(folder, "fifo")]);
    const snapshots = await warmed();
    const take = (name: string, follow = false) => snapshots.take(join(folder, name), follow);
    const left = ["large", "folder", "link", "fifo", "missing", "small/below"];
    expect(await Promise.all(left.map((name) => take(name)))).toEqual(left.map(() => undefined));
    const followed = await Promise.all([take("small"), take("link", true), take("small", true)]);
    expect(followed.map((snapshot) => Buffer.from(snapshot?.bytes ?? []).toString())).toEqual(Array(3).fill("small"));
  });

  test("nothing from outside the root, however a link leads there", async () => {
    const outside = await mkdtemp(join(tmpdir(), "bucketline-outside-"));
    await writeFile(join(outside, "secret"), "secret");
    await symlink(join(outside, "secret"), join(folder, "link"));
    await symlink(outside, join(folder, "folder"));
    const snapshots = await warmed();
    expect(await snapshots.take(join(folder, "link"), true)).toBeUndefined();
    expect(await snapshots.take(join(folder, "folder", "secret"), false)).toBeUndefined();
    const root = await warmRoot();
    await expect(root.open("link", { follow: true })).rejects.toMatchObject({ code: "SOURCE_OUTSIDE_ROOT" });
    await expect(root.open("folder/secret")).rejects.toMatchObject({ code: "SOURCE_OUTSIDE_ROOT" });
    await rm(outside, { recursive: true });
  });

  test("a root hands out the same whether a thread reads or not, and says the same of what it cannot", async () => {
    await writeFile(join(folder, "small"), "small");
    await writeFile(join(folder, "large"), "x".repeat(100_000));
    await symlink("small", join(folder, "link"));
    const [cold, warm] = [await new NodeFileSystem().openRoot(folder), await warmRoot()];
    for (const name of ["small", "large"])
      expect(await contentOf(await warm.open(name))).toBe(await contentOf(await cold.open(name)));
    for (const name of ["missing", "link", ""]) {
      const [one, other] = await Promise.allSettled([cold.open(name), warm.open(name)]);
      expect(one.status).toBe("rejected");
      expect(other).toEqual(one);
    }
    expect(await contentOf(await warm.open("link", { follow: true }))).toBe("small");
  });

  test("what is handed out stays what it was, and reads beyond the end give what is there", async () => {
    await writeFile(join(folder, "file"), "0123456789");
    const file = await (await warmRoot()).open("file");
    const before = await file.stat();
    await truncate(join(folder, "file"), 3);
    await rename(join(folder, "file"), join(folder, "other"));
    const target = Buffer.alloc(8, "-");
    expect([await file.read(target, 6), target.toString()]).toEqual([4, "6789----"]);
    expect([await file.read(target, 20), await file.stat()]).toEqual([0, before]);
  });

  test("a file that is being written never comes with bytes that its facts do not belong to", async () => {
    const path = join(folder, "busy");
    await writeFile(path, "");
    // Rewrites it without end, each time with as many bytes as each of them says.
    const program = `const { writeFileSync } = require("node:fs");
      for (let size = 1; ; size = (size % 250) + 1) writeFileSync(${JSON.stringify(path)}, Buffer.alloc(size * 200, size));`;
    const writer = spawn(process.execPath, ["-e", program], { stdio: "ignore" });
    const snapshots = await warmed();
    const seen = new Set<number>();
    for (let count = 0; count < 20_000 && seen.size < 50; count++) {
      const snapshot = await snapshots.take(path, false);
      if (!snapshot || snapshot.bytes.length === 0) continue;
      expect(snapshot.bytes.length).toBe(snapshot.facts.size);
      seen.add(snapshot.bytes[0] ?? 0);
    }
    const gone = once(writer, "exit");
    writer.kill("SIGKILL");
    await gone;
    expect(seen.size).toBeGreaterThan(0);
  });

  test("a program with a thread that rests ends by itself", async () => {
    await writeFile(join(folder, "file"), "content");
    const program = `import { NodeFileSystem } from ${JSON.stringify(new URL("../src/node-file-system.ts", import.meta.url).href)};
      const root = await new NodeFileSystem().openRoot(${JSON.stringify(folder)});
      for (let count = 0; count < 100; count++) await (await root.open("file")).close();
      process.stdout.write("done");`;
    const args = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning", "--input-type=module"];
    expect(execFileSync(process.execPath, [...args, "-e", program], { timeout: 20_000 }).toString()).toBe("done");
  });
});
