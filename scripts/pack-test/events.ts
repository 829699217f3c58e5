// What a strict TypeScript project sees of the events, errors and options.

import {
  BucketlineError,
  type ErrorCode,
  type EventPayload,
  type RegisterOptions,
  UploadService,
} from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { MemoryStateStore } from "@bucketline/core/testing";
import { createServer } from "@bucketline/http";
import { JsonStateStore } from "@bucketline/store-json";
import { PostgresStateStore } from "@bucketline/store-postgres";
import { SqliteStateStore } from "@bucketline/store-sqlite";

export const ledgers = [SqliteStateStore, JsonStateStore, PostgresStateStore, MemoryStateStore];

const service = new UploadService({
  state: new JsonStateStore("uploads.json"),
  objects: new S3ObjectStore({ region: "eu-west-1" }),
});

service.on("file:failed", ({ path, reason, size }) => {
  const code: ErrorCode = reason.code;
  console.log(path.toUpperCase(), code, size.toFixed(0));
});
service.once("upload:progress", (progress: EventPayload<"upload:progress">) => {
  const left: number | null = progress.etaSeconds;
  console.log(left, progress.fraction * 100);
});
// @ts-expect-error: no such event
service.on("file:exploded", () => {});
// @ts-expect-error: failed files carry no etag
service.on("file:failed", ({ etag }) => console.log(etag));

export const options: RegisterOptions = { sourceFolder: "photos", bucket: "b", pattern: ["**/*.jpg"], mode: "once" };
// @ts-expect-error: a bucket is required
export const incomplete: RegisterOptions = { sourceFolder: "photos" };

try {
  const server = await createServer({ service, port: 0 });
  await server.close();
} catch (error) {
  if (error instanceof BucketlineError && error.code === "INVALID_OPTION") console.log(error.reason.message);
}
