// @aws-sdk/lib-storage with its defaults: an Upload with a stream for each file.

import { createReadStream } from "node:fs";
import { S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { clientConfig, sendAll, taskOf } from "./task.ts";

const task = taskOf(process.argv);
const client = new S3Client(clientConfig(task));
await sendAll(task, async ({ path, key }) => {
  await new Upload({ client, params: { Bucket: task.bucket, Key: key, Body: createReadStream(path) } }).done();
});
client.destroy();
