// The whole of Bucketline: SQLite ledger on disk, scan, checksums, verification, and somebody who listens to progress.

import { UploadService } from "@bucketline/core";
import { S3ObjectStore, type S3ObjectStoreOptions } from "@bucketline/core/s3";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { clientConfig, taskOf } from "./task.ts";

const ID = "bench";

const task = taskOf(process.argv);
const dataPath = (task.dataPath === undefined ? {} : { dataPath: task.dataPath }) as S3ObjectStoreOptions;
const service = new UploadService({
  state: new SqliteStateStore(task.ledger),
  objects: new S3ObjectStore({ ...clientConfig(task), ...dataPath }),
  concurrency: task.concurrency,
});
let progress = 0;
service.on("upload:progress", ({ fraction }) => {
  progress = fraction;
});
await service.start();
await service.register({
  id: ID,
  sourceFolder: task.folder,
  bucket: task.bucket,
  keyTemplate: `${task.prefix}/{path}`,
  mode: "once",
});
if (task.again) await service.check(ID);
const { progress: total } = await service.finished(ID);
await service.stop();
process.stdout.write(`${JSON.stringify({ progress, files: total.filesUploaded })}\n`);
