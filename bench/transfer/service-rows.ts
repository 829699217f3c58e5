import { join } from "node:path";
import { runApart } from "../scan/task.ts";
import { makeTree } from "../scan/tree.ts";
import type { Bed } from "./bed.ts";
import { nodeProgram } from "./clients.ts";
import { measure, measureAnswer } from "./measure.ts";
import type { RescanCost } from "./programs/rescan.ts";
import type { IdleResult, ScanResult } from "./results.ts";
import { find } from "./tools.ts";

const FINDS = 5;
const IDLE_FOLDERS = 100_000;

/** A ledger in which everything is uploaded, made without sending anything, and a service that looks again. */
export async function measureRescan(bed: Bed, files: number): Promise<ScanResult> {
  process.stderr.write(`\na service looks again at ${files.toLocaleString("en-US")} files\n`);
  const scratch = bed.scratch(`rescan-${files}`);
  const root = join(scratch, "tree");
  makeTree(root, files);
  const log = join(scratch, "log");
  const finds: number[] = [];
  for (let round = 0; round < FINDS; round++) finds.push((await measure(find(root), "/dev/null")).cpuSeconds);
  await runApart({ type: "fill", root, ledger: join(scratch, "ledger.db") }, bed.setup.cache);
  const job = {
    ...{ folder: root, files, endpoint: bed.sink.endpoint(), bucket: "bucket", prefix: "bench" },
    ...{ concurrency: 1, caFile: undefined, scratch, again: true },
  };
  const { answer, rssMiB } = await measureAnswer(nodeProgram("rescan", job, bed.setup), log);
  const { checks, passes, rowsWritten } = JSON.parse(answer) as RescanCost;
  return { kind: "scan", machine: bed.machine, files, find: finds, checks, passes, rowsWritten, rssMiB };
}

export async function measureIdle(bed: Bed): Promise<IdleResult> {
  process.stderr.write(`\nwatching ${IDLE_FOLDERS.toLocaleString("en-US")} folders without work\n`);
  // With the watch benchmark's own workload. Loaded here, since it loads Bucketline into this process.
  const { measureLargeTree } = await import("../watch/large-tree.ts");
  const idle = { folders: IDLE_FOLDERS, idle: 20_000 };
  const { service } = await measureLargeTree({ ...idle, files: 0, gap: 0, threshold: 0, interval: 0 });
  return { kind: "idle", machine: bed.machine, folders: IDLE_FOLDERS, share: service.idle };
}
