import { execFileSync } from "node:child_process";
import * as nodeFs from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NodeFileSystem } from "../src/node-file-system.ts";
import { compilePatterns, type PathFilter } from "../src/patterns.ts";
import type { SourceRoot } from "../src/ports/file-system.ts";
import { type ScanEntry, scan } from "../src/scanner.ts";
import { faulty } from "../src/testing/faulty.ts";
import { forSeeds } from "./support/random.ts";
import { plantHostileTree } from "./support/trees.ts";

/** Elsewhere these entries cannot be made; a test that is not there is no skipped one. */
const linux = process.platform === "linux";
const describeOnLinux = (name: string, define: () => void) => linux && describe(name, define);
const NEVER = Number.POSITIVE_INFINITY;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bucketline-thread-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Options {
  readonly handOverAfter?: number;
  readonly filter?: PathFilter;
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

const everything = compilePatterns({ pattern: [], exclude: [], dot: true });
const open = () => new NodeFileSystem().openRoot(folder);
const begin = (root: SourceRoot, { handOverAfter = 0, filter = everything, follow = false, signal }: Options = {}) =>
  scan(root, { filter, followLinks: follow, signal, handOverAfter });

async function scanAll(root: SourceRoot, options?: Options): Promise<ScanEntry[]> {
  const entries: ScanEntry[] = [];
  for await (const batch of begin(root, options)) entries.push(...batch);
  return entries;
}

/** Sees whether the root walked by itself, and from how deep. */
function spied(root: SourceRoot): { root: SourceRoot; walked: () => boolean; depth: () => number } {
  let walked = false;
  let depth = 0;
  const spy: SourceRoot = Object.assign(Object.create(root), {
    path: root.path,
    facts: root.facts,
    readFolder: (path: string) => root.readFolder(path),
    stat: (path: string, options?: { follow?: boolean }) => root.stat(path, options),
    walk: async (_: SourceRoot, order: Parameters<NonNullable<SourceRoot["walk"]>>[1]) => {
      depth = order.frames.length;
      const rest = await root.walk?.(root, order);
      walked ||= rest !== undefined;
      return rest;
    },
  });
  return { root: spy, walked: () => walked, depth: () => depth };
}

async function plantFiles(count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `f${String(index).padStart(5, "0")}`);
  for (const name of names) nodeFs.writeFileSync(join(folder, name), "");
  return names;
}

const threads = () => nodeFs.readdirSync("/proc/self/task").length;

async function expectThreadsAtMost(most: number): Promise<void> {
  for (let turn = 0; threads() > most && turn < 500; turn++) await sleep(10);
  expect(threads()).toBeLessThanOrEqual(most);
}

describeOnLinux("a walk in a thread", () => {
  const globs = ["**", "a*/**", "**/a*", "*/b/**", "!(a)/**", "**/.h", "{a,b}/**", "**/*.txt", "?/**", "**/to-*"];

  test("gives what the walk without one gives, wherever it takes over", async () => {
    let takenDeep = 0;
    await forSeeds(15, async (dice) => {
      folder = await mkdtemp(join(tmpdir(), "bucketline-thread-"));
      await plantHostileTree(folder, dice);
      const socket = createServer();
      await new Promise<void>((resolve) => socket.listen(join(folder, "socket"), resolve));
      const patterns = {
        pattern: dice.list(0, 2, () => dice.pick(globs)),
        exclude: dice.list(0, 1, () => dice.pick(globs.slice(1))),
        dot: dice.chance(0.7),
      };
      const options = { filter: compilePatterns(patterns), follow: dice.chance(0.5) };
      const root = await open();
      const expected = await scanAll(root, { ...options, handOverAfter: NEVER });
      for (const handOverAfter of [0, dice.int(1, 400)]) {
        const { root: spy, walked, depth } = spied(root);
        expect(await scanAll(spy, { ...options, handOverAfter }), JSON.stringify({ patterns, options })).toEqual(
          expected,
        );
        if (handOverAfter === 0) expect(walked()).toBe(true);
        if (walked() && depth() > 1) takenDeep++;
      }
      await new Promise((resolve) => socket.close(resolve));
      await rm(folder, { recursive: true });
    });
    expect(takenDeep).toBeGreaterThan(4);
  });

  test("to the nanosecond, for times before 1970 and far away, and for huge sparse files", async () => {
    const times = { old: -1.5, past: 0.123456789, now: 1_766_666_666.987654, far: 15_000_000_000.25 };
    for (const [name, seconds] of Object.entries(times)) {
      nodeFs.writeFileSync(join(folder, name), name);
      nodeFs.utimesSync(join(folder, name), seconds, seconds);
    }
    nodeFs.truncateSync(join(folder, "far"), 2 ** 42 + 1);
    const found = await scanAll(await open());
    expect(found).toEqual(await scanAll(await open(), { handOverAfter: NEVER }));
    for (const entry of found) {
      const stats = nodeFs.lstatSync(join(folder, entry.path), { bigint: true });
      expect(entry).toMatchObject({ kind: "file", facts: { size: Number(stats.size), mtimeNs: stats.mtimeNs } });
    }
    expect(found).toHaveLength(4);
  });

  test("folders that may not be entered", async () => {
    for (const path of ["a", "b", "c/d"]) {
      await mkdir(join(folder, path), { recursive: true });
      nodeFs.writeFileSync(join(folder, path, "file"), "");
    }
    nodeFs.chmodSync(folder, 0o755);
    nodeFs.chmodSync(join(folder, "b"), 0o000);
    nodeFs.chmodSync(join(folder, "c/d"), 0o444);
    // Root may enter any folder, so the scan is made by somebody else.
    const source = new URL("../src/", import.meta.url).href;
    const script = `
      const { NodeFileSystem } = await import("${source}node-file-system.ts");
      const { compilePatterns } = await import("${source}patterns.ts");
      const { scan } = await import("${source}scanner.ts");
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      const root = await new NodeFileSystem().openRoot(${JSON.stringify(folder)});
      const filter = compilePatterns({ pattern: [], exclude: [], dot: true });
      for (const handOverAfter of [0, Infinity]) {
        const walk = scan(root, { filter, followLinks: false, handOverAfter });
        for await (const batch of walk) for (const { kind, path } of batch) console.log(kind, path);
      }`;
    const args = ["--input-type=module", "--disable-warning=ExperimentalWarning", "-e", script];
    const lines = ["file a/file", "unreadable b/", "unreadable c/d/file"];
    expect(execFileSync(process.execPath, args, { encoding: "utf8" }).trim().split("\n")).toEqual([...lines, ...lines]);
    nodeFs.chmodSync(join(folder, "b"), 0o755);
    nodeFs.chmodSync(join(folder, "c/d"), 0o755);
  });

  test("a root that is replaced in the middle: nothing counts as gone", async () => {
    const names = await plantFiles(3_000);
    const found: ScanEntry[] = [];
    for await (const batch of begin(await open())) {
      if (found.length === 0) {
        await rename(folder, `${folder}-unmounted`);
        await mkdir(folder);
      }
      found.push(...batch);
    }
    expect(found.map(({ path }) => path)).toEqual(names);
    const lost = found.filter(({ kind }) => kind === "unreadable");
    expect(lost.length).toBeGreaterThan(1_000);
    expect(lost.at(-1)).toMatchObject({ reason: { code: "SOURCE_NOT_READABLE" } });
    await rm(`${folder}-unmounted`, { recursive: true });
  });

  test("files that vanish in the middle were never there", async () => {
    const names = await plantFiles(3_000);
    const found: ScanEntry[] = [];
    for await (const batch of begin(await open())) {
      if (found.length === 0) for (const name of names) nodeFs.rmSync(join(folder, name));
      found.push(...batch);
    }
    expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(["file"]));
    expect(found.length).toBeLessThan(2_000);
  });

  test("nobody reads far ahead of a reader that waits", async () => {
    await plantFiles(5_000);
    const walk = begin(await open());
    await walk.next();
    await sleep(200);
    nodeFs.writeFileSync(join(folder, "f04999"), "longer");
    const rest: ScanEntry[] = [];
    for await (const batch of walk) rest.push(...batch);
    expect(rest.at(-1)).toMatchObject({ path: "f04999", facts: { size: 6 } });
  });
});

describeOnLinux("who walks", () => {
  test("a wrapped root sees every call; so does one whose filter cannot travel", async () => {
    await plantFiles(20);
    const { port, rules } = faulty(await open(), [{ method: "stat", times: 0, before: new Error("never") }]);
    expect(await scanAll(port)).toHaveLength(20);
    expect(rules[0]?.matched).toBe(20);
    const { root, walked } = spied(await open());
    const filter: PathFilter = { includes: () => true, descends: () => true };
    expect(await scanAll(root, { filter })).toHaveLength(20);
    expect(walked()).toBe(false);
  });

  test("a small folder is not worth a thread, a large one is", async () => {
    await plantFiles(1_400);
    const large = spied(await open());
    for await (const _ of scan(large.root, { filter: everything, followLinks: false }));
    expect(large.walked()).toBe(true);
    for (let file = 900; file < 1_400; file++) nodeFs.rmSync(join(folder, `f${String(file).padStart(5, "0")}`));
    const small = spied(await open());
    for await (const _ of scan(small.root, { filter: everything, followLinks: false }));
    expect(small.walked()).toBe(false);
  });

  test("where no thread starts, the walk goes on without", async () => {
    const names = await plantFiles(600);
    const filter: PathFilter = { ...everything, spec: { pattern: ["["], exclude: [], dot: true } };
    expect((await scanAll(await open(), { filter })).map(({ path }) => path)).toEqual(names);
  });
});

describeOnLinux("a thread that ends before it has said anything", () => {
  test("does not hold up the walk, which goes on without it", async () => {
    await plantFiles(30);
    const preload = join(folder, "f-preload.mjs");
    const lines = ['import { isMainThread } from "node:worker_threads";', "if (!isMainThread) process.exit(0);"];
    nodeFs.writeFileSync(preload, lines.join("\n"));
    const source = new URL("../src/", import.meta.url).href;
    const script = `
      const { NodeFileSystem } = await import("${source}node-file-system.ts");
      const { compilePatterns } = await import("${source}patterns.ts");
      const { scan } = await import("${source}scanner.ts");
      const alive = setInterval(() => {}, 1_000);
      const root = await new NodeFileSystem().openRoot(${JSON.stringify(folder)});
      const filter = compilePatterns({ pattern: ["f0*"], exclude: [], dot: true });
      let files = 0;
      for await (const batch of scan(root, { filter, followLinks: false, handOverAfter: 0 })) files += batch.length;
      console.log(files);
      clearInterval(alive);`;
    const args = ["--input-type=module", "--disable-warning=ExperimentalWarning", "-e", script];
    const env = { ...process.env, NODE_OPTIONS: `--import=${preload}` };
    expect(execFileSync(process.execPath, args, { encoding: "utf8", env, timeout: 20_000 })).toBe("30\n");
  });
});

describeOnLinux("the thread ends", () => {
  let before: number;
  beforeEach(async () => {
    await plantFiles(3_000);
    for (let turn = 0; turn < 2; turn++) await scanAll(await open());
    await sleep(100);
    before = threads();
  });

  test("with the walk", async () => {
    for (let turn = 0; turn < 5; turn++) await scanAll(await open());
    await expectThreadsAtMost(before);
  });

  test("with a reader that has had enough", async () => {
    for await (const _ of begin(await open())) break;
    await expectThreadsAtMost(before);
  });

  test("with the signal, whose reason the reader gets", async () => {
    const stop = new AbortController();
    const walk = begin(await open(), { signal: stop.signal });
    await walk.next();
    const second = walk.next();
    stop.abort(new Error("enough"));
    const third = walk.next();
    await expect(Promise.all([second, third].map((next) => next.then(({ done }) => done)))).rejects.toThrow("enough");
    await expectThreadsAtMost(before);
    await expect(scanAll(await open(), { signal: stop.signal })).rejects.toThrow("enough");
    await expectThreadsAtMost(before);
  });

  test("with an error, which the reader gets", async () => {
    const root = await open();
    const frame = { folder: "", names: [7 as unknown as string], special: new Map(), identity: "", next: 0 };
    const patterns = { pattern: [], exclude: [], dot: true };
    const walk = await root.walk?.(root, { patterns, followLinks: false, frames: [frame] });
    await expect(walk?.next()).rejects.toThrow(TypeError);
    await expectThreadsAtMost(before);
  });
});
