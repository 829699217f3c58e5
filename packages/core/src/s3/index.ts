export type { DataPathName } from "./choose-data-path.ts";
export { createS3Client, type S3ConnectionOptions } from "./client.ts";
export type { ChecksumMode } from "./inputs.ts";
export { S3ObjectStore, type S3ObjectStoreOptions } from "./s3-object-store.ts";
