import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Threads from "node:worker_threads";
import type { Worker } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BufferPool } from "../src/buffers.ts";
import { HashedReads } from "../src/hashed-reads.ts";
import { NodeFileSystem } from "../src/node-file-system.ts";
import type { HashedBytes, OpenFile } from "../src/ports/file-system.ts";
import { SourceReader } from "../src/source-reader.ts";

/** The threads that were started, and what the next ones do instead of reading. */
const threads = vi.hoisted(() => ({ started: [] as Worker[], program: undefined as string | undefined }));

vi.mock("node:worker_threads", async (load) => {
  const actual = await load<typeof Threads>();
  class Recorded extends actual.Worker {
    constructor(url: URL, options: Threads.WorkerOptions) {
      if (threads.program === undefined) super(url, options);
      else super(threads.program, { ...options, eval: true });
      threads.started.push(this);
    }
  }
  return { ...actual, Worker: Recorded };
});

const MIB = 1024 * 1024;
/** Bytes that a root reads before a thread is worth its start. */
const BEFORE = 32 * MIB;
const SILENT = 'require("node:worker_threads").parentPort.on("message", () => {});';
/** Answers that the bytes were read, but had to be waited for. */
const FROM_DISK = `const { parentPort } = require("node:worker_threads");
  parentPort.on("message", ({ target }) => {
    const reply = { target, isRead: true, read: target.length, crc32: 0, sha256: undefined, readMs: 1_000 };
    parentPort.postMessage(reply, [target.buffer]);
  });`;

const content = randomBytes(5 * MIB + 12_345);
let folder: string;
let file: FileHandle;
beforeEach(async () => {
  threads.started = [];
  threads.program = undefined;
  folder = await mkdtemp(join(tmpdir(), "bucketline-hashed-"));
  await writeFile(join(folder, "file"), content);
  file = await open(join(folder, "file"));
});
afterEach(async () => {
  await file.close();
  await Promise.all(threads.started.map((thread) => thread.terminate()));
  await rm(folder, { recursive: true });
});

const room = (size: number): Buffer<ArrayBuffer> => Buffer.allocUnsafeSlow(size);

/** Reads that are worth a thread from the first one. */
async function warmed(): Promise<HashedReads> {
  const reads = new HashedReads(new SourceReader());
  for (let read = 0; read < BEFORE; read += 8 * MIB)
    expect(await reads.take(file.fd, room(8 * MIB), 0, false)).toBeUndefined();
  expect(threads.started).toEqual([]);
  return reads;
}

async function warmFile(): Promise<OpenFile> {
  const root = await new NodeFileSystem().openRoot(folder);
  const opened = await root.open("file");
  for (let read = 0; read < BEFORE; read += 8 * MIB) await opened.readHashed?.(room(8 * MIB), 0, false);
  return opened;
}

function expectBytes(hashed: HashedBytes | "failed" | undefined, expected: Buffer, withSha256: boolean): void {
  if (hashed === undefined || hashed === "failed") throw new Error(`There are no bytes: ${hashed}.`);
  const bytes = hashed.bytes.subarray(0, hashed.read);
  expect(Buffer.compare(bytes, expected)).toBe(0);
  expect(hashed.crc32).toBe(crc32(expected));
  expect(hashed.sha256).toBe(withSha256 ? createHash("sha256").update(expected).digest("hex") : undefined);
}

test("any piece of a file is read and hashed, whatever part of a buffer it fills", async () => {
  const reads = await warmed();
  const pieces = [
    [0, 2 * MIB, true],
    [1, MIB, false],
    [4 * MIB - 7, MIB + 1, true],
    [content.length - MIB - 3, MIB + 3, true],
    [256 * 1024 - 1, 3 * MIB + 2, false],
  ] as const;
  await Promise.all(
    pieces.map(async ([position, size, withSha256]) => {
      const hashed = await reads.take(file.fd, room(size + 4096).subarray(0, size), position, withSha256);
      expectBytes(hashed, content.subarray(position, position + size), withSha256);
    }),
  );
  expect(threads.started).toHaveLength(1);
});

test("at the end of the file there are fewer bytes, or none", async () => {
  const reads = await warmed();
  const position = content.length - 1000;
  const taken = [position, content.length].map((from) => reads.take(file.fd, room(MIB), from, true));
  const [few, none] = await Promise.all(taken);
  expectBytes(few, content.subarray(position), true);
  expectBytes(none, Buffer.alloc(0), true);
});

test("short reads are left to the caller, with their memory", async () => {
  const reads = await warmed();
  const target = room(MIB - 1);
  expect(await reads.take(file.fd, target, 0, false)).toBeUndefined();
  expect(target.length).toBe(MIB - 1);
});

test("while it reads, the host's events are handled", async () => {
  const reads = await warmed();
  let turns = 0;
  const turn = () => {
    turns += 1;
    if (turns < 1_000_000) timer = setImmediate(turn);
  };
  let timer = setImmediate(turn);
  await Promise.all(Array.from({ length: 16 }, () => reads.take(file.fd, room(5 * MIB), 0, true)));
  clearImmediate(timer);
  expect(turns).toBeGreaterThan(16);
});

test("a disk that has to be waited for is left to several reads at once, and tried again later", async () => {
  threads.program = FROM_DISK;
  const reads = await warmed();
  const taken: boolean[] = [];
  for (let count = 0; count < 20; count++) taken.push((await reads.take(file.fd, room(MIB), 0, false)) !== undefined);
  expect(taken).toEqual(Array.from({ length: 20 }, (_, index) => index % 9 === 0));
});

test("a read that fails is done again the long way, which says why", async () => {
  const opened = await warmFile();
  const hashed = opened.readHashed?.(room(MIB), 3, true);
  // Nothing is read from before the beginning of a file.
  await expect(opened.readHashed?.(room(MIB), -5, true)).rejects.toThrow();
  expectBytes(await hashed, content.subarray(3, 3 + MIB), true);
  await opened.close();
});

test.each([
  ["is ended meanwhile", SILENT],
  ["breaks", 'require("node:worker_threads").parentPort.on("message", () => { throw new Error("broken"); });'],
  ["cannot begin", 'throw new Error("broken");'],
])("a thread that %s costs the memory it was lent, and no byte", async (_, program) => {
  threads.program = program;
  const opened = await warmFile();
  const target = room(2 * MIB);
  const reading = opened.readHashed?.(target, 77, true);
  if (program === SILENT) {
    await expect.poll(() => target.length).toBe(0);
    await threads.started[0]?.terminate();
  }
  const hashed = await reading;
  expect(target.length).toBe(0);
  expectBytes(hashed, content.subarray(77, 77 + 2 * MIB), false);
  expect(hashed?.bytes.length).toBe(2 * MIB);
  await opened.close();
});

test("a file that is closed while a thread hangs keeps its descriptor until the thread is gone", async () => {
  threads.program = SILENT;
  const opened = await warmFile();
  const settled = opened.readHashed?.(room(MIB), 0, false).catch(() => "refused");
  await opened.close();
  // Still the file's own: nobody else can have got its number.
  expect((await opened.stat()).size).toBe(content.length);
  await threads.started[0]?.terminate();
  expect(await settled).toBe("refused");
  await expect(opened.stat()).rejects.toThrow();
});

test("a buffer whose memory was handed over goes back to the pool as what came in return, or not at all", async () => {
  const pool = new BufferPool(64 * MIB);
  const never = new AbortController().signal;
  const first = await pool.borrow(3 * MIB + 1, never, "u");
  const { buffer } = first.bytes;
  const moved = structuredClone(first.bytes, { transfer: [buffer] });
  expect(first.bytes.length).toBe(0);
  const bytes = Buffer.from(moved.buffer, moved.byteOffset, moved.length);
  first.replace(bytes);
  first.release();
  const second = await pool.borrow(4 * MIB, never, "u");
  expect([second.bytes.buffer === bytes.buffer, second.bytes.length, pool.lent]).toEqual([true, 4 * MIB, 4 * MIB]);
  structuredClone(second.bytes, { transfer: [second.bytes.buffer] });
  second.release();
  const third = await pool.borrow(4 * MIB, never, "u");
  expect([third.bytes.length, pool.lent]).toEqual([4 * MIB, 4 * MIB]);
  third.release();
  expect(pool.lent).toBe(0);
});
