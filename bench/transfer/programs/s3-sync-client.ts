// s3-sync-client with its defaults but for the number of transfers.

import { S3Client } from "@aws-sdk/client-s3";
import { S3SyncClient } from "s3-sync-client";
import { clientConfig, taskOf } from "./task.ts";

const { folder, bucket, prefix, concurrency, ...rest } = taskOf(process.argv);
const client = new S3Client(clientConfig(rest));
await new S3SyncClient({ client }).sync(folder, `s3://${bucket}/${prefix}`, { maxConcurrentTransfers: concurrency });
client.destroy();
