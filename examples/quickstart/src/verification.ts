import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { GetObjectCommand, NoSuchKey, type S3Client } from "@aws-sdk/client-s3";
import type { FileRecord, UploadService } from "@bucketline/core";

export interface Verification {
  /** Objects with exactly the bytes that their files have, and those bytes. */
  readonly same: number;
  readonly bytes: number;
  /** Files that were touched or removed since they were uploaded: their objects cannot be compared any more. */
  readonly touched: readonly string[];
  /** Files whose object is missing or has other bytes. */
  readonly wrong: readonly string[];
}

type Verdict = "same" | "touched" | "wrong";

const COMPARED_AT_ONCE = 8;
const PAGE = 500;

/**
 * Reads every object of an upload back and compares its SHA-256 with that of the file. Asks S3 directly: Bucketline's
 * own word counts only for which files there are to compare.
 * @throws the signal's reason
 */
export async function verify(
  service: UploadService,
  upload: { readonly id: string; readonly folder: string; readonly bucket: string },
  client: S3Client,
  signal: AbortSignal,
): Promise<Verification> {
  const verification = { same: 0, bytes: 0, touched: [] as string[], wrong: [] as string[] };
  const files = uploadedFiles(service, upload.id);
  const compareNext = async () => {
    // Several loops share the one iterator, so each file goes to one of them.
    for await (const file of files) {
      signal.throwIfAborted();
      const verdict = await compare(client, upload.bucket, file, join(upload.folder, file.path), signal);
      if (verdict !== "same") {
        verification[verdict].push(file.path);
        continue;
      }
      verification.same++;
      verification.bytes += file.size;
    }
  };
  await Promise.all(Array.from({ length: COMPARED_AT_ONCE }, compareNext));
  return verification;
}

async function* uploadedFiles(service: UploadService, id: string): AsyncGenerator<FileRecord, void, void> {
  for (let after: string | undefined; ; ) {
    const page = await service.files(id, { ...(after !== undefined && { after }), limit: PAGE, states: ["UPLOADED"] });
    yield* page;
    after = page.at(-1)?.path;
    if (page.length < PAGE) return;
  }
}

async function compare(
  client: S3Client,
  bucket: string,
  file: FileRecord,
  path: string,
  signal: AbortSignal,
): Promise<Verdict> {
  const [object, source] = await Promise.all([
    sha256OfObject(client, bucket, file.key, signal),
    sha256(createReadStream(path)).catch(() => undefined),
  ]);
  if (object !== undefined && object === source) return "same";
  return (await isUntouched(file, path)) ? "wrong" : "touched";
}

async function isUntouched(file: FileRecord, path: string): Promise<boolean> {
  const facts = await stat(path, { bigint: true }).catch(() => undefined);
  return facts !== undefined && facts.mtimeNs === file.mtimeNs && facts.size === BigInt(file.size);
}

/** @returns undefined when there is no such object */
async function sha256OfObject(
  client: S3Client,
  bucket: string,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal });
    return await sha256(Body as AsyncIterable<Uint8Array>);
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
}

async function sha256(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}
