import { createHash } from "node:crypto";
import type { FileRecord } from "@bucketline/core";
import { countRescues, untrueWrites, type Write } from "./audit.ts";
import { type Blow, readSendings, type Sendings } from "./sendings.ts";
import { CONCURRENCY, PART_CONCURRENCY, type Trial } from "./trial.ts";

/** What must never happen, by kind; each entry says to what. */
export interface Wrongs {
  /** Files without an object, or with other bytes than their object. */
  readonly lost: readonly string[];
  /** The ledger says what is not so, or somebody wrote to it who may not. */
  readonly untrue: readonly string[];
  /** Sent, begun or recorded a second time without a cause. */
  readonly twice: readonly string[];
  /** Unfinished multipart uploads, and objects of no file. */
  readonly orphans: readonly string[];
}

export const WRONGS = ["lost", "untrue", "twice", "orphans"] as const satisfies readonly (keyof Wrongs)[];

export interface Verdict extends Wrongs {
  readonly sendings: Sendings;
  /** Rows given back for hosts that could not. */
  readonly rescues: number;
}

const PAGE = 1_000;
/** Files and parts that one run of a host has on their way, at most. */
const IN_FLIGHT = CONCURRENCY * PART_CONCURRENCY;

/** Looks at everything. Hosts must have stopped. */
export async function judge(trial: Trial, blows: readonly Blow[]): Promise<Verdict> {
  const writes = await trial.audit.writes();
  const records = await everyFile(trial);
  const sendings = readSendings(trial.bucket.requests, blows);
  const excess = sendings.excused.length > blows.length * IN_FLIGHT ? sendings.excused : [];
  return {
    lost: await compareBytes(trial),
    untrue: [...(await compareLedger(trial, records)), ...untrueWrites(writes)],
    twice: [...sendings.needless, ...excess, ...recordedTwice(writes)],
    orphans: orphans(trial),
    sendings,
    rescues: countRescues(writes),
  };
}

async function compareBytes(trial: Trial): Promise<string[]> {
  const lost: string[] = [];
  for (const { path, sha256 } of trial.files) {
    const object = await trial.bucket.object(path);
    if (!object || createHash("sha256").update(object.body).digest("hex") !== sha256) lost.push(path);
  }
  return lost;
}

async function compareLedger(trial: Trial, records: ReadonlyMap<string, FileRecord>): Promise<string[]> {
  const untrue: string[] = [];
  const etags = new Map(trial.bucket.objects().map(({ key, etag }) => [key, etag]));
  const files = new Set(trial.files.map(({ path }) => path));
  for (const { path, size } of trial.files) {
    const record = records.get(path);
    const proven = record?.state === "UPLOADED" && record.transfer === null && record.owner === null;
    if (!proven || record.size !== size || record.evidence?.etag !== etags.get(path))
      untrue.push(`${path} is ${record?.state} of ${record?.owner}, ${JSON.stringify(record?.evidence)}`);
  }
  for (const path of records.keys())
    if (!files.has(path)) untrue.push(`${path} is in the ledger and not in the folder`);
  const upload = await trial.state.getUpload(trial.uploadId);
  if (upload?.state !== "COMPLETED" || upload.scanner !== null)
    untrue.push(`the upload is ${upload?.state}, scanned by ${upload?.scanner}`);
  for (const [state, counted] of Object.entries(await trial.state.counters(trial.uploadId))) {
    const those = [...records.values()].filter((record) => record.state === state);
    const bytes = those.reduce((sum, { size }) => sum + size, 0);
    if (counted.files !== those.length || counted.bytes !== bytes)
      untrue.push(`${state} counts ${JSON.stringify(counted)}; there are ${those.length} files of ${bytes} bytes`);
  }
  return untrue;
}

async function everyFile({ state, uploadId }: Trial): Promise<Map<string, FileRecord>> {
  const files = new Map<string, FileRecord>();
  for (let after: string | undefined; ; ) {
    const page = await state.listFiles(uploadId, { after, limit: PAGE });
    for (const file of page) files.set(file.path, file);
    after = page.at(-1)?.path;
    if (page.length < PAGE) return files;
  }
}

function recordedTwice(writes: readonly Write[]): string[] {
  const seen = new Set<string>();
  return writes.flatMap(({ path, after, writer }) => {
    if (after?.state !== "UPLOADED") return [];
    if (seen.has(path)) return [`${path} was recorded as UPLOADED again by ${writer}`];
    seen.add(path);
    return [];
  });
}

function orphans({ bucket, files }: Trial): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const strange = bucket.objects().filter(({ key }) => !paths.has(key));
  return [...bucket.unfinished(), ...strange.map(({ key }) => key)];
}
