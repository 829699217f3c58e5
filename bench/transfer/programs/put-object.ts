// The loop that people write: PutObjectCommand, so many at a time.

import { createReadStream, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { clientConfig, sendAll, taskOf } from "./task.ts";

/** Larger files are streamed. */
const WHOLE_BYTES = 64 * 2 ** 20;

const task = taskOf(process.argv);
const client = new S3Client(clientConfig(task));
await sendAll(task, async ({ path, key }) => {
  const { size } = statSync(path);
  const body = size <= WHOLE_BYTES ? await readFile(path) : createReadStream(path);
  await client.send(new PutObjectCommand({ Bucket: task.bucket, Key: key, Body: body, ContentLength: size }));
});
client.destroy();
