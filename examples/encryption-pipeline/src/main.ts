import { randomBytes } from "node:crypto";
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { S3Client } from "@aws-sdk/client-s3";
import type { FileRecord } from "@bucketline/core";
import { startSandbox } from "@bucketline/s3-sandbox";
import { DecryptionError, type KeyProvider, rawKey } from "@bucketline/steps";
import { download, restoreByFile, restoreByStream } from "./restore.ts";
import { makeFolder } from "./samples.ts";
import { send } from "./send.ts";

const BUCKET = "archive";
const print = (line: string) => process.stdout.write(`${line}\n`);

const home = await mkdtemp(join(tmpdir(), "bucketline-encryption-"));
const sandbox = await startSandbox({ buckets: [BUCKET] });
const s3 = new S3Client(sandbox.clientConfig);
const folder = join(home, "files");

async function newKey(id: string): Promise<KeyProvider> {
  const keyFile = join(home, `${id}.key`);
  await writeFile(keyFile, randomBytes(32), { flag: "wx", mode: 0o400 });
  return rawKey({ id, keyFile });
}

const shipment = (keys: readonly KeyProvider[]) => ({
  home,
  folder,
  bucket: BUCKET,
  client: sandbox.clientConfig,
  keys,
});

/** All bytes of a file's object; objects of any size need not be held like this: see restore.ts. */
async function objectOf({ key }: FileRecord): Promise<Buffer> {
  const { bytes } = await download(s3, BUCKET, key);
  return await buffer(bytes);
}

/** Shows that bytes are refused, and that nothing is left of them. */
async function refused(what: string, bytes: Buffer, { path }: FileRecord, keys: readonly KeyProvider[]): Promise<void> {
  const target = join(home, "refused");
  for (const restore of [restoreByFile, restoreByStream]) {
    const sealed = { bytes: Readable.from([bytes]), path, keys };
    const code = await restore(sealed, join(target, "file")).then(
      () => "RESTORED",
      (error: unknown) => (error instanceof DecryptionError ? error.code : Promise.reject(error)),
    );
    const left = await readdir(target);
    if (code === "RESTORED" || left.length > 0) process.exitCode = 1;
    print(`  ${what.padEnd(24)}  ${restore.name.padEnd(15)}  ${code}, ${left.length} files left behind`);
  }
}

function withChangedByte(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
  return changed;
}

async function story(): Promise<void> {
  await makeFolder(folder);
  const old = await newKey("2026");

  print("On the way up");
  const files = await send(shipment([old]));
  for (const { path, state, steps, reason } of files) {
    const outcomes = steps.map(({ step, outcome }) => `${step} ${outcome}`).join(", ");
    print(`  ${path.padEnd(20)} ${state.padEnd(9)} ${reason?.message ?? outcomes}`);
  }
  const [accounts, letter] = files as [FileRecord, FileRecord, ...FileRecord[]];

  print("\nAnd back");
  for (const [file, restore] of [
    [accounts, restoreByFile],
    [letter, restoreByStream],
  ] as const) {
    const target = join(home, "restored", file.path);
    const { bytes } = await download(s3, BUCKET, file.key);
    await restore({ bytes, path: file.path, keys: old }, target);
    const [, second] = (await readFile(target, "utf8")).split("\n");
    print(`  ${file.path.padEnd(20)} ${restore.name}, its second line: ${second}`);
  }

  print("\nRefused");
  const sealed = await objectOf(accounts);
  const imposter = rawKey({ id: "2026", key: randomBytes(32) });
  await refused("another key", sealed, accounts, [await newKey("other")]);
  await refused("another key, same id", sealed, accounts, [imposter]);
  await refused("the last byte is missing", sealed.subarray(0, -1), accounts, [old]);
  await refused("a byte is changed", withChangedByte(sealed, 5_000), accounts, [old]);
  await refused("another file's object", await objectOf(letter), accounts, [old]);

  print("\nA new key");
  const keys = [await newKey("2027"), old];
  await appendFile(join(folder, letter.path), "We have a new key.\n");
  for (const file of (await send(shipment(keys))).filter(({ state }) => state === "UPLOADED")) {
    const { bytes, keyId } = await download(s3, BUCKET, file.key);
    await restoreByStream({ bytes, path: file.path, keys }, join(home, "again", file.path));
    print(`  ${file.path.padEnd(20)} encrypted with ${keyId}, restored with the list of both`);
  }
  await refused("the old key is gone", await objectOf(accounts), accounts, keys.slice(0, 1));
}

try {
  await story();
} finally {
  s3.destroy();
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
}
