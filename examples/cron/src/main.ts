import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { BucketlineError, UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { runOnce } from "./run-once.ts";

const [folder, bucket, ledger = ".bucketline/cron.db", ...rest] = process.argv.slice(2);
if (!folder || !bucket || rest.length > 0) {
  process.stderr.write("usage: main.ts FOLDER BUCKET [LEDGER]\n");
  process.exit(2);
}
// npm changes into the package's folder and keeps the caller's in INIT_CWD.
const caller = process.env.INIT_CWD ?? process.cwd();
const path = resolve(caller, ledger);
mkdirSync(dirname(path), { recursive: true });

// Region, credentials and AWS_ENDPOINT_URL are read by the AWS SDK. Stores of one's own seldom have a host name per bucket.
const ownEndpoint = process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL;
const service = new UploadService({
  state: new SqliteStateStore(path),
  objects: new S3ObjectStore(ownEndpoint ? { forcePathStyle: true } : {}),
});
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
try {
  const well = await runOnce(service, {
    sourceFolder: resolve(caller, folder),
    bucket,
    print: (line) => process.stdout.write(`${line}\n`),
    warn: (line) => process.stderr.write(`${line}\n`),
    signal: stop.signal,
  });
  process.exitCode = well ? 0 : 1;
} catch (error) {
  if (stop.signal.aborted) process.exitCode = 130;
  else if (error instanceof BucketlineError) {
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exitCode = 1;
  } else throw error;
} finally {
  await service.stop();
}
