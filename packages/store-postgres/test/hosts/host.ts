// One host's service in a process of its own. Prints what stages it reaches; SIGTERM drains.

import {
  type ChangeOutcome,
  type FileChange,
  type ObjectStoreCapabilities,
  StateStoreError,
  UploadService,
} from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { PostgresStateStore } from "@bucketline/store-postgres";
import type { HostOrder } from "./trial.ts";

const order = JSON.parse(process.argv[2] ?? "") as HostOrder;
const { chunkSize } = order;
const RETRY_MS = 200;

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

/** Tells of the writes that the ledger refused because another owner has the file. */
class Watched extends PostgresStateStore {
  override async commit(changes: readonly FileChange[]): Promise<ChangeOutcome[]> {
    const outcomes = await super.commit(changes);
    for (const outcome of outcomes) if (outcome === "conflict") say("refused");
    return outcomes;
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** As any host application would: a ledger that is out of reach for a moment is asked again. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StateStoreError) || error.code !== "STATE_UNAVAILABLE") throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

const service = new UploadService({
  state: new Watched({ connectionString: order.connectionString, schema: order.schema }),
  objects: new SmallParts({ ...order.client, customUserAgent: order.sender }),
  owner: order.sender,
  host: order.host,
  lease: order.leaseMs,
  chunkSize,
  concurrency: order.concurrency,
  partConcurrency: order.partConcurrency,
  retry: { baseMs: 10, capMs: 100 },
});
service.on("warning", (warning) => process.stderr.write(`${order.sender} ${JSON.stringify(warning)}\n`));
service.on("file:failed", (failed) => process.stderr.write(`${order.sender} ${JSON.stringify(failed)}\n`));
process.on("SIGTERM", () => void service.stop().then(() => say("stopped")));

await service.start();
const { id } = await insist(() =>
  service.register({
    id: order.uploadId,
    sourceFolder: order.folder,
    bucket: order.bucket,
    keyTemplate: "{path}",
    mode: "once",
  }),
);
say("started");
await insist(() => service.finished(id));
say("finished");
