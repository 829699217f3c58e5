// The program that kills itself at a failpoint, or is killed from outside: one watched upload of a folder that keeps
// changing. Asked to rest, it ends with 0 once the upload is COMPLETED and a scan after that has found nothing.

import { writeSync } from "node:fs";
import {
  type FileSystem,
  NodeFileSystem,
  type ObjectStoreCapabilities,
  type SourceRoot,
  UploadService,
} from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { type FaultedCall, type FaultRule, faulty } from "@bucketline/core/testing";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { failpoint, type Point } from "./failpoints.ts";
import type { VictimOrder } from "./series.ts";

const order = JSON.parse(process.argv[2] ?? "") as VictimOrder;
const { chunkSize } = order;

/** S3's smallest part is 5 MiB; with small ones many transfers are quickly under way. */
class SmallParts extends S3ObjectStore {
  override readonly capabilities: ObjectStoreCapabilities = {
    checksums: true,
    conditionalWrites: true,
    maxPutSize: chunkSize,
    minPartSize: chunkSize,
    maxPartSize: chunkSize,
    maxParts: 10_000,
  };
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

function die(): Promise<never> {
  say("failpoint");
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}

/** The kill, for whichever ports the failpoint is in. One count for all of them: roots come and go. */
function trap(port: Point["port"]): never[] {
  if (!order.failpoint) return [];
  const { phase, point } = failpoint(order.failpoint.name);
  if (point.port !== port) return [];
  const run = async ({ proceed }: FaultedCall) => {
    if (phase === "before") return isDue() ? await die() : await proceed();
    const answer = await proceed();
    return point.isWorth(answer) && isDue() ? await die() : answer;
  };
  const rule = { method: point.method, when: point.isThis, times: Number.POSITIVE_INFINITY, run };
  return [rule as never];
}

let passed = 0;
function isDue(): boolean {
  passed++;
  return passed === order.failpoint?.nth;
}

const trapRoots: FaultRule<FileSystem> = {
  method: "openRoot",
  times: Number.POSITIVE_INFINITY,
  run: async ({ proceed }) => faulty((await proceed()) as SourceRoot, trap("root")).port,
};

const service = new UploadService({
  state: faulty(new SqliteStateStore(order.ledger), trap("state")).port,
  objects: faulty(new SmallParts({ ...order.client, customUserAgent: order.sender }), trap("objects")).port,
  fileSystem: faulty<FileSystem>(new NodeFileSystem(), [trapRoots]).port,
  chunkSize,
  concurrency: order.concurrency,
  partConcurrency: order.partConcurrency,
  monitorInterval: order.monitorInterval,
  stabilityThreshold: order.stabilityThreshold,
  retry: { baseMs: 10, capMs: 100 },
});
service.on("warning", (warning) => process.stderr.write(`${JSON.stringify(warning)}\n`));
service.on("file:failed", (failed) => process.stderr.write(`${JSON.stringify(failed)}\n`));
service.on("upload:completed", () => say("completed"));

say("begun");
const { id } = await service.register({
  id: order.uploadId,
  sourceFolder: order.folder,
  bucket: order.bucket,
  keyTemplate: "{path}",
});
await service.start();
say("started");
if (order.rest) {
  await rest();
  await service.stop();
}

async function rest(): Promise<void> {
  for (;;) {
    await service.finished(id);
    const scan = await service.check(id);
    const found = scan?.complete ? scan.added + scan.changed + scan.removed + scan.skipped : 1;
    if (found === 0 && (await service.get(id)).state === "COMPLETED") return;
  }
}
