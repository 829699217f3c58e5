import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import type { FileRecord, StateStore } from "@bucketline/core";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { versionOf } from "./living-folder.ts";
import { type Request, readAppearances, readRepeats } from "./requests.ts";
import type { Series } from "./series.ts";

/** What must never happen, by kind; each entry says to what. */
export interface Wrongs {
  /** A file that is there and has no record, no object or other bytes than its object. */
  readonly lost: string[];
  /** The ledger says what the bucket or the folder does not: UPLOADED without such an object, wrong counters, files left over. */
  readonly untrue: string[];
  /** Unfinished multipart uploads. */
  readonly orphans: string[];
  /** Objects, at any time, whose bytes no version of the file ever had. */
  readonly mixed: string[];
  /** Parts and files sent again that were known, or could have been known, to be there. */
  readonly needless: string[];
}

export interface Verdict extends Wrongs {
  /** Files in the folder, compared byte by byte. */
  readonly compared: number;
  /** Objects that became visible, each of them held against the versions of its file. */
  readonly appeared: number;
  /** Parts and files sent again because they were in flight at a kill. */
  readonly overlapped: number;
}

function noWrongs(): Wrongs {
  return { lost: [], untrue: [], orphans: [], mixed: [], needless: [] };
}

const PAGE = 1_000;

/** Looks at everything while the folder rests. @param requests since the last rest */
export async function judgeRest(series: Series, requests: readonly Request[]): Promise<Verdict> {
  const client = new S3Client(series.order.client);
  const { needless, overlapped } = readRepeats(requests);
  const appearances = readAppearances(requests);
  const mixed = appearances.filter(({ key, version }) => !series.folder.had(key, version));
  const wrongs = {
    ...noWrongs(),
    needless: [...needless],
    mixed: mixed.map(({ key, version }) => `${key} ${version}`),
  };
  try {
    const { bucket, ledger } = series.order;
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    wrongs.orphans.push(...Uploads.map(({ Key }) => Key ?? ""));
    await withLedger(ledger, async (state) => {
      const records = await everyFile(state, series);
      await compareFiles(series, client, records, wrongs);
      await recount(state, series, [...records.values()], wrongs);
    });
  } finally {
    client.destroy();
  }
  const compared = series.folder.files.length;
  return { ...wrongs, compared, appeared: appearances.length, overlapped: overlapped.length };
}

/** Looks, between a kill and the next start, for files that are UPLOADED in the ledger and not in the bucket. */
export async function judgeKill(series: Series): Promise<string[]> {
  const { ledger, bucket } = series.order;
  if (!existsSync(ledger)) return [];
  // A copy: to open the ledger itself would mend what the next process is to find.
  const copy = join(series.home, "copy.db");
  for (const end of ["", "-wal"]) {
    rmSync(`${copy}${end}`, { force: true });
    if (existsSync(`${ledger}${end}`)) cpSync(`${ledger}${end}`, `${copy}${end}`);
  }
  const client = new S3Client(series.order.client);
  try {
    const records = await withLedger(copy, async (state) => await everyFile(state, series));
    const etags = await listEtags(client, bucket);
    return [...records.values()]
      .filter(({ state, key, evidence }) => state === "UPLOADED" && etags.get(key) !== evidence?.etag)
      .map(({ path }) => `${path} is UPLOADED after a kill and not in the bucket`);
  } finally {
    client.destroy();
  }
}

async function compareFiles(
  series: Series,
  client: S3Client,
  records: ReadonlyMap<string, FileRecord>,
  { lost, untrue }: Wrongs,
): Promise<void> {
  const bucket = series.order.bucket;
  const left = new Map(records);
  const onDisk = readdirSync(series.folder.path, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  if (onDisk.length !== series.folder.files.length) throw new Error("The folder has other files than were put there.");
  for (const { path } of series.folder.files) {
    const bytes = readFileSync(join(series.folder.path, path));
    const record = records.get(path);
    left.delete(path);
    if ((await sha256OfObject(client, bucket, path)) !== sha256(bytes)) lost.push(`${path} (${record?.state})`);
    const facts = await factsOf(client, bucket, path);
    const evidence = record?.evidence;
    const proven =
      record?.state === "UPLOADED" &&
      record.transfer === null &&
      evidence?.etag === facts?.etag &&
      `${evidence?.checksum}:${evidence?.size}` === `crc32:${versionOf(bytes)}` &&
      evidence?.checksum === `crc32:${facts?.crc32}`;
    if (!proven)
      untrue.push(`${path} is ${record?.state}, ${JSON.stringify(evidence)}; the bucket: ${JSON.stringify(facts)}`);
  }
  for (const { path, state, transfer } of left.values())
    if (state !== "REMOVED" || transfer) untrue.push(`${path} is ${state} and not in the folder`);
}

/** Holds the counters against the rows. */
async function recount(state: StateStore, series: Series, files: readonly FileRecord[], { untrue }: Wrongs) {
  const { uploadId } = series.order;
  const upload = await state.getUpload(uploadId);
  if (upload?.state !== "COMPLETED") untrue.push(`the upload is ${upload?.state}`);
  for (const [name, counted] of Object.entries(await state.counters(uploadId))) {
    const those = files.filter((file) => file.state === name);
    const bytes = those.reduce((sum, { size }) => sum + size, 0);
    if (counted.files !== those.length || counted.bytes !== bytes)
      untrue.push(`${name} counts ${JSON.stringify(counted)}; there are ${those.length} files of ${bytes} bytes`);
  }
}

async function withLedger<T>(path: string, use: (state: StateStore) => Promise<T>): Promise<T> {
  const state = new SqliteStateStore(path);
  await state.open();
  try {
    return await use(state);
  } finally {
    await state.close();
  }
}

async function everyFile(state: StateStore, series: Series): Promise<Map<string, FileRecord>> {
  const files = new Map<string, FileRecord>();
  for (let after: string | undefined; ; ) {
    const page = await state.listFiles(series.order.uploadId, { after, limit: PAGE });
    for (const file of page) files.set(file.path, file);
    after = page.at(-1)?.path;
    if (page.length < PAGE) return files;
  }
}

async function factsOf(client: S3Client, bucket: string, key: string) {
  const head = new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: "ENABLED" });
  const { ETag = "", ChecksumCRC32 = "" } = await client.send(head).catch(ifMissing);
  return { etag: unquoted(ETag), crc32: Buffer.from(ChecksumCRC32, "base64").toString("hex") };
}

async function sha256OfObject(client: S3Client, bucket: string, key: string): Promise<string | undefined> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key })).catch(ifMissing);
  return Body && sha256(await Body.transformToByteArray());
}

function ifMissing(error: unknown): { ETag?: string; ChecksumCRC32?: string; Body?: undefined } {
  if (error instanceof Error && ["NoSuchKey", "NotFound"].includes(error.name)) return {};
  throw error;
}

async function listEtags(client: S3Client, bucket: string): Promise<Map<string, string>> {
  const etags = new Map<string, string>();
  for (let token: string | undefined; ; ) {
    const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
    for (const { Key = "", ETag = "" } of page.Contents ?? []) etags.set(Key, unquoted(ETag));
    token = page.NextContinuationToken;
    if (token === undefined) return etags;
  }
}

function unquoted(etag: string): string {
  return etag.replaceAll('"', "");
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
