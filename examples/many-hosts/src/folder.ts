import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sandbox } from "@bucketline/s3-sandbox";

/** Letters, and films that go in parts. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder);
  for (let n = 1; n <= 200; n++) await writeFile(join(folder, `letter-${n}.txt`), `Letter ${n}\n`);
  for (let n = 1; n <= 10; n++) await writeFile(join(folder, `film-${n}.mp4`), randomBytes(6_000_000));
}

/** Files that the bucket does not have exactly as they are, and objects that are no file. */
export async function differences(folder: string, sandbox: Sandbox, bucket: string): Promise<string[]> {
  const strangers = new Set(sandbox.objects(bucket).map(({ key }) => key));
  const wrong: string[] = [];
  for (const path of await readdir(folder)) {
    strangers.delete(path);
    const object = await sandbox.object(bucket, path);
    if (!object?.body.equals(await readFile(join(folder, path)))) wrong.push(path);
  }
  return [...wrong, ...strangers];
}
