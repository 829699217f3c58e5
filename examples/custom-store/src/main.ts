import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { MapKeyValue } from "./map-key-value.ts";
import { KeyValueStateStore } from "./store.ts";

const FILES = 200;

/** What a service with a store of its own on the database finds to do, from its start to its end. */
async function run(what: string, database: MapKeyValue, sandbox: Sandbox, sourceFolder: string): Promise<void> {
  const service = new UploadService({
    state: new KeyValueStateStore(database),
    objects: new S3ObjectStore(sandbox.clientConfig),
  });
  let sent = 0;
  service.on("file:uploaded", () => {
    sent += 1;
  });
  try {
    await service.start();
    const { id } = await service.register({ id: "photos", sourceFolder, bucket: "photos", mode: "once" });
    await service.check(id);
    await service.finished(id);
    const { state, progress } = await service.get(id);
    process.stdout.write(
      `${what}: ${sent} files sent, ${progress.filesUploaded} of ${progress.filesTotal} UPLOADED, ${state}\n`,
    );
  } finally {
    await service.stop();
  }
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "bucketline-custom-store-"));
  const sandbox = await startSandbox({ buckets: ["photos"] });
  const database = new MapKeyValue();
  try {
    for (let n = 0; n < FILES; n++) await writeFile(join(folder, `${n}.txt`), `number ${n}`);
    await run("first service ", database, sandbox, folder);
    await run("second service", database, sandbox, folder);
    await writeFile(join(folder, "7.txt"), "another number");
    await run("third service ", database, sandbox, folder);
    process.stdout.write(`in the bucket : ${sandbox.objects("photos").length} objects\n`);
  } finally {
    await sandbox.close();
    await rm(folder, { recursive: true });
  }
}

await main();
