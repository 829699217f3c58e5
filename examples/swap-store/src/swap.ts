import { randomUUID } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { exportLedger, importLedger, type StateStore, UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import type { Sandbox } from "@bucketline/s3-sandbox";
import type { Stage } from "./stages.ts";
import { Arrivals, type Traffic, trafficOf } from "./traffic.ts";

const BUCKET = "bucket";

export interface SwapOptions {
  readonly folder: string;
  readonly sandbox: Sandbox;
  /** The ledger moves from each to the next. */
  readonly stages: readonly Stage[];
  readonly print: (line: string) => void;
}

/**
 * Uploads the folder, a share in each stage, and moves the ledger in between.
 * @returns how many files and parts were sent twice
 */
export async function swapStores({ folder, sandbox, stages, print }: SwapOptions): Promise<number> {
  const arrivals = new Arrivals(sandbox);
  const total = await sizeOf(folder);
  const id = randomUUID();
  for (const [index, stage] of stages.entries()) {
    const earlier = stages[index - 1];
    if (earlier) await move(earlier, stage, print);
    const share = index === stages.length - 1 ? Number.POSITIVE_INFINITY : (total * (index + 1)) / stages.length;
    print(`${stage.name}: ${await work(stage.state, { id, folder, sandbox, until: arrivals.reach(share) })}`);
  }
  const traffic = trafficOf(sandbox);
  report(traffic, sandbox.objects(BUCKET).length, print);
  return traffic.twice;
}

interface Work {
  readonly id: string;
  readonly folder: string;
  readonly sandbox: Sandbox;
  readonly until: Promise<void>;
}

/** Uploads until everything is in the bucket, or it is time to stop. @returns how far it got */
async function work(state: StateStore, { id, folder, sandbox, until }: Work): Promise<string> {
  const objects = new S3ObjectStore(sandbox.clientConfig);
  const service = new UploadService({ state, objects, concurrency: 3, partConcurrency: 2 });
  try {
    await service.start();
    // From the second stage on it is there already.
    await service.register({ id, sourceFolder: folder, bucket: BUCKET, mode: "once", dot: true });
    await Promise.race([until, service.finished(id)]);
    const { progress } = await service.get(id);
    const percent = Math.floor(progress.fraction * 100);
    return `${progress.filesUploaded} of ${progress.filesTotal} files in the bucket, ${percent} % of the bytes.`;
  } finally {
    await service.stop();
  }
}

/** All there is to moving a ledger. */
async function move(from: Stage, to: Stage, print: (line: string) => void): Promise<void> {
  try {
    await from.state.open();
    await to.state.open();
    const { files, parts } = await importLedger(to.state, exportLedger(from.state));
    print(`${from.name} → ${to.name}: ${files} files moved, and ${parts} parts of files that have not arrived whole.`);
  } finally {
    await from.state.close();
    await to.state.close();
  }
}

function report({ requests, bytes, twice }: Traffic, objects: number, print: (line: string) => void): void {
  print(`The bucket holds ${objects} objects. It took ${requests} requests with ${bytes} bytes of files.`);
  print(twice === 0 ? "Nothing was sent twice." : `Sent twice: ${twice} files or parts.`);
}

/** Of a folder that cannot be read, 0: the service says what is wrong with it. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
