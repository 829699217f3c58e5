import { S3ObjectStore, type S3ObjectStoreOptions } from "../../src/s3/index.ts";

/** An S3 store that lets parts be as small as the sandbox does. */
export function smallPartStore(options: S3ObjectStoreOptions): S3ObjectStore {
  const store = new S3ObjectStore(options);
  Object.assign(store.capabilities, { minPartSize: 1 });
  return store;
}
