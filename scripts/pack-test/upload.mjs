import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The last one goes in parts. */
const files = {
  "one.txt": Buffer.from("one"),
  "empty.txt": Buffer.alloc(0),
  "deep/two words.txt": Buffer.from("two"),
  "deep/large.bin": Buffer.alloc(6 * 2 ** 20, "large"),
};

export function writeFiles(folder) {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}

/** The bucket holds the files below the prefix, byte for byte, and nothing else. */
export async function assertStored(sandbox, bucket, prefix) {
  const keys = sandbox.objects(bucket).map(({ key }) => key);
  assert.deepEqual(
    keys.sort(),
    Object.keys(files)
      .map((path) => prefix + path)
      .sort(),
  );
  for (const [path, bytes] of Object.entries(files)) {
    assert.ok((await sandbox.object(bucket, prefix + path)).body.equals(bytes), `${path} differs`);
  }
}

/** One real upload as a host application does it. `modules` by name: how they were loaded is the caller's. */
export async function uploadFolder(modules) {
  const { UploadService } = modules["@bucketline/core"];
  const { S3ObjectStore } = modules["@bucketline/core/s3"];
  const { SqliteStateStore } = modules["@bucketline/store-sqlite"];
  const sandbox = await modules["@bucketline/s3-sandbox"].startSandbox({ buckets: ["my-bucket"] });
  const scratch = mkdtempSync(join(process.cwd(), "upload-"));
  const ledger = join(scratch, "uploads.db");
  const sourceFolder = join(scratch, "files");
  writeFiles(sourceFolder);
  const service = new UploadService({
    state: new SqliteStateStore(ledger),
    objects: new S3ObjectStore(sandbox.clientConfig),
  });
  try {
    await service.start();
    const { id } = await service.register({ id: "u", sourceFolder, bucket: "my-bucket", mode: "once" });
    await service.finished(id);
    const { checkedFiles, missing, different } = await service.verify(id, { deep: true });
    assert.deepEqual({ checkedFiles, missing, different }, { checkedFiles: 4, missing: 0, different: 0 });
    await assertStored(sandbox, "my-bucket", "u/");
    assert.match(readFileSync(ledger, "latin1").slice(0, 15), /^SQLite format 3$/);
  } finally {
    await service.stop();
    await sandbox.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}
