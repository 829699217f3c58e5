import { createReadStream, createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import {
  comparePaths,
  exportLedger,
  type FileRecord,
  importLedger,
  newFile,
  type StateStore,
  type UploadRecord,
} from "../src/index.ts";
import { type FaultRule, faulty } from "../src/testing/index.ts";
import { SOURCE, World } from "./support/bed.ts";
import { type Contents, contentsOf, fill, linesOf, memoryStore, randomContents } from "./support/ledgers.ts";
import { Dice, forSeeds } from "./support/random.ts";
import { facts, file, upload } from "./support/records.ts";

async function sqliteStore(): Promise<StateStore> {
  const folder = mkdtempSync(join(tmpdir(), "bucketline-export-"));
  const store = new SqliteStateStore(join(folder, "uploads.db"));
  onTestFinished(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  await store.open();
  return store;
}

/** What an import makes of records: nobody owns or scans anything, and the store counts its own writes. */
function arrived(contents: Contents): unknown {
  const settled = (record: UploadRecord, work: boolean) => {
    const isDone =
      record.state === "COMPLETED" || (record.state === "FAILED" && record.reason?.code === "UPLOAD_FAILED");
    const reopened = { state: "IN_PROGRESS", reason: null, finishedAt: null };
    return { ...record, ...(work && isDone ? reopened : {}), scanner: null, revision: expect.any(Number) };
  };
  const released = (record: FileRecord) => {
    if (record.state !== "IN_PROGRESS") return record;
    const nextAttemptAt = record.attempts > 1 ? record.updatedAt : 0;
    const rescue = { at: record.updatedAt, what: "rescue", attempt: record.attempts, reason: null };
    const history = [...record.history, rescue];
    return { ...record, state: "PENDING", owner: null, nextAttemptAt, history, revision: record.revision + 1 };
  };
  return contents.map(({ upload: record, files, notices }) => ({
    notices,
    upload: settled(
      record,
      files.some(({ file: { state } }) => state === "PENDING" || state === "IN_PROGRESS"),
    ),
    files: files
      .toSorted((a, b) => comparePaths(a.file.path, b.file.path))
      .map((stored) => ({ file: released(stored.file), parts: stored.parts })),
  }));
}

describe("from store to store", () => {
  const kinds = { memory: memoryStore, SQLite: sqliteStore };
  test.each([
    ["memory", "SQLite"],
    ["SQLite", "memory"],
    ["SQLite", "SQLite"],
  ] as const)("%s to %s: any record arrives with every field", async (from, to) => {
    await forSeeds(12, async (dice) => {
      const contents = randomContents(dice);
      const [source, target] = [await kinds[from](), await kinds[to]()];
      await fill(source, contents);
      const files = contents.reduce((sum, each) => sum + each.files.length, 0);
      const notices = contents.reduce((sum, each) => sum + (each.notices?.length ?? 0), 0);
      expect(await importLedger(target, exportLedger(source))).toMatchObject({
        uploads: contents.length,
        files,
        notices,
        kept: [],
      });
      expect(await contentsOf(target)).toEqual(arrived(contents));
      for (const { upload: record } of contents) {
        const counters = await target.counters(record.id);
        const rows = await target.listFiles(record.id, { limit: 100 });
        expect(counters.PENDING.bytes).toBe(
          rows.reduce((sum, row) => sum + (row.state === "PENDING" ? row.size : 0), 0),
        );
      }
    });
  });

  test("what has been moved is moved on unchanged", async () => {
    const [first, second, third] = [await memoryStore(), await sqliteStore(), await memoryStore()];
    await fill(first, randomContents(new Dice(7), 5, 40));
    await importLedger(second, exportLedger(first));
    await importLedger(third, exportLedger(second));
    const records = (lines: string[]) =>
      lines.slice(0, -1).map((line) => JSON.parse(line.replace(/"revision":\d+/, '"revision":0')));
    expect(records(await linesOf(third))).toEqual(records(await linesOf(second)));
  });

  test("halves of surrogate pairs, which no disk and no database has, do not break an export either", async () => {
    const [source, target] = [await memoryStore(), await memoryStore()];
    const contents = [{ upload: upload(), files: [{ file: file({ path: "half\ud800", key: "\udfff" }), parts: [] }] }];
    await fill(source, contents);
    const bytes = Buffer.from((await linesOf(source)).join(""));
    await importLedger(target, [bytes]);
    expect(await contentsOf(target)).toEqual(arrived(contents));
  });

  test("through a file, in chunks as they come", async () => {
    const folder = mkdtempSync(join(tmpdir(), "bucketline-export-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "ledger.jsonl");
    const [source, target] = [await memoryStore(), await memoryStore()];
    const contents = randomContents(new Dice(3), 4, 60);
    await fill(source, contents);
    await pipeline(Readable.from(exportLedger(source)), createWriteStream(path));
    await importLedger(target, () => createReadStream(path, { highWaterMark: 61 }));
    expect(await contentsOf(target)).toEqual(arrived(contents));
  });

  test("an empty ledger is a header and an end", async () => {
    const source = await memoryStore();
    expect(await linesOf(source)).toEqual([
      '{"format":"bucketline-ledger","version":1,"exportedAt":1234}\n',
      expect.stringMatching(/^\{"end":\{"uploads":0,"files":0,"parts":0,"notices":0,"crc32":"[0-9a-f]{8}"\}\}\n$/),
    ]);
    expect(await importLedger(await memoryStore(), exportLedger(source))).toEqual({
      uploads: 0,
      files: 0,
      parts: 0,
      notices: 0,
      kept: [],
    });
  });
});

describe("a ledger that is being written", () => {
  const begun = (token: string, revision: number) => {
    const transfer = { token, key: "u/a.txt", fingerprint: "f", partSize: 5, multipartId: "m", startedAt: 1 };
    return file({ state: "IN_PROGRESS", owner: "o", revision, transfer });
  };
  const part = (partNumber: number, etag: string) =>
    ({ partNumber, size: 5, etag, checksum: "crc32:00000001" }) as const;

  test.each([
    ["another transfer", "listParts", begun("second", 2), [part(1, "of the second")]],
    ["another transfer", "getFile", begun("second", 2), [part(1, "of the second")]],
    ["none", "listParts", file({ revision: 2, state: "UPLOADED" }), []],
    ["none", "getFile", file({ revision: 2, state: "UPLOADED" }), []],
  ] as const)(
    "no file gets the parts of a transfer that it has not: %s by the call of %s",
    async (_, method, after, parts) => {
      const store = await memoryStore();
      const before = begun("first", 1);
      await fill(store, [
        { upload: upload(), files: [{ file: before, parts: [part(1, "of the first"), part(2, "y")] }] },
      ]);
      const watched = faulty<StateStore>(store);
      const run = async ({ proceed }: { proceed: () => unknown }) => {
        await store.commit([{ before, after, parts }]);
        return proceed();
      };
      watched.inject({ method, run } as FaultRule<StateStore>);
      const lines = await linesOf(watched.port);
      const { uploadId: _id, ...stored } = after;
      const written = { ...stored, mtimeNs: String(stored.mtimeNs) };
      expect(JSON.parse(lines[2] ?? "")).toEqual(parts.length === 0 ? { file: written } : { file: written, parts });
    },
  );
});

describe("UploadService.export", () => {
  const worlds: World[] = [];
  afterEach(async () => {
    for (const world of worlds.splice(0)) await world.end();
  });

  test("works before start, while the service works, and not after stop", async () => {
    const world = new World();
    worlds.push(world);
    world.write("a.txt", "content");
    const { service } = world.boot();
    const read = async () => {
      const lines: string[] = [];
      for await (const line of service.export()) lines.push(line);
      return lines;
    };
    expect(await read()).toHaveLength(2);
    await service.register({ id: "u", sourceFolder: SOURCE, bucket: "bucket", mode: "once" });
    expect(JSON.parse((await read())[0] ?? "")).toMatchObject({ exportedAt: world.clock.now() });
    expect(await read()).toHaveLength(3);
    await service.start();
    await world.until(service.finished("u"));
    expect((await read()).join("")).toContain('"path":"a.txt"');
    const open = service.export();
    await open.next();
    await world.until(service.stop());
    await expect(open.next()).rejects.toMatchObject({ code: "SERVICE_STOPPED" });
    await expect(read()).rejects.toMatchObject({ code: "SERVICE_STOPPED" });
  });
});

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

test("100,000 files cost no more memory than a thousand", async () => {
  const record = (index: number) =>
    newFile({ uploadId: "u", path: String(index).padStart(7, "0"), key: `u/${index}`, ...facts(index) }, 1);
  const total = 100_000;
  const source = {
    listUploads: async ({ after }: { after?: string | undefined }) => (after === undefined ? [upload()] : []),
    listFiles: async (_: string, page: { after?: string | undefined; limit: number }) => {
      const first = page.after === undefined ? 0 : Number(page.after) + 1;
      return Array.from({ length: Math.min(page.limit, total - first) }, (__, offset) => record(first + offset));
    },
    getFile: async () => undefined,
    listParts: async () => [],
    listNotices: async () => [],
  };
  const target = await memoryStore();
  let stored = 0;
  let highest = 0;
  const lean = faulty<StateStore>(target);
  const forget = {
    run: async ({ args }: { args: readonly unknown[] }) => {
      const changes = args[0] as readonly unknown[];
      stored += changes.length;
      if (stored % 10_000 < changes.length) {
        collect();
        highest = Math.max(highest, process.memoryUsage().heapUsed);
      }
      return changes.map(() => "applied");
    },
    times: Number.POSITIVE_INFINITY,
  };
  lean.inject({ method: "commit", ...forget });
  const counters = { ...(await target.counters("u")) };
  const bytes = (total * (total - 1)) / 2;
  const run = async () => ({ ...counters, PENDING: { files: total, bytes } });
  lean.inject({ method: "counters", run, times: Number.POSITIVE_INFINITY });
  collect();
  const before = process.memoryUsage().heapUsed;
  expect(await importLedger(lean.port, exportLedger(source))).toMatchObject({ uploads: 1, files: total });
  expect(stored).toBe(total);
  // All records at once would take some hundred megabytes.

  expect(highest - before).toBeLessThan(8 * 2 ** 20);
});
