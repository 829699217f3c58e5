import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import type * as Threads from "node:worker_threads";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NodeFileSystem } from "../src/node-file-system.ts";
import { Snapshots } from "../src/snapshots.ts";
import { SourceReader } from "../src/source-reader.ts";

/** The threads that were started, and what the next ones do instead of reading. */
const threads = vi.hoisted(() => ({ started: [] as Worker[], program: undefined as string | undefined }));

vi.mock("node:worker_threads", async (load) => {
  const actual = await load<typeof Threads>();
  class Recorded extends actual.Worker {
    constructor(url: URL, options: Threads.WorkerOptions) {
      if (threads.program === undefined) super(url, options);
      else super(threads.program, { ...options, eval: true, resourceLimits: { maxOldGenerationSizeMb: 8 } });
      threads.started.push(this);
    }
  }
  return { ...actual, Worker: Recorded };
});

/** Files that are opened one by one before a thread is worth its start. */
const BEFORE = 64;
const PORT = 'const { parentPort } = require("node:worker_threads");';
const SILENT = `${PORT} parentPort.on("message", () => {});`;

let folder: string;
beforeEach(async () => {
  threads.started = [];
  threads.program = undefined;
  folder = await realpath(await mkdtemp(join(tmpdir(), "bucketline-threads-")));
});
afterEach(async () => {
  await Promise.all(threads.started.map((thread) => thread.terminate()));
  await rm(folder, { recursive: true });
});

async function files(count: number): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, index) => join(folder, String(index)));
  await Promise.all(paths.map((path, index) => writeFile(path, `content ${index}`)));
  return paths;
}

async function warmed(reader = new SourceReader()): Promise<Snapshots> {
  const snapshots = new Snapshots(folder + sep, reader);
  for (let count = 0; count < BEFORE; count++) await snapshots.take(join(folder, "missing"), false);
  return snapshots;
}

describe.runIf(process.platform === "linux")("a thread that reads files", () => {
  test("and is ended meanwhile leaves its files to the caller; the next file gets another thread", async () => {
    const paths = await files(100);
    threads.program = SILENT;
    const snapshots = await warmed();
    const taken = Promise.all(paths.map((path) => snapshots.take(path, false)));
    await threads.started[0]?.terminate();
    expect(await taken).toEqual(paths.map(() => undefined));
    threads.program = undefined;
    const again = await snapshots.take(paths[7] ?? "", false);
    expect([Buffer.from(again?.bytes ?? []).toString(), threads.started.length]).toEqual(["content 7", 2]);
  });

  test.each([
    ["breaks while it works", `${PORT} parentPort.on("message", () => { throw new Error("broken"); });`],
    ["has no memory left", `${PORT} parentPort.on("message", () => { for (const all = []; ; ) all.push({ all }); });`],
    ["cannot even begin", 'throw new Error("broken");'],
  ])("and %s loses no file, and has no successor", async (_, program) => {
    const paths = await files(100);
    threads.program = program;
    const root = await new NodeFileSystem().openRoot(folder);
    const read = async (path: string) => {
      const file = await root.open(path.slice(folder.length + 1));
      const bytes = Buffer.alloc((await file.stat()).size);
      await file.read(bytes, 0);
      await file.close();
      return bytes.toString();
    };
    const expected = paths.map((_path, index) => `content ${index}`);
    expect(await Promise.all(paths.map(read))).toEqual(expected);
    threads.program = undefined;
    expect(await Promise.all(paths.map(read))).toEqual(expected);
    expect(threads.started).toHaveLength(1);
  });

  test("and hangs, as on a disk that does not answer, holds up no other folder", async () => {
    const [path = ""] = await files(1);
    threads.program = SILENT;
    const readers = [new SourceReader(), new SourceReader()];
    const hanging = await Promise.all(readers.map(warmed));
    const settled: unknown[] = [];
    for (const snapshots of hanging) void snapshots.take(path, false).then((snapshot) => settled.push(snapshot));
    await expect.poll(() => threads.started.length).toBe(2);
    expect(await (await warmed()).take(path, false)).toBeUndefined();
    expect([settled, threads.started.length]).toEqual([[], 2]);
    for (const reader of readers) reader.end();
    await expect.poll(() => settled).toEqual([undefined, undefined]);
  });
});
