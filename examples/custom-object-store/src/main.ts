import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UploadService } from "@bucketline/core";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { FolderObjectStore } from "./store.ts";

const BUCKET = "backup";
const MIB = 2 ** 20;

/** One run of a service that sends what has changed, and compares what it knows with what is there. */
async function run(what: string, home: string): Promise<void> {
  const objects = new FolderObjectStore(join(home, "buckets"));
  await objects.createBucket(BUCKET);
  const service = new UploadService({ state: new SqliteStateStore(join(home, "uploads.db")), objects });
  const sent = { files: 0, parts: 0 };
  service.on("file:uploaded", () => {
    sent.files += 1;
  });
  service.on("file:progress", ({ partNumber }) => {
    if (partNumber !== undefined) sent.parts += 1;
  });
  try {
    await service.start();
    const { id } = await service.register({
      id: "photos",
      sourceFolder: join(home, "photos"),
      bucket: BUCKET,
      mode: "once",
    });
    await service.check(id);
    await service.finished(id);
    const { checkedFiles, missing, different } = await service.verify(id, { deep: true });
    process.stdout.write(
      `${what}: ${sent.files} files sent, ${sent.parts} parts; of ${checkedFiles} objects ${missing} missing, ${different} different\n`,
    );
  } finally {
    await service.stop();
  }
}

const home = await mkdtemp(join(tmpdir(), "bucketline-custom-object-store-"));
try {
  await mkdir(join(home, "photos"));
  for (let n = 1; n <= 40; n++) await writeFile(join(home, "photos", `${n}.jpg`), randomBytes(20_000));
  await writeFile(join(home, "photos", "holiday.mov"), randomBytes(12 * MIB));
  await run("first run ", home);
  await run("second run", home);
  await writeFile(join(home, "photos", "7.jpg"), "another picture");
  await run("third run ", home);
} finally {
  await rm(home, { recursive: true, force: true });
}
