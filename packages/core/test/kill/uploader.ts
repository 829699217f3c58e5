// The program that is killed: one upload, done when the process ends with 0. SIGTERM drains.

import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { STEPS } from "./transforms.ts";
import type { Order } from "./trial.ts";

const order = JSON.parse(process.argv[2] ?? "") as Order;
const service = new UploadService({
  state: new SqliteStateStore(order.ledger),
  objects: new S3ObjectStore(order.client),
  chunkSize: order.chunkSize,
  concurrency: order.concurrency,
  partConcurrency: order.partConcurrency,
  ...(order.spool !== null && { pipelines: { secret: STEPS }, spool: { folder: order.spool } }),
});
service.on("warning", (warning) => process.stderr.write(`${JSON.stringify(warning)}\n`));
const over = new AbortController();
process.on("SIGTERM", () => over.abort());

const upload = await service.register({
  id: order.uploadId,
  sourceFolder: order.folder,
  bucket: order.bucket,
  keyTemplate: "{path}",
  mode: "once",
  ...(order.spool !== null && { pipeline: "secret" }),
});
process.stdout.write("registered\n");
await service.start();
process.stdout.write("started\n");
try {
  await service.finished(upload.id, { signal: over.signal });
} catch (error) {
  if (!over.signal.aborted) throw error;
}
await service.stop();
process.stdout.write("stopped\n");
