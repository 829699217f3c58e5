import { setTimeout as sleep } from "node:timers/promises";
import { type FileChange, type FileRecord, NodeFileSystem, newFile, newUpload, systemClock } from "@bucketline/core";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { Ledger } from "../../packages/core/src/ledger.ts";
import { toSpec } from "../../packages/core/src/options.ts";
import { compilePatterns } from "../../packages/core/src/patterns.ts";
import { reconcile } from "../../packages/core/src/reconcile.ts";
import { type ScanEntry, scan } from "../../packages/core/src/scanner.ts";
import { stabilityPolicy } from "../../packages/core/src/stability.ts";
import type { Cost, Task } from "./task.ts";

const UPLOAD = "bench";
const BATCH = 1_000;

async function scanOf({ root, pattern }: Task): Promise<AsyncIterable<readonly ScanEntry[]>> {
  const filter = compilePatterns({ pattern: pattern === undefined ? [] : [pattern], exclude: [], dot: false });
  return scan(await new NodeFileSystem().openRoot(root), { filter, followLinks: false });
}

async function count(task: Task): Promise<number> {
  let files = 0;
  for await (const batch of await scanOf(task)) files += batch.length;
  return files;
}

const specFor = (root: string) => toSpec({ sourceFolder: root, bucket: "bucket" }, UPLOAD);

/** Without waiting for the disk: how it was filled does not matter. */
async function fill(task: Task): Promise<number> {
  const store = new SqliteStateStore(task.ledger ?? "");
  await store.open();
  await store.insertUpload(newUpload(UPLOAD, specFor(task.root), 0));
  let changes: FileChange[] = [];
  let files = 0;
  const flush = async () => {
    files += (await store.commit(changes)).length;
    changes = [];
  };
  for await (const batch of await scanOf(task)) {
    for (const entry of batch) if (entry.kind === "file") changes.push({ before: null, after: uploaded(entry) });
    if (changes.length >= BATCH) await flush();
  }
  await flush();
  await store.close();
  return files;
}

function uploaded({ path, facts }: ScanEntry & { kind: "file" }): FileRecord {
  const key = `${UPLOAD}/${path}`;
  const { size, fingerprint } = facts;
  const evidence = {
    ...{ key, size, fingerprint, versionId: null, uploadedAt: 0 },
    ...{ etag: '"d41d8cd98f00b204e9800998ecf8427e"', checksum: "crc32:00000000" as const },
  };
  return { ...newFile({ uploadId: UPLOAD, path, key, ...facts }, 0), state: "UPLOADED", evidence };
}

async function rescan(task: Task): Promise<{ files: number; writes: number }> {
  const store = new SqliteStateStore(task.ledger ?? "");
  await store.open();
  const upload = await store.getUpload(UPLOAD);
  if (!upload) throw new Error("The ledger was not filled.");
  let writes = 0;
  const ledger = new Ledger({
    state: store,
    clock: systemClock,
    signal: new AbortController().signal,
    onTrouble: () => {},
  });
  const { seen, added, changed, removed, skipped } = await reconcile(await scanOf(task), {
    ...{ state: store, ledger, upload, clock: systemClock, sameDevice: true, trusted: false },
    emit: () => {
      writes++;
    },
    stability: stabilityPolicy(upload.spec, 2_000),
    onWork: async () => {},
  });
  writes += added + changed + removed + skipped;
  await store.close();
  return { files: seen, writes };
}

async function run(task: Task): Promise<{ files: number; writes: number }> {
  if (task.type === "rescan") return await rescan(task);
  return { files: task.type === "scan" ? await count(task) : await fill(task), writes: 0 };
}

const before = process.cpuUsage();
const { files, writes } = await run(JSON.parse(process.argv[2] ?? "") as Task);
// Threads count for as long as they live, also when they end.
await sleep(50);
const { user, system } = process.cpuUsage(before);
const peakMb = process.resourceUsage().maxRSS / 1_024;
const cost: Cost = { files, userMs: user / 1_000, systemMs: system / 1_000, peakMb, writes };
process.stdout.write(JSON.stringify(cost));
