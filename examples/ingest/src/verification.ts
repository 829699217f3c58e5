import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import type { UploadService } from "@bucketline/core";
import { decryptStream, type Keys } from "@bucketline/steps";
import type { Destination } from "./destination.ts";

export interface Verification {
  /** Objects that decrypt to exactly the bytes of their file in done/. */
  readonly same: number;
  /** Keys of all others. */
  readonly wrong: readonly string[];
}

/** Downloads and restores every object of the upload, and compares it with the file that was dropped. @throws errors of S3 */
export async function verifyObjects(
  service: Pick<UploadService, "files">,
  upload: { readonly id: string; readonly folder: string },
  { client, bucket }: Pick<Destination, "client" | "bucket">,
  keys: Keys,
): Promise<Verification> {
  const files = await service.files(upload.id, { states: ["UPLOADED"], limit: 1_000 });
  const paths = new Map(files.map(({ key, path }) => [key, path]));
  const wrong: string[] = [];
  let same = 0;
  const s3 = new S3Client(client);
  try {
    for await (const key of keysBelow(s3, bucket, `${upload.id}/`)) {
      const path = paths.get(key);
      paths.delete(key);
      const isSame = path !== undefined && (await compare(s3, { bucket, key, keys, path, folder: upload.folder }));
      if (isSame) same++;
      else wrong.push(key);
    }
  } finally {
    s3.destroy();
  }
  return { same, wrong: [...wrong, ...paths.keys()] };
}

async function* keysBelow(client: S3Client, bucket: string, prefix: string): AsyncGenerator<string, void, void> {
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix }))
    for (const { Key = "" } of page.Contents ?? []) yield Key;
}

interface Comparison {
  readonly bucket: string;
  readonly key: string;
  readonly keys: Keys;
  readonly path: string;
  readonly folder: string;
}

async function compare(client: S3Client, { bucket, key, keys, path, folder }: Comparison): Promise<boolean> {
  const { Body, Metadata } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  const restored = createHash("sha256");
  try {
    const plain = decryptStream(Body as AsyncIterable<Uint8Array>, { keys, context: { path } });
    await pipeline(plain, createGunzip(), restored);
  } catch {
    return false;
  }
  const source = createHash("sha256");
  await pipeline(createReadStream(join(folder, "done", path)), source);
  const digest = source.digest("hex");
  return restored.digest("hex") === digest && Metadata?.sha256 === digest;
}
