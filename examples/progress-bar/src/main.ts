import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { BucketlineError, UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { startSandbox } from "@bucketline/s3-sandbox";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { showProgress } from "./show.ts";

const MIB = 2 ** 20;

async function makeDemoFolder(home: string): Promise<string> {
  const folder = join(home, "photos");
  await mkdir(folder);
  for (let n = 1; n <= 60; n++) await writeFile(join(folder, `${n}.jpg`), randomBytes(20_000));
  await writeFile(join(folder, "holiday.mov"), randomBytes(24 * MIB));
  return folder;
}

const [given] = process.argv.slice(2);
// npm changes into the package's folder and keeps the caller's in INIT_CWD.
const caller = process.env.INIT_CWD ?? process.cwd();

const home = await mkdtemp(join(tmpdir(), "bucketline-progress-bar-"));
const sandbox = await startSandbox({ buckets: ["photos"] });
const service = new UploadService({
  state: new SqliteStateStore(join(home, "uploads.db")),
  objects: new S3ObjectStore(sandbox.clientConfig),
  progressInterval: 100,
  // The sandbox is on this machine: slow enough to see something.
  bandwidthLimit: 12 * MIB,
});
try {
  const sourceFolder = given === undefined ? await makeDemoFolder(home) : resolve(caller, given);
  const done = showProgress(service, process.stdout);
  await service.start();
  const { id } = await service.register({ sourceFolder, bucket: "photos", mode: "once" });
  try {
    await service.finished(id);
  } finally {
    done((await service.get(id)).progress);
  }
} catch (error) {
  if (!(error instanceof BucketlineError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await service.stop();
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
}
