import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { decryptFile, decryptStream, type Keys } from "@bucketline/steps";

type Bytes = AsyncIterable<Uint8Array>;

export interface Sealed {
  /** The object's. */
  readonly bytes: Bytes;
  /** Of the file that it is to be: an object of another file is refused. */
  readonly path: string;
  readonly keys: Keys;
}

/** An object's bytes, as they come, and the id of the key that opens it. @throws errors of S3 */
export async function download(client: S3Client, bucket: string, key: string) {
  const { Body, Metadata } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return { bytes: Body as Bytes, keyId: Metadata?.["encryption-key-id"] };
}

/** In two steps: the compressed file appears only when all of it is authenticated. @throws DecryptionError */
export async function restoreByFile({ bytes, path, keys }: Sealed, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const compressed = `${to}.gz`;
  await decryptFile(bytes, compressed, { keys, context: { path } });
  try {
    await pipeline(createReadStream(compressed), createGunzip(), createWriteStream(to, { flags: "wx", mode: 0o600 }));
  } finally {
    await rm(compressed, { force: true });
  }
}

/**
 * In one pass, with nothing between on the disk. Whether the end is there is known only at the end, so the file has another name
 * until then.
 * @throws DecryptionError
 */
export async function restoreByStream({ bytes, path, keys }: Sealed, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const partial = `${to}.partial`;
  try {
    const plain = decryptStream(bytes, { keys, context: { path } });
    await pipeline(plain, createGunzip(), createWriteStream(partial, { flags: "wx", mode: 0o600 }));
    await rename(partial, to);
  } finally {
    await rm(partial, { force: true });
  }
}
