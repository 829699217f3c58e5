import { crc32 } from "node:zlib";
import type { RecordWrite } from "@bucketline/core/memory";
import type { Disk } from "./disk.ts";
import { eachLine } from "./lines.ts";
import type { Names, Place } from "./names.ts";
import { type RecordReader, writeToJson } from "./records.ts";
import { FORMAT, hex } from "./snapshot.ts";
import { corrupt, newer } from "./state-error.ts";

/** How far a journal counts: what stands behind it was never acknowledged. */
export interface Mark {
  /** Bytes. */
  readonly length: number;
  /** Of all the JSON up to there. */
  readonly crc: number;
}

/** What a journal goes on from: another one, as far as that one counts, or a snapshot that needs none. */
export type Follows = (Place & Mark) | { readonly snapshot: number };

/**
 * A journal is a file of lines: a checksum, a space, JSON. The first line is its head, each other one the writes of one
 * group of calls that were synced together: so a line is there or not, and a power cut can only tear the last one. The
 * checksum runs on from line to line, so that a line that is missing, moved or doubled is noticed, too.
 */
export function headLine(
  { generation, number }: Place,
  follows: Follows,
): { readonly bytes: Buffer; readonly mark: Mark } {
  return line({ bucketline: { version: FORMAT, generation, number, follows } }, { length: 0, crc: 0 });
}

export function writesLine(writes: readonly RecordWrite[], after: Mark): ReturnType<typeof headLine> {
  return line(writes.map(writeToJson), after);
}

function line(value: unknown, { length, crc: before }: Mark): ReturnType<typeof headLine> {
  const json = Buffer.from(JSON.stringify(value));
  const crc = crc32(json, before);
  const bytes = Buffer.concat([Buffer.from(`${hex(crc)} `), json, Buffer.from("\n")]);
  return { bytes, mark: { length: length + bytes.length, crc } };
}

/** @throws StateStoreError `STATE_CORRUPT` · `STATE_NEWER` · errors of the file system */
export async function readFollows(disk: Disk, names: Names, place: Place): Promise<Follows> {
  const name = names.journal(place);
  let follows: Follows | undefined;
  await eachLine(disk.read(name), (bytes) => {
    const json = checked(bytes, 0)?.json;
    follows = json === undefined ? undefined : parseHead(name, place, json);
    return false;
  });
  // It came to its name whole, so a power cut does not explain it.
  if (follows === undefined) throw corrupt(name, "has no head");
  return follows;
}

function parseHead(name: string, place: Place, json: string): Follows {
  const { bucketline: head } = JSON.parse(json);
  if (head?.version > FORMAT) throw newer(name, head.version, FORMAT);
  if (head?.version !== FORMAT || head.generation !== place.generation || head.number !== place.number) {
    throw corrupt(name, "is no journal that Bucketline has written, or has been renamed");
  }
  return head.follows;
}

export interface JournalRead extends Mark {
  /** Groups of writes. */
  readonly groups: number;
}

/**
 * Reads a journal's writes in order.
 * @param until how far it counts; undefined for the newest one: up to the end, or to a last line that was torn
 * @throws StateStoreError `STATE_CORRUPT` · errors of the file system
 */
export async function readJournal(
  disk: Disk,
  name: string,
  until: Mark | undefined,
  reader: RecordReader,
  apply: (write: RecordWrite) => void,
): Promise<JournalRead> {
  let mark: Mark = { length: 0, crc: 0 };
  let lines = 0;
  let tornLine = false;
  const rest = await eachLine(disk.read(name), (bytes) => {
    if (tornLine) throw corrupt(name, `is damaged in line ${lines + 1}`);
    const read = checked(bytes, mark.crc);
    if (read === undefined) {
      if (until !== undefined) throw corrupt(name, `is damaged in line ${lines + 1}`);
      tornLine = true;
      return true;
    }
    lines += 1;
    mark = { length: mark.length + bytes.length + 1, crc: read.crc };
    if (lines > 1) applyGroup(name, lines, read.json, reader, apply);
    return until === undefined || mark.length < until.length;
  });
  if (until !== undefined && (mark.length !== until.length || mark.crc !== until.crc)) {
    throw corrupt(name, "is cut short or damaged: the journal after it knows it otherwise");
  }
  if (tornLine && rest?.some((byte) => byte !== 0)) throw corrupt(name, `is damaged in line ${lines + 1}`);
  return { ...mark, groups: lines - 1 };
}

function applyGroup(
  name: string,
  lineNumber: number,
  json: string,
  reader: RecordReader,
  apply: (write: RecordWrite) => void,
): void {
  try {
    const group: unknown = JSON.parse(json);
    if (!Array.isArray(group)) throw new Error("not a list of writes");
    for (const write of group) apply(reader.write(write));
  } catch (error) {
    throw corrupt(name, `holds in line ${lineNumber} what was never written (${(error as Error).message})`, {
      cause: error,
    });
  }
}

/** @returns undefined when the checksum does not fit */
function checked(bytes: Buffer, before: number): { readonly json: string; readonly crc: number } | undefined {
  const json = bytes.subarray(9);
  const crc = crc32(json, before);
  return bytes.toString("latin1", 0, 9) === `${hex(crc)} ` ? { json: json.toString(), crc } : undefined;
}
