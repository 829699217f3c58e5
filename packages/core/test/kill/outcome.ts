import { createHash } from "node:crypto";
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import type { Counters, UploadState } from "@bucketline/core";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import pLimit from "p-limit";
import { restored, SUFFIX } from "./transforms.ts";
import type { Trial } from "./trial.ts";

/** What there is in the end, asked through S3 and read from the ledger. */
export interface Outcome {
  readonly objects: number;
  /** Keys whose bytes are not the file's, and files that have no object. */
  readonly wrong: readonly string[];
  /** Keys that no file has. */
  readonly strange: readonly string[];
  /** Keys with an unfinished multipart upload. */
  readonly multiparts: readonly string[];
  readonly state: UploadState | undefined;
  readonly counters: Counters;
  /** Files whose record does not name the ETag that the bucket has. */
  readonly disagreeing: readonly string[];
}

const GETS_AT_ONCE = 8;

export async function readOutcome(trial: Trial): Promise<Outcome> {
  const { client: config, bucket, spool } = trial.order;
  const keyOf = (path: string) => (spool === null ? path : path + SUFFIX);
  const client = new S3Client(config);
  try {
    const etags = await listEtags(client, bucket);
    const paths = new Set(trial.files.map(({ path }) => keyOf(path)));
    const limit = pLimit(GETS_AT_ONCE);
    const wrong = await Promise.all(
      trial.files.map((file) =>
        limit(async () => {
          const key = keyOf(file.path);
          if (!etags.has(key)) return [file.path];
          const held = spool === null ? sha256OfObject(client, bucket, key) : sha256OfMade(client, bucket, key);
          return (await held) === file.sha256 ? [] : [file.path];
        }),
      ),
    );
    const unfinished = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    return {
      objects: etags.size,
      wrong: wrong.flat(),
      strange: [...etags.keys()].filter((key) => !paths.has(key)),
      multiparts: (unfinished.Uploads ?? []).map(({ Key }) => Key ?? ""),
      ...(await readLedger(trial, etags)),
    };
  } finally {
    client.destroy();
  }
}

/** What the ledger says of the upload, compared with what the bucket has. */
export async function readLedger(
  trial: Trial,
  etags: ReadonlyMap<string, string> = new Map(),
): Promise<Pick<Outcome, "state" | "counters" | "disagreeing">> {
  const { ledger, uploadId } = trial.order;
  const state = new SqliteStateStore(ledger);
  await state.open();
  try {
    const files = await state.listFiles(uploadId, { limit: trial.files.length + 1 });
    return {
      state: (await state.getUpload(uploadId))?.state,
      counters: await state.counters(uploadId),
      disagreeing: files.filter((file) => etags.get(file.key) !== file.evidence?.etag).map(({ path }) => path),
    };
  } finally {
    await state.close();
  }
}

async function listEtags(client: S3Client, bucket: string): Promise<Map<string, string>> {
  const etags = new Map<string, string>();
  for (let token: string | undefined; ; ) {
    const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
    for (const { Key = "", ETag = "" } of page.Contents ?? []) etags.set(Key, ETag.replaceAll('"', ""));
    token = page.NextContinuationToken;
    if (token === undefined) return etags;
  }
}

/** Of the file that the object was made of; undefined when it is no whole output of any. */
async function sha256OfMade(client: S3Client, bucket: string, key: string): Promise<string | undefined> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
  try {
    return createHash("sha256").update(restored(bytes)).digest("hex");
  } catch {
    return undefined;
  }
}

async function sha256OfObject(client: S3Client, bucket: string, key: string): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  const hash = createHash("sha256");
  for await (const chunk of Body as AsyncIterable<Uint8Array>) hash.update(chunk);
  return hash.digest("hex");
}
